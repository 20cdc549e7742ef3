"""Diagnostics leave no trace in the training, and reach its files."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import stable_baselines3
from diagnosed_models import MODELS, NAMES, all_callbacks, figures, modern, started, trained
from small_models import assert_same, make
from stable_baselines3.common.callbacks import CheckpointCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecNormalize
from torch.utils._python_dispatch import TorchDispatchMode

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.diagnostics.diagnostic import Diagnostic
from sb3_scale.generators import random_states
from sb3_scale.parts import build


def hooks(model: Any) -> list[Any]:
    found: list[Any] = []
    for part in (model.policy.actor, model.policy.critic):
        found += part.optimizer._optimizer_step_pre_hooks.values()
        found += part.optimizer._optimizer_step_post_hooks.values()
        for parameter in part.parameters():
            found += (parameter._post_accumulate_grad_hooks or {}).values()
        for module in part.modules():
            found += module._forward_hooks.values()
    return found


@pytest.mark.parametrize("name", ["gradient-norm", "effective-learning-rate"])
def test_hooks_stay_for_one_step(name: str) -> None:
    model = make(TD3).learn(60)
    assert model._n_updates % model.policy_delay == 0
    callback = started(name, model)
    callback.measure()
    hooked = len(hooks(model))
    model.train(1, 16)
    callback.on_step()
    assert "critic" in figures(model, name)
    assert "actor" not in figures(model, name)
    assert 0 < len(hooks(model)) < hooked
    model.train(1, 16)
    callback.on_step()
    assert not hooks(model)
    callback.measure()
    callback.on_training_end()
    callback.on_training_end()
    assert not hooks(model)


def test_forward_hooks_go() -> None:
    model = make(SAC).learn(60)
    started("dormant-units", model).measure()
    assert not hooks(model)


class Reads(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found += func.name().split(".")[0] == "aten::_local_scalar_dense"
        return func(*args, **(kwargs or {}))


def test_a_measured_step_reads_nothing() -> None:
    model = make(SAC).learn(60)
    callbacks = [started(name, model) for name in ("gradient-norm", "effective-learning-rate")]
    plain = Reads()
    with plain:
        model.train(1, 16)
    for callback in callbacks:
        callback.measure()
    measured = Reads()
    with measured:
        model.train(1, 16)
    assert measured.found == plain.found


def state(model: Any) -> dict[str, Any]:
    buffer = model.replay_buffer
    random = random_states(model.action_space)
    kind, keys, *rest = random.pop("numpy")
    return {
        "parameters": model.get_parameters(),
        "random": {**random, "numpy": [kind, keys.tolist(), *rest]},
        "buffer": [
            array.tolist() for array in (buffer.observations, buffer.actions, buffer.rewards)
        ],
        "observation": model._last_obs.tolist(),
    }


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert_same(ours, theirs, "state")


@MODELS
def test_training_is_the_same_bit_by_bit(model: Any, tmp_path: Path) -> None:
    plain = model().learn(120)
    expected = state(plain)
    saving = CheckpointCallback(20, str(tmp_path))
    watched = model().learn(120, [*all_callbacks(25), saving])
    same(state(watched), expected)
    assert not hooks(watched)


def test_normalised_training_is_the_same() -> None:
    states = []
    for callbacks in (None, all_callbacks(20)):
        env = VecNormalize(make_vec_env("Pendulum-v1", n_envs=2, seed=0))
        model = make(SAC, env).learn(150, callbacks)
        states.append(state(model))
        for name in ("obs_rms", "ret_rms"):
            statistics = getattr(model.get_env(), name)
            states[-1][name] = [statistics.mean.tolist(), statistics.var.tolist()]
    same(*states)


def test_a_resumed_training_is_the_same(tmp_path: Path) -> None:
    model = make(SAC).learn(60, all_callbacks(20))
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    states = []
    for callbacks in (None, all_callbacks(20)):
        again = SAC.load(tmp_path / "model", gymnasium.make("Pendulum-v1"), device="cpu")
        again.load_replay_buffer(tmp_path / "buffer")
        states.append(state(again.learn(60, callbacks, reset_num_timesteps=False)))
    same(*states)
    assert "diagnostics/gradient_norm/critic" in again.logger.name_to_value


class Steps(Diagnostic):
    key = "steps"

    def _init_callback(self) -> None:
        self.seen: list[int] = []

    def measure(self) -> None:
        self.seen.append(self.num_timesteps)


@pytest.mark.parametrize(
    ("n_envs", "interval", "first", "second"),
    [(1, 50, [50, 100], [150, 200]), (3, 50, [51, 102], [150, 201]), (1, 10, [30, 40], [130, 140])],
)
def test_when_it_measures(n_envs: int, interval: int, first: list[int], second: list[int]) -> None:
    """Where the count passes a multiple, once there was a gradient step."""
    model = make(SAC, make_vec_env("Pendulum-v1", n_envs))
    callback = Steps(interval)
    model.learn(120, callback)
    assert callback.seen[:2] == first
    model.learn(120, callback, reset_num_timesteps=False)
    assert callback.seen[:2] == second


def test_no_distribution_is_kept_where_nothing_draws_histograms() -> None:
    model = trained(modern)
    for name in ("dormant-units", "q-value", "singular-values"):
        started(name, model).measure()
    assert figures(model, "singular-values")
    assert not any("histograms" in key for key in model.logger.name_to_value)


def test_values_that_are_not_finite_are_left_out_of_a_histogram(tmp_path: Path) -> None:
    model = trained(lambda: make(SAC))
    model.set_logger(configure(str(tmp_path), ["tensorboard"]))
    callback = started("q-value", model)
    callback.record_histogram("some", np.array([np.nan, 1.0, np.inf]))
    callback.record_histogram("none", np.array([np.nan]))
    assert model.logger.name_to_value["histograms/q_value/some"].tolist() == [1.0]
    assert "histograms/q_value/none" not in model.logger.name_to_value
    model.logger.dump(1)


def test_files(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = trained(modern)
    model.set_logger(configure(str(tmp_path), ["csv", "tensorboard", "stdout"]))
    model.learn(200, all_callbacks(100), log_interval=1)
    model.logger.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    header = (tmp_path / "progress.csv").read_text().splitlines()[0].split(",")
    for key in (
        "weight_norm/critic/network.blocks.0.expand",
        "weight_norm/actor/sum",
        "effective_learning_rate/critic",
        "gradient_norm/actor",
        "critic_loss/mean",
        "q_value/mean",
        "singular_values/critic/max",
        "dormant_units/critic/all",
        "q_bias/std",
    ):
        assert f"diagnostics/{key}" in header
        (event,) = events.Scalars(f"diagnostics/{key}")
        assert np.isfinite(event.value)
    assert not any("histograms" in key for key in header)
    (units,) = events.Histograms("histograms/dormant_units/critic/network.blocks.0.activation.0")
    # Scores are relative to their mean: three critics with 16 units.
    assert units.histogram_value.num == 48
    assert units.histogram_value.sum == pytest.approx(48)
    (values,) = events.Histograms("histograms/singular_values/critic/output")
    largest = events.Scalars("diagnostics/singular_values/critic/output")[0].value
    assert (values.histogram_value.num, values.histogram_value.sum) == (
        3,
        pytest.approx(3 * largest),
    )
    (values,) = events.Histograms("histograms/q_value/all")
    assert values.histogram_value.num == 256
    mean = events.Scalars("diagnostics/q_value/mean")[0].value
    assert values.histogram_value.sum / 256 == pytest.approx(mean, rel=1e-4)
    assert events.Histograms("histograms/q_bias/by_mean")


@pytest.mark.parametrize("name", NAMES)
def test_stock_policies_are_refused(name: str) -> None:
    callback = build("callback", name)
    model = stable_baselines3.SAC("MlpPolicy", "Pendulum-v1", learning_starts=20)
    with pytest.raises(Sb3ScaleError) as error:
        model.learn(30, callback)
    assert str(error.value) == (
        f"callback '{name}' cannot measure SACPolicy; allowed: policy: ScalePolicy"
    )
    # RL-Zoo ends its first callback whatever happened.
    callback.on_training_end()


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"name": "weight-norm", "interval": 0}, "interval is 0"),
        ({"name": "q-value", "batch_size": 0}, "batch_size is 0"),
        ({"name": "critic-loss", "batches": 0}, "batches is 0"),
        ({"name": "dormant-units", "threshold": -1.0}, "threshold is -1.0"),
        ({"name": "gradient-norm", "intervall": 5}, "did you mean 'interval'"),
        ({"name": "weight-norm", "interval": 2.5}, "interval is 2.5 (float); allowed: int"),
    ],
)
def test_bad_parameters(part: dict[str, Any], text: str) -> None:
    with pytest.raises(Sb3ScaleError, match="callback") as error:
        build("callback", part)
    assert text in str(error.value)
