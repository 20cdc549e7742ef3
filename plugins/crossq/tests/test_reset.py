"""Resets: what begins anew, what stays, when, and after a checkpoint."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import torch
from small_models import assert_same
from stable_baselines3 import SAC as StockSAC
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from torch import nn

from sb3_scale import SAC, TD3, Extractor, Loss, Sb3ScaleError, hookimpl
from sb3_scale.parts import build
from sb3_scale.plugins import manager
from sb3_scale.testing import check_component
from sb3_scale_crossq.algorithm import CrossQ
from sb3_scale_crossq.reset import Reset

NETWORK = {"name": "mlp", "width": 16, "norm": "batch-renorm"}
PLAIN = {"name": "mlp", "width": 16}
PARTS = {
    "plain": {
        "actor": {"name": "squashed-gaussian", "network": PLAIN},
        "critic": {"name": "ensemble", "network": PLAIN},
    },
    "sac": {
        "actor": {"name": "squashed-gaussian", "network": NETWORK, "constraint": "spectral"},
        "critic": {"name": "ensemble", "network": NETWORK, "constraint": "spectral"},
    },
    "bro": {
        "actor": {"name": "optimistic", "network": {"name": "bronet", "width": 16, "depth": 1}},
        "critic": {
            "name": "ensemble",
            "network": {"name": "bronet", "width": 16},
            "n_outputs": 5,
            "reduction": "mean",
        },
        "loss": "quantile",
    },
    "td3": {
        "actor": {"name": "deterministic", "network": NETWORK},
        "critic": {"name": "ensemble", "network": NETWORK},
    },
    "crossq": {
        "actor": {"name": "squashed-gaussian", "network": NETWORK, "constraint": "unit-norm"},
        "critic": {
            "name": "ensemble",
            "network": NETWORK,
            "constraint": "unit-norm",
            "joint_batch": True,
            "target": False,
        },
    },
}
ALGORITHMS = {"plain": SAC, "sac": SAC, "bro": SAC, "td3": TD3, "crossq": CrossQ}


def make(name: str = "plain", env: Any = "Pendulum-v1", **settings: Any) -> Any:
    parts = {**PARTS[name], **settings.pop("policy_kwargs", {})}
    defaults = {"learning_starts": 20, "batch_size": 16, "buffer_size": 500, "seed": 0}
    return ALGORITHMS[name](
        "ScalePolicy", env, device="cpu", policy_kwargs=parts, **{**defaults, **settings}
    )


class Watch(BaseCallback):
    """Notes where optimisers are empty at the start of a rollout, and may stop the training."""

    def __init__(self, stop: int | None = None) -> None:
        super().__init__()
        self.stop = stop
        self.empty: list[int] = []
        self.counts: dict[int, int] = {}

    def _on_rollout_start(self) -> None:
        steps = self.model.num_timesteps
        if steps > self.model.learning_starts and not self.model.policy.critic.optimizer.state:
            self.empty.append(steps)
        self.counts[steps] = self.logger.name_to_value["reset/count"]

    def _on_step(self) -> bool:
        return self.model.num_timesteps != self.stop


class Before(BaseCallback):
    """Keeps what decision 50 left."""

    def _on_rollout_start(self) -> None:
        if self.model.num_timesteps == 50:
            self.parameters = deepcopy(self.model.get_parameters())
            self.observations = self.model.replay_buffer.observations.copy()

    def _on_step(self) -> bool:
        return True


def reset_at_50(model: Any, **params: Any) -> Any:
    """State before the reset; the model is left right after it, before a gradient step."""
    before = Before()
    reset = build("callback", {"name": "reset", "at": [50], **params})
    model.learn(100, callback=[before, reset, Watch(stop=51)])
    assert model._n_updates == 50 - model.learning_starts
    assert (model.replay_buffer.observations == before.observations).all()
    assert model.replay_buffer.pos == 50
    return before.parameters


def flat(module: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


@pytest.mark.parametrize("name", ["sac", "bro", "td3", "crossq"])
def test_everything_of_the_agent_begins_anew(name: str) -> None:
    model = make(name, **({"ent_coef": "auto_0.3"} if name == "sac" else {}))
    before = reset_at_50(model)
    policy = model.policy
    after = policy.state_dict()
    first, second = (make(name, seed=seed).policy.state_dict() for seed in (7, 8))
    for key, value in after.items():
        if first[key].equal(second[key]):
            assert value.equal(first[key]), key
        else:
            assert not value.equal(before["policy"][key]), key
            assert not value.equal(first[key]), key
            if value.numel() > 16:
                assert float(value.std()) == pytest.approx(float(first[key].std()), rel=0.3), key
    if name in ("sac", "td3", "crossq"):
        constant = {key for key, value in after.items() if value.equal(first[key])}
        moved = {key for key in constant if not before["policy"][key].equal(after[key])}
        assert {"actor.network.norms.0.running_var", "critic.network.norms.1.steps"} <= moved
    for online, target in policy.target_pairs():
        assert_same(target.state_dict(), online.state_dict(), "target")
    for key, value in model.get_parameters().items():
        if key.endswith("optimizer"):
            assert before[key]["state"]
            assert not value["state"]
            assert value["param_groups"] == before[key]["param_groups"]
    if name != "td3":
        wanted = 0.3 if name == "sac" else 1.0
        assert model.log_ent_coef.exp().item() == pytest.approx(wanted)


@pytest.mark.parametrize("name", ["sac", "bro", "td3", "crossq"])
def test_goes_on_as_a_new_agent_with_the_same_weights_and_buffer(name: str) -> None:
    model = make(name)
    reset_at_50(model)
    twin = make(name, seed=7)
    twin.policy.load_state_dict(model.policy.state_dict())
    twin.replay_buffer, twin._n_updates = model.replay_buffer, model._n_updates
    states = model._get_random_states()
    for each in (model, twin):
        each.set_logger(configure(None, []))
        each._set_random_states(states)
        each.train(6, 16)
    assert_same(model.get_parameters(), twin.get_parameters(), name)
    if name != "td3":
        assert model.log_ent_coef.equal(twin.log_ent_coef)


class Linear(nn.Module):
    """An extractor that learns."""

    def __init__(self, observation_space: gymnasium.Space) -> None:
        super().__init__()
        self.features_dim = 5
        self.layer = nn.Linear(get_flattened_obs_dim(observation_space), 5)

    def forward(self, observations: torch.Tensor, training: bool = False) -> torch.Tensor:
        return self.layer(observations)


class AdaptingLoss(nn.Module):
    """A loss with a state."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return (outputs - target).square().mean()


class Offer:
    """The two parts above."""

    @hookimpl
    def sb3_scale_components(self) -> Any:
        yield Extractor("linear", f"{__name__}:Linear")
        yield Loss("adapting", f"{__name__}:AdaptingLoss")


@pytest.fixture
def own_parts() -> Iterator[dict[str, str]]:
    manager().register(Offer(), "test-reset")
    yield {"extractor": "linear", "loss": "adapting"}
    manager().unregister("test-reset")


@pytest.mark.parametrize(
    "parts", [["actor"], ["critic"], ["extractor"], ["loss"], ["temperature"], None]
)
def test_parts_that_are_not_named_stay(own_parts: Any, parts: list[str] | None) -> None:
    model = make(policy_kwargs=own_parts)
    before = reset_at_50(model, parts=parts)
    after = model.get_parameters()
    changed = {
        key.split(".")[0].removesuffix("_target")
        for key, value in after["policy"].items()
        if not value.equal(before["policy"][key])
    }
    forgotten = {
        name
        for name in ("actor", "critic", "extractor")
        for module in [getattr(model.policy, name)]
        for parameter in module.parameters()
        if parameter not in model.policy.actor.optimizer.state
        and parameter not in model.policy.critic.optimizer.state
    }
    if not after["ent_coef_optimizer"]["state"]:
        assert model.log_ent_coef.item() == 0
        changed.add("temperature")
        forgotten.add("temperature")
    assert before["policy"]["loss.calls"] == 30
    wanted = set(parts or ["actor", "critic", "extractor", "loss", "temperature"])
    assert changed == wanted
    assert forgotten == wanted - {"loss"}


def test_at_intervals_but_not_at_the_end() -> None:
    model, watch = make(), Watch()
    model.learn(120, callback=[Reset(interval=40), watch])
    assert watch.empty == [40, 80]
    assert [watch.counts[steps] for steps in (0, 39, 40, 79, 80, 119)] == [0, 0, 1, 1, 2, 2]


def test_at_chosen_decisions() -> None:
    model, watch = make(), Watch()
    model.learn(100, callback=[Reset(at=[30, 70, 100, 500]), watch])
    assert watch.empty == [30, 70]


def test_new_weights_each_time_and_the_same_with_the_same_seed() -> None:
    def run() -> list[torch.Tensor]:
        model, seen = make(), []

        class Keep(BaseCallback):
            def _on_rollout_start(self) -> None:
                if self.model.num_timesteps in (40, 80):
                    seen.append(flat(self.model.policy.critic))

            def _on_step(self) -> bool:
                return True

        model.learn(100, callback=[Reset(interval=40), Keep()])
        return seen

    first, second = run(), run()
    assert not first[0].equal(first[1])
    assert_same(first, second, "weights")


def test_several_environments_and_long_rollouts() -> None:
    env = make_vec_env("Pendulum-v1", 4)
    model, watch = make(env=env, train_freq=2), Watch()
    model.learn(120, callback=[Reset(at=[41, 42, 81]), watch])
    assert watch.empty == [48, 88]
    assert watch.counts[48] == 2


def test_two_callbacks_with_schedules_of_their_own() -> None:
    model, watch = make(), Watch()
    callbacks = [Reset(interval=50, parts=["actor"]), Reset(interval=30, parts=["critic"])]
    model.learn(80, callback=[*callbacks, watch])
    assert watch.empty == [30, 60]
    assert {int(state["step"]) for state in model.policy.actor.optimizer.state.values()} == {30}


def test_learning_rate_schedule_goes_on() -> None:
    class Linear:
        def __call__(self, remaining: float) -> float:
            return 1e-3 * remaining

    model = make(learning_rate=Linear())
    model.learn(100, callback=Reset(interval=40))
    for part in (model.policy.actor, model.policy.critic):
        assert part.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.0, abs=1e-5)


def resumed(path: Path, total: int, **learn: Any) -> tuple[Any, Watch]:
    model = SAC.load(path, env=gymnasium.make("Pendulum-v1"), device="cpu")
    model.load_replay_buffer(path.parent / "buffer.pkl")
    watch = Watch()
    model.learn(total, callback=[Reset(interval=40), watch], **learn)
    return model, watch


def trained(folder: Path, steps: int, callbacks: list[BaseCallback]) -> Path:
    model = make()
    model.learn(steps, callback=callbacks)
    model.save_replay_buffer(folder / "buffer.pkl")
    model.save(folder / "last.zip")
    return folder / "last.zip"


def test_resumed_training_has_the_next_reset_only(tmp_path: Path) -> None:
    path = trained(tmp_path, 60, [Reset(interval=40)])
    _, watch = resumed(path, 80, reset_num_timesteps=False)
    assert watch.empty == [80, 120]
    assert watch.counts[60] == 1
    assert watch.counts[80] == 2


def test_checkpoint_at_the_decision_of_a_reset(tmp_path: Path) -> None:
    """It is written before the reset, whichever callback comes first, which is then made up for."""
    for order in (0, 1):
        callbacks: list[BaseCallback] = [CheckpointCallback(40, str(tmp_path), f"model{order}")]
        callbacks.insert(order, Reset(interval=40))
        trained(tmp_path, 60, callbacks)
        _, watch = resumed(tmp_path / f"model{order}_40_steps.zip", 50, reset_num_timesteps=False)
        assert watch.empty == [40, 80]


def test_end_of_a_run_at_the_decision_of_a_reset(tmp_path: Path) -> None:
    path = trained(tmp_path, 80, [Reset(interval=40)])
    _, watch = resumed(path, 30, reset_num_timesteps=False)
    assert watch.empty == [80]


def test_a_run_that_counts_from_zero_counts_resets_from_zero(tmp_path: Path) -> None:
    path = trained(tmp_path, 60, [Reset(interval=40)])
    _, watch = resumed(path, 60)
    assert watch.empty == [40]
    assert watch.counts[0] == 0


def test_agent_that_was_trained_without_resets_begins_with_the_next(tmp_path: Path) -> None:
    path = trained(tmp_path, 100, [])
    _, watch = resumed(path, 40, reset_num_timesteps=False)
    assert watch.empty == [120]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"interval": 0}, "interval is 0; allowed: a whole number, at least 1"),
        ({"interval": 1.5}, "interval is 1.5 (float)"),
        ({"interval": 10, "at": [5]}, "interval is 10 and at is [5]; allowed: one of the two"),
        ({"at": []}, "at is []; allowed: whole numbers, at least 1, increasing"),
        ({"at": [0, 5]}, "at is [0, 5]; allowed: whole numbers, at least 1, increasing"),
        ({"at": [5, 3]}, "at is [5, 3]; allowed: whole numbers, at least 1, increasing"),
        ({"at": [5, 5]}, "at is [5, 5]; allowed: whole numbers, at least 1, increasing"),
        ({"parts": ["critics"]}, "did you mean 'critic'?"),
        ({"parts": []}, "parts is empty; allowed: actor, critic, extractor, loss, temperature"),
        ({"intervall": 5}, "did you mean 'interval'?"),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        build("callback", {"name": "reset", **params})
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"interval": 100}, "reset interval is 100 and the run has 100 steps; allowed: below 100"),
        ({}, "reset interval is 80000 and the run has 100 steps; allowed: below 100"),
        (
            {"at": [100, 200]},
            "reset at is [100, 200] and the run has 100 steps; allowed: below 100",
        ),
        (
            {"interval": 50, "parts": ["temperature"]},
            "reset parts has 'temperature', and this agent learns none; allowed: actor, critic, "
            "extractor, loss",
        ),
    ],
)
def test_faults_that_only_the_run_shows(params: dict[str, Any], sentence: str) -> None:
    model = make(ent_coef=0.1)
    with pytest.raises(Sb3ScaleError) as raised:
        model.learn(100, callback=Reset(**params))
    assert str(raised.value) == sentence
    assert model.num_timesteps == 0


def test_stock_policy_is_refused() -> None:
    model = StockSAC("MlpPolicy", "Pendulum-v1", device="cpu", buffer_size=100)
    with pytest.raises(Sb3ScaleError) as raised:
        model.learn(100, callback=Reset(interval=50))
    assert str(raised.value) == (
        "callback 'reset' cannot reset SACPolicy; allowed: policy: ScalePolicy"
    )


def test_fixed_temperature_is_left_alone() -> None:
    model, watch = make(ent_coef=0.1), Watch()
    model.learn(60, callback=[Reset(interval=40), watch])
    assert watch.empty == [40]
    assert float(model.ent_coef_tensor) == pytest.approx(0.1)


def test_keeps_the_contract() -> None:
    check_component("callback", "reset", {"interval": 20})
