"""What each option of the algorithms and of the built-in parts does to the update."""

from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale import SAC, TD3
from sb3_scale.nn.base import ConstrainedModule
from sb3_scale.nn.linear import EnsembleLinear, linear_layers
from sb3_scale.parts import build

SMALL = {"name": "mlp", "width": 16}
ACTORS = {SAC: "squashed-gaussian", TD3: "deterministic"}
FILLED, BATCH = 48, 32


def make(
    algorithm: Any = SAC,
    env: Any = "Pendulum-v1",
    critic: dict[str, Any] | None = None,
    parts: dict[str, Any] | None = None,
    **settings: Any,
) -> Any:
    """An algorithm with small networks and a filled replay buffer, before its first update."""
    model = algorithm(
        "ScalePolicy",
        env,
        seed=0,
        device="cpu",
        **{"buffer_size": 1000, "batch_size": BATCH, "learning_starts": FILLED, **settings},
        policy_kwargs={
            "actor": {"name": ACTORS[algorithm], "network": SMALL},
            "critic": {"name": "ensemble", "network": SMALL, **(critic or {})},
            **(parts or {}),
        },
    )
    return model.learn(FILLED)


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(module.parameters()).detach().clone()


def changes(model: Any, read: Any, steps: int) -> list[bool]:
    """Whether what ``read`` returns changed, for each of some gradient steps."""
    changed = []
    for _ in range(steps):
        before = read()
        model.train(1, BATCH)
        changed.append(not torch.equal(before, read()))
    return changed


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_policy_delay(algorithm: Any) -> None:
    model = make(algorithm, policy_delay=3)
    due = [False, False, True] * 2
    assert changes(model, lambda: weights(model.policy.actor), 6) == due
    model._n_updates = 0
    assert changes(model, lambda: weights(model.policy.critic), 6) == [True] * 6
    # The temperature of SAC moves with its actor, the targets of TD3 with theirs.
    if algorithm is SAC:
        assert changes(model, lambda: model.log_ent_coef.detach().clone(), 6) == due
        assert changes(model, lambda: weights(model.policy.critic_target), 3) == [True] * 3
    else:
        assert changes(model, lambda: weights(model.policy.actor_target), 6) == due
        assert changes(model, lambda: weights(model.policy.critic_target), 6) == due


def test_target_update_interval_counts_over_train_calls() -> None:
    model = make(target_update_interval=2, gradient_steps=1)
    assert changes(model, lambda: weights(model.policy.critic_target), 4) == [False, True] * 2


def critic_loss_by_hand(model: Any, huber: float | None = None, mean: bool = False) -> float:
    """Half the squared Bellman error of SAC, or another, for the batch and the noise of seed 5."""
    np.random.seed(5)
    data = model.replay_buffer.sample(BATCH, env=model._vec_normalize_env)
    policy = model.policy
    target = policy.critic_target if policy.critic.target else policy.critic
    torch.manual_seed(5)
    with torch.no_grad():
        next_actions, log_prob = policy.actor.action_log_prob(data.next_observations)
        next_q = target(data.next_observations, next_actions).numpy()
        q = policy.critic(data.observations, data.actions).numpy()
        log_prob = log_prob.numpy()
    next_value = next_q.mean(0) if mean else next_q.min(0)
    if model.backup_entropy:
        next_value = next_value - np.exp(model.log_ent_coef.item()) * log_prob
    gamma = model.gamma if data.discounts is None else data.discounts.numpy()
    y = data.rewards.numpy() + (1 - data.dones.numpy()) * gamma * next_value
    gap = np.abs(q - y)
    error = 0.5 * gap**2
    if huber is not None:
        error = np.where(gap < huber, 0.5 * gap**2, huber * (gap - 0.5 * huber))
    return float(error.mean(axis=(1, 2)).sum())


@pytest.mark.parametrize(
    ("settings", "by_hand"),
    [
        ({}, {}),
        ({"backup_entropy": False}, {}),
        ({"critic": {"target": False}}, {}),
        ({"critic": {"n_critics": 1}}, {}),
        ({"critic": {"n_critics": 5}}, {}),
        ({"critic": {"n_critics": 3, "reduction": "mean"}}, {"mean": True}),
        ({"critic": {"joint_batch": True, "target": False}}, {}),
        ({"critic": {"joint_batch": True}}, {}),
        ({"n_steps": 3, "gamma": 0.9}, {}),
        ({"parts": {"loss": {"name": "huber", "delta": 2.0}}}, {"huber": 2.0}),
        ({"env": "normalized"}, {}),
    ],
    ids=str,
)
def test_critic_loss(settings: dict[str, Any], by_hand: dict[str, Any]) -> None:
    if settings.get("env") == "normalized":
        settings = {"env": VecNormalize(make_vec_env("Pendulum-v1", seed=0))}
    model = make(**settings, ent_coef="auto_0.2", tau=0.5)
    # A few updates, so that online and target networks, and alpha, differ from their start.
    model.train(5, BATCH)
    expected = critic_loss_by_hand(model, **by_hand)
    np.random.seed(5)
    torch.manual_seed(5)
    model.train(1, BATCH)
    assert model.logger.name_to_value["train/critic_loss"] == pytest.approx(expected, rel=1e-4)
    policy = model.policy
    assert (policy.critic_target is policy.critic) == (not policy.critic.target)
    assert policy.critic(torch.zeros(4, 3), torch.zeros(4, 1)).shape[0] == policy.critic.n_critics


@pytest.mark.parametrize("target", [True, False])
def test_joint_batch_equals_two_passes_without_batch_statistics(target: bool) -> None:
    models = [make(critic={"joint_batch": joint, "target": target}) for joint in (False, True)]
    for model in models:
        np.random.seed(0)
        torch.manual_seed(0)
        model.train(10, BATCH)
    # Only the order of sums differs; ten Adam steps of 3e-4 each make rounding no larger than this.
    torch.testing.assert_close(*[weights(m.policy) for m in models], rtol=0, atol=3e-6)


def test_gradient_norm_is_bounded() -> None:
    model = make(max_grad_norm=1e-3)
    model.train(1, BATCH)
    for module in (model.policy.actor, model.policy.critic):
        norm = torch.cat([p.grad.flatten() for p in module.parameters()]).norm().item()
        assert norm == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_learning_rates_per_part(algorithm: Any) -> None:
    rates = {"actor_learning_rate": "lin_1e-3", "critic_learning_rate": 2e-3}
    if algorithm is SAC:
        rates["ent_coef_learning_rate"] = lambda progress: 5e-3 * progress**2
    model = make(algorithm, learning_rate=1e-5, **rates)
    model._current_progress_remaining = 0.25
    model.train(1, BATCH)
    expected = {"learning_rate": 1e-5, "actor_learning_rate": 2.5e-4, "critic_learning_rate": 2e-3}
    found = [model.policy.actor.optimizer, model.policy.critic.optimizer]
    if algorithm is SAC:
        expected["ent_coef_learning_rate"] = 5e-3 / 16
        found.append(model.ent_coef_optimizer)
    logged = model.logger.name_to_value
    assert {key: logged[f"train/{key}"] for key in expected} == pytest.approx(expected)
    used = [optimizer.param_groups[0]["lr"] for optimizer in found]
    assert used == pytest.approx(list(expected.values())[1:])


def test_common_learning_rate_is_the_only_one_logged_by_default() -> None:
    model = make(learning_rate=lambda progress: 1e-3 * progress)
    model._current_progress_remaining = 0.5
    model.train(1, BATCH)
    logged = [key for key in model.logger.name_to_value if "learning_rate" in key]
    assert logged == ["train/learning_rate"]
    for optimizer in (model.policy.actor.optimizer, model.ent_coef_optimizer):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(5e-4)


def test_optimizers_per_part() -> None:
    decay = {"hidden": 0.1, "output": 0.2}
    parts = {
        "actor_optimizer": {"name": "adam", "betas": [0.5, 0.9], "eps": 1e-6},
        "critic_optimizer": {"name": "adamw", "weight_decay": decay},
    }
    model = make(parts=parts, ent_coef_optimizer_kwargs={"betas": [0.7, 0.8]})
    actor, critic = model.policy.actor.optimizer, model.policy.critic.optimizer
    assert (type(actor), actor.defaults["betas"]) == (torch.optim.Adam, (0.5, 0.9))
    assert actor.defaults["eps"] == 1e-6
    assert type(critic) is torch.optim.AdamW
    assert [group["weight_decay"] for group in critic.param_groups] == [0.1, 0.2, 0.0]
    assert model.ent_coef_optimizer.param_groups[0]["betas"] == (0.7, 0.8)
    assert changes(model, lambda: weights(model.policy.critic), 1) == [True]


@pytest.mark.parametrize(
    ("actor", "outputs"),
    [
        ("squashed-gaussian", ["output"]),
        ("deterministic", ["output"]),
        ("conditional-flow", ["base.output", *(f"flow.couplings.{i}.output" for i in range(4))]),
        ("variational", ["latent.output", "policy.output", "posterior.output"]),
        ("optimistic", ["policy.output", "shift.output"]),
    ],
)
def test_decay_of_the_output_is_that_of_all_that_unit_norm_leaves_unbounded(
    actor: str, outputs: list[str]
) -> None:
    part = build("actor", {"name": actor, "constraint": "unit-norm"}, 3, 2)
    optimizer = build("optimizer", {"name": "adamw", "weight_decay": {"output": 0.1}}, part, 1e-3)
    decayed = {
        id(each) for group in optimizer.param_groups for each in group["params"]
        if group["weight_decay"]
    }  # fmt: skip
    names = [name for name, each in part.named_parameters() if id(each) in decayed]
    assert names == [f"{name}.weight" for name in outputs]
    layers = {name: each for name, each in part.named_modules() if isinstance(each, EnsembleLinear)}
    before = {name: layer.weight.clone() for name, layer in layers.items()}
    with torch.no_grad():
        for layer in layers.values():
            layer.weight.add_(layer.weight + 1)
    part.project_()
    for name, layer in layers.items():
        norms = layer.weight.square().sum(dim=1) + layer.bias.square()[:, 0]
        one = torch.allclose(norms, torch.ones_like(norms))
        assert one == (name not in outputs), name
        assert not torch.equal(layer.weight, before[name])


def test_the_last_layer_of_a_strangers_actor_is_its_output() -> None:
    class Own(ConstrainedModule):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = EnsembleLinear(3, 4, 1), EnsembleLinear(4, 2, 1)
            self.initialize("default", None)

    assert [layer.output for layer in linear_layers(Own())] == [False, True]


def test_plain_weight_decay_reaches_all_parameters() -> None:
    model = make(parts={"optimizer": {"name": "adamw", "weight_decay": 0.25}})
    for part in (model.policy.actor, model.policy.critic):
        (group,) = part.optimizer.param_groups
        assert group["weight_decay"] == 0.25
        assert {id(p) for p in group["params"]} == {id(p) for p in part.parameters()}


@pytest.mark.parametrize(
    ("settings", "n_envs", "updates"),
    [
        ({"gradient_steps": 3}, 1, 3 * 16),
        ({"gradient_steps": -1, "train_freq": 8}, 1, 16),
        ({"gradient_steps": -1}, 4, 16),
        ({"gradient_steps": 1}, 4, 4),
    ],
)
def test_number_of_updates(settings: dict[str, Any], n_envs: int, updates: int) -> None:
    model = make(env=make_vec_env("Pendulum-v1", n_envs), **settings)
    assert model._n_updates == 0
    model.learn(16, reset_num_timesteps=False)
    assert model.num_timesteps == FILLED + 16
    assert model._n_updates == updates
    assert torch.isfinite(weights(model.policy)).all()


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_no_gradient_steps_change_nothing(algorithm: Any) -> None:
    model = make(algorithm)
    before = [parameter.clone() for parameter in model.policy.parameters()]
    model.train(gradient_steps=0, batch_size=BATCH)
    assert model._n_updates == 0
    for old, new in zip(before, model.policy.parameters(), strict=True):
        assert torch.equal(old, new)
