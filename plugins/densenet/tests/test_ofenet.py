"""OFENet: the paper's counts, its loss, and that nothing else trains it."""

import csv
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.learning.batch import Step
from sb3_scale.policies import build_extractor
from sb3_scale.testing import check_component, check_trains
from sb3_scale_asymmetric.td2 import DDPG, TD2

SMALL = {"name": "ofenet", "width": 6, "depth": 2, "pretraining_steps": 3}
NETWORK = {"name": "mlp", "width": 8}


def make(size: int = 5, action_dim: int = 2, **params: Any) -> Any:
    space = spaces.Box(-np.inf, np.inf, (size,))
    return build_extractor({**SMALL, **params}, space, action_dim)


def agent(
    algorithm: Any,
    env: Any = "Pendulum-v1",
    extractor: Any = SMALL,
    critic: Any = None,
    **settings: Any,
) -> Any:
    kind = "squashed-gaussian" if algorithm is SAC else "deterministic"
    return algorithm(
        "ScalePolicy",
        env,
        learning_starts=20,
        batch_size=16,
        buffer_size=200,
        seed=0,
        device="cpu",
        policy_kwargs={
            "extractor": extractor,
            "actor": {"name": kind, "network": NETWORK},
            "critic": {"name": "ensemble", "network": NETWORK, **(critic or {})},
        },
        **settings,
    )


def counted(layer: torch.nn.Module) -> int:
    """As the paper counts: weight, bias, and four values per feature of a batch norm."""
    buffers = [
        b for name, b in layer.named_buffers() if name.rpartition(".")[2].startswith("running")
    ]
    return sum(tensor.numel() for tensor in (*layer.parameters(), *buffers))


def test_counts_of_table_2() -> None:
    """Ant-v2: 111 observations, 8 actions; OFENet z_s."""
    extractor = make(111, 8, width=256, depth=8)
    counts = [counted(layer) for layer in extractor.state.layers]
    assert counts == [
        29_696, 95_232, 160_768, 226_304, 291_840, 357_376, 422_912, 488_448,
    ]  # fmt: skip
    assert sum(counts) == 2_072_576
    assert extractor.features_dim == 2159
    assert extractor.state_action_dim == 2159 + 8 + 8 * 256


def numpy_densenet(network: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    for layer in network.layers:
        weight, bias = (
            t.detach()[0].double().numpy() for t in (layer.linear.weight, layer.linear.bias)
        )
        y = x @ weight + bias
        y = (y - y.mean(axis=0)) / np.sqrt(y.var(axis=0) + layer.norm.eps)
        x = np.concatenate((x, y / (1 + np.exp(-y))), axis=1)
    return x


def test_loss_is_equation_1() -> None:
    torch.manual_seed(0)
    extractor = make(predicted=[0, 3])
    s, a, after = torch.randn(9, 5), torch.rand(9, 2), torch.randn(9, 5)
    loss = extractor.auxiliary_loss(s, a, after)
    z_s = numpy_densenet(extractor.state, s.double().numpy())
    z_sa = numpy_densenet(extractor.state_action, np.concatenate((z_s, a.double().numpy()), axis=1))
    weight, bias = (t.detach()[0].double().numpy() for t in extractor.output.parameters())
    error = z_sa @ weight + bias - after.double().numpy()[:, [0, 3]]
    assert loss.item() == pytest.approx((error**2).sum(axis=1).mean(), rel=1e-4)


def test_a_number_predicts_the_first_of_them() -> None:
    assert make(predicted=3).predicted.tolist() == [0, 1, 2]
    assert make().predicted.tolist() == [0, 1, 2, 3, 4]


def test_features_for_actor_and_critic_have_the_statistics_of_the_past() -> None:
    torch.manual_seed(0)
    extractor = make()
    s, a = torch.randn(9, 5), torch.rand(9, 2)
    alone = extractor(s[:1], training=True)
    torch.testing.assert_close(alone, extractor(s, training=True)[:1])
    before = {name: buffer.clone() for name, buffer in extractor.named_buffers()}
    extractor.critic_inputs(extractor(s, training=True), a)
    for name, buffer in extractor.named_buffers():
        torch.testing.assert_close(buffer, before[name], rtol=0, atol=0)
    extractor.auxiliary_loss(s, a, s)
    assert any(not torch.equal(b, before[name]) for name, b in extractor.named_buffers())


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_actor_and_critic_do_not_train_it(algorithm: Any) -> None:
    model = agent(algorithm)
    model.learn(21)
    extractor = model.policy.extractor
    before = {name: tensor.clone() for name, tensor in extractor.state_dict().items()}
    own = extractor.optimizer.step
    extractor.optimizer.step = lambda *args, **kwargs: None
    buffers = {name for name, _ in extractor.named_buffers()}
    actor = [parameter.clone() for parameter in model.policy.actor.parameters()]
    model.train(4, 16)
    extractor.optimizer.step = own
    for name, tensor in extractor.state_dict().items():
        if name not in buffers:
            torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    changed = zip(model.policy.actor.parameters(), actor, strict=True)
    assert all(not torch.equal(new, old) for new, old in changed)


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_only_its_own_loss_trains_it(algorithm: Any) -> None:
    """Its next weights are those of Adam on the auxiliary loss of the same batch alone."""
    model = agent(algorithm)
    model.learn(21)
    np.random.seed(7)
    transitions = model.sample(16).transitions
    alone = deepcopy(model.policy.extractor)
    alone.auxiliary_loss(*transitions).backward()
    alone.optimizer.step()
    np.random.seed(7)
    torch.manual_seed(7)
    model.train(1, 16)
    for ours, expected in zip(model.policy.extractor.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(ours, expected)


def test_each_gradient_step_trains_it_once_after_pretraining() -> None:
    model = agent(SAC)
    model.set_logger(configure(None, []))
    model.learn(25)
    (parameter, *_) = model.policy.extractor.parameters()
    assert model._n_updates == 5
    assert model.policy.extractor.optimizer.state[parameter]["step"] == 3 + 5
    assert model.logger.name_to_value["train/extractor_loss"] > 0


def test_pretraining_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sb3_scale.algorithms.pretraining.LOG_INTERVAL", 100)
    params = {"pretraining_steps": 230, "width": 32, "learning_rate": 3e-3}
    model = agent(SAC, extractor={**SMALL, **params})
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(21)
    model.logger.close()
    with (tmp_path / "progress.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["pretraining/step"]]
    assert [row["pretraining/step"] for row in rows] == ["100", "200", "230"]
    assert {row["time/total_timesteps"] for row in rows} == {"21"}
    losses = [float(row["pretraining/extractor_loss"]) for row in rows]
    assert losses[0] > 2 * losses[2] > 0


def test_the_target_follows_with_its_statistics() -> None:
    model = agent(SAC, tau=0.25)
    model.learn(21)
    policy = model.policy
    target = [p.clone() for p in policy.extractor_target.parameters()]
    model.train(1, 16)
    for new, old, online in zip(
        policy.extractor_target.parameters(), target, policy.extractor.parameters(), strict=True
    ):
        torch.testing.assert_close(new, old + 0.25 * (online - old))
    for copied, buffer in zip(
        policy.extractor_target.buffers(), policy.extractor.buffers(), strict=True
    ):
        torch.testing.assert_close(copied, buffer, rtol=0, atol=0)


def test_critic_reads_actions_through_its_own_extractor() -> None:
    policy = agent(SAC).policy
    for parameter in policy.extractor_target.parameters():
        torch.nn.init.normal_(parameter)
    s, a = torch.randn(4, 3), torch.rand(4, 1)
    for outputs, extractor, critic in (
        (policy.critic_outputs, policy.extractor, policy.critic),
        (policy.target_outputs, policy.extractor_target, policy.critic_target),
    ):
        z_s = extractor(s)
        z_sa, none = extractor.critic_inputs(z_s, a)
        assert none.shape == (4, 0)
        expected = critic(z_sa, none)
        torch.testing.assert_close(outputs(z_s, a), expected)
    assert policy.critic.network.linears[0].in_features == policy.extractor.state_action_dim


SETTINGS: dict[str, dict[str, Any]] = {
    "several steps": {"n_steps": 3},
    "priorities": {
        "replay_buffer_class": "prioritized",
        "replay_buffer_kwargs": {"n_steps": 3},
    },
    "compiled": {"compile": True},
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name == "compiled" else [])
        for name in SETTINGS
    ],
)
def test_predicts_one_step_whatever_the_returns_are(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    env = VecNormalize(make_vec_env("Pendulum-v1", 2), norm_reward=False)
    model = agent(SAC, env, **SETTINGS[name])
    model.learn(40)
    assert "without compilation" not in capsys.readouterr().err
    single = model.sample(64).transitions
    buffer = model.replay_buffer
    known = set()
    for before, after in zip(
        buffer.observations[: buffer.size()].reshape(-1, 3),
        buffer.next_observations[: buffer.size()].reshape(-1, 3),
        strict=True,
    ):
        pair = env.normalize_obs(np.stack((before, after))).astype(np.float32)
        known.add(pair.tobytes())
    seen = torch.stack((single.observations, single.next_observations), dim=1).numpy()
    assert {pair.tobytes() for pair in seen} <= known


def test_the_target_begins_where_pretraining_ends() -> None:
    model = agent(SAC, tau=1e-6)
    model.learn(22)
    model.training.pretrain(model.learners, 16)
    policy = model.policy
    online, target = policy.extractor.state_dict(), policy.extractor_target.state_dict()
    for name, tensor in online.items():
        torch.testing.assert_close(target[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("algorithm", [SAC, TD3, TD2, DDPG])
@pytest.mark.parametrize("target", [True, False])
def test_an_actor_gets_at_the_next_state_what_it_is_trained_on(
    algorithm: Any, target: bool
) -> None:
    """The online actor online features, its target those of the target extractor."""
    kind = "squashed-gaussian" if algorithm is SAC else "deterministic"
    noise = {"target_policy_noise": 0.0} if algorithm is TD3 else {}
    model = algorithm(
        "ScalePolicy",
        "Pendulum-v1",
        learning_starts=20,
        batch_size=8,
        buffer_size=100,
        policy_kwargs={
            "extractor": SMALL,
            "actor": {"name": kind, "target": target, "network": NETWORK},
            "critic": {"name": "ensemble", "network": NETWORK},
        },
        seed=0,
        **noise,
    ).learn(40)
    step, policy, core = Step(model.sample(8)), model.policy, model.training.actor_critic
    core.extract(step)
    after = step.batch.next_observations
    online, copied = policy.features(after), policy.target_features(after)
    assert not torch.allclose(online, copied)
    torch.manual_seed(0)
    found, _ = core.next_actions(step)
    torch.manual_seed(0)
    expected, _ = core.objective.next_actions(policy, copied if target else online)
    assert torch.equal(found, expected)


def test_a_joint_batch_reads_each_extractor_alone() -> None:
    """Both halves of a pass through critic or target are features of its own extractor."""
    model = agent(SAC, critic={"joint_batch": True})
    model.learn(25)
    policy, batch = model.policy, model.sample(8)
    for parameter in policy.extractor_target.parameters():
        torch.nn.init.normal_(parameter)
    step = Step(batch)
    actor_critic = model.training.actor_critic
    torch.manual_seed(1)
    outputs, target = actor_critic.outputs_and_target(step)
    torch.manual_seed(1)
    # SAC's actor has no target, and reads the extractor that it acts with.
    next_features = policy.extractor(batch.next_observations)
    next_actions, entropy_term = model.training.objective.next_actions(policy, next_features)
    actions = torch.cat((batch.actions, next_actions))
    both = torch.cat((batch.observations, batch.next_observations))
    mine, theirs = policy.extractor, policy.extractor_target
    expected = policy.critic(*mine.critic_inputs(mine(both), actions))
    torch.testing.assert_close(outputs, expected[:, :8])
    expected = policy.critic_target(*theirs.critic_inputs(theirs(both), actions))
    values = expected[:, 8:].amin(dim=0) - entropy_term
    torch.testing.assert_close(target, batch.rewards + batch.discounts * values)


def test_the_norm_of_gradients_is_limited_for_actor_and_critic_alone() -> None:
    model = agent(SAC, max_grad_norm=1e-9)
    model.learn(25)
    assert max(float(p.grad.norm()) for p in model.policy.extractor.parameters()) > 1e-3


def test_learns_to_predict() -> None:
    model = agent(SAC, extractor={**SMALL, "pretraining_steps": 0, "width": 32})
    model.learn(200)
    transitions = model.sample(128).transitions
    extractor, learner = model.policy.extractor, model.learners.extractor
    with torch.no_grad():
        before = extractor.auxiliary_loss(*transitions).item()
    learner.pretraining_steps = 300
    model.training.pretrain([learner], 64)
    with torch.no_grad():
        assert extractor.auxiliary_loss(*transitions).item() < 0.3 * before


def test_saves_loads_and_goes_on(tmp_path: Path) -> None:
    model = agent(SAC)
    model.learn(30)
    model.save(tmp_path / "model.zip")
    again = SAC.load(tmp_path / "model.zip", gym.make("Pendulum-v1"))
    for ours, theirs in zip(
        model.policy.extractor.optimizer.state.values(),
        again.policy.extractor.optimizer.state.values(),
        strict=True,
    ):
        torch.testing.assert_close(ours["exp_avg"], theirs["exp_avg"])
    again.learn(25, reset_num_timesteps=False)
    (parameter, *_) = again.policy.extractor.parameters()
    state = again.policy.extractor.optimizer.state[parameter]
    assert state["step"] == 3 + again._n_updates


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"predicted": [5]}, "predicted is [5]; allowed: 1 to 5, or a list of numbers from 0 to 4"),
        ({"predicted": []}, "predicted is []; allowed: 1 to 5, or a list of numbers from 0 to 4"),
        ({"predicted": [0, 0, 1]}, "predicted is [0, 0, 1]; allowed: 1 to 5, or a list of numbers"),
        ({"predicted": True}, "predicted is True"),
        ({"predicted": 6}, "predicted is 6; allowed: 1 to 5"),
        ({"predicted": 0}, "predicted is 0; allowed: 1 to 5"),
        ({"predicted": 10**9}, "predicted is 1000000000; allowed: 1 to 5"),
        ({"pretraining_steps": -1}, "pretraining_steps is -1; allowed: at least 0"),
        ({"widht": 3}, "did you mean 'width'"),
        ({"depth": 0}, "depth is 0; allowed: at least 1"),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        make(**params)
    assert sentence in str(raised.value)


def test_keeps_the_contract() -> None:
    check_component("extractor", "ofenet", {"width": 8, "depth": 2, "pretraining_steps": 2})
    check_trains("extractor", "ofenet", {"width": 8, "depth": 2, "pretraining_steps": 2})
