"""Collectors in interrupted, resumed and captured trainings."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diagnosed_models import NORMED, SETTINGS
from small_models import SMALL, assert_same, learned, make
from stable_baselines3.common.callbacks import CheckpointCallback
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.collection.local import LocalCollector
from sb3_scale.execution.captured import CapturedRunner
from sb3_scale.parts import build
from sb3_scale_crossq.algorithm import CrossQ

STARTS = 20


def test_a_train_call_outside_of_learn_is_done_when_it_returns(beside: Any, tmp_path: Path) -> None:
    model = make(SAC, beside(), collector="overlapped")
    model.learn(40, CheckpointCallback(30, str(tmp_path)))
    before = model.policy.actor.output.bias.clone()
    model.train(1, 16)
    assert model._n_updates == 21
    assert not torch.equal(before, model.policy.actor.output.bias)
    loaded = SAC.load(tmp_path / "rl_model_30_steps", beside(), device="cpu")
    loaded.replay_buffer = model.replay_buffer
    loaded.set_logger(model.logger)
    loaded.train(3, 16)
    assert loaded._n_updates == 9 + 3


class Spoilt(VecEnvWrapper):
    """Raises at one step."""

    def __init__(
        self, venv: VecEnv, at: int, error: BaseException, when: str = "step_wait"
    ) -> None:
        super().__init__(venv)
        self.at, self.error, self.when, self.steps = at, error, when, 0

    def reset(self) -> Any:
        return self.venv.reset()

    def step_async(self, actions: Any) -> None:
        self.steps += 1
        self._raise("step_async")
        super().step_async(actions)

    def step_wait(self) -> Any:
        answer = self.venv.step_wait()
        self._raise("step_wait")
        return answer

    def _raise(self, when: str) -> None:
        if (when, self.steps) == (self.when, self.at):
            raise self.error


@pytest.mark.parametrize("when", ["step_async", "step_wait"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("the robot fell")], ids=repr)
def test_an_interrupted_training_leaves_no_gradient_step(
    beside: Any, error: Any, when: str
) -> None:
    model = make(TD3, Spoilt(beside(), 30, error, when), gradient_steps=8, collector="overlapped")
    with pytest.raises(type(error)):
        model.learn(60)
    assert model._n_updates == 8 * 9
    model.train(1, 16)
    assert model._n_updates == 8 * 9 + 1
    model.env.error, model.env.at = None, 1000
    model.learn(30)


def test_an_interrupted_gradient_step_leaves_the_environments_ready(beside: Any) -> None:
    model = make(TD3, beside(), collector="overlapped")

    def interrupt(*_: Any) -> None:
        if model._n_updates == 5:
            raise KeyboardInterrupt

    hook = model.policy.critic.optimizer.register_step_post_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.learn(60)
    assert (model._n_updates, model.num_timesteps) == (5, STARTS + 5)
    hook.remove()
    model.learn(30)


def test_a_loss_that_is_not_finite_stops_the_training(beside: Any) -> None:
    model = make(SAC, beside(), collector="overlapped", batch_size=64)

    def spoil(of: dict[str, Any], _: Any) -> bool:
        if of["self"].num_timesteps == 30:
            next(of["self"].policy.critic.parameters()).data.fill_(np.nan)
        return True

    with pytest.raises(Sb3ScaleError, match="critic_loss is nan at gradient step"):
        model.learn(60, spoil)
    assert 30 <= model.num_timesteps < 40


def test_a_checkpoint_trains_on(beside: Any, tmp_path: Path) -> None:
    collector = {"name": "overlapped", "acting_device": "cpu"}
    make(SAC, beside(), collector=collector).learn(40, CheckpointCallback(30, str(tmp_path)))
    path = tmp_path / "rl_model_30_steps.zip"
    data = json.loads(zipfile.ZipFile(path).read("data"))
    assert "training" not in data
    assert (data["collector"], data["_n_updates"]) == (collector, 9)
    seen: list[int] = []
    ends = []
    for _ in range(2):
        loaded = SAC.load(path, beside(), device="cpu")
        loaded.env.seed(0)
        loaded.learn(
            30, lambda of, _: not seen.append(of["self"]._n_updates), reset_num_timesteps=False
        )
        ends.append(loaded.get_parameters())
    assert seen == 2 * [9, *range(10, 39)]
    assert_same(ends[0], ends[1], "parameters")
    plain = SAC.load(path, beside(), device="cpu", collector="local")
    assert type(plain.training.collector) is LocalCollector
    assert plain.training.collector.acting_device is None


ACTORS: dict[str, Any] = {
    "SAC": (SAC, {"name": "squashed-gaussian", "network": SMALL}),
    "CrossQ": (CrossQ, {"name": "squashed-gaussian", "network": NORMED}),
    "optimistic": (SAC, {"name": "optimistic", "network": SMALL}),
    "TD3": (TD3, {"name": "deterministic", "network": SMALL}),
}


@pytest.mark.parametrize("kind", ACTORS)
def test_a_copy_on_the_same_device_changes_nothing(kind: str) -> None:
    algorithm, actor = ACTORS[kind]
    states = []
    for device in ("cpu", None):
        model = algorithm(
            "ScalePolicy",
            "Pendulum-v1",
            policy_kwargs={"actor": actor, "critic": {"name": "ensemble", "network": SMALL}},
            collector={"name": "local", "acting_device": device},
            **SETTINGS,
        )
        states.append(learned(model.learn(60, build("callback", {"name": "reset", "at": [45]}))))
        assert (model.training.collector._acting is None) == (device is None)
    assert_same(*states, "state")


def test_a_callback_that_stops_the_training(beside: Any) -> None:
    seen: list[int] = []
    model = make(SAC, beside(), collector="overlapped")

    def stop(*_: Any) -> bool:
        seen.append(model._n_updates)
        return len(seen) < 25

    model.learn(30, stop)
    assert seen == [0] * (STARTS + 1) + [1, 2, 3, 4]
    assert model._n_updates == 4
    model.learn(30)


def test_captured_steps(beside: Any) -> None:
    plain = make(TD3, beside(), collector="overlapped").learn(60)
    model = make(TD3, beside(), collector="overlapped")
    model.training.runner = CapturedRunner(model.training.runner, lambda function: function)
    model.learn(60)
    assert model.training.runner._recordings
    for name, expected in plain.policy.state_dict().items():
        torch.testing.assert_close(model.policy.state_dict()[name], expected, rtol=1e-4, atol=1e-6)
