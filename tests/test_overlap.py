"""Collectors: who acts, and when gradient steps run."""

import multiprocessing
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from diagnosed_models import all_callbacks
from small_models import assert_same, learned, make
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    EvalCallback,
)
from stable_baselines3.common.logger import configure
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale import SAC, TD3
from sb3_scale.parts import build

STARTS = 20
NAMES = ("local", "overlapped")


class Looks(BaseCallback):
    """Keeps networks, observations, and the count of gradient steps at each decision."""

    def __init__(self) -> None:
        super().__init__()
        self.policies: list[Any] = []
        self.updates: list[int] = []
        self.logged: list[Any] = []
        self.observations: list[np.ndarray] = []

    def _on_step(self) -> bool:
        self.policies.append(deepcopy(self.model.policy.state_dict()))
        self.updates.append(self.model._n_updates)
        self.logged.append(self.logger.name_to_value.get("train/n_updates"))
        self.observations.append(self.locals["new_obs"].copy())
        return True

    def _on_training_end(self) -> None:
        self.updates.append(self.model._n_updates)


class Meets(gym.Wrapper):
    """From some step on, a step ends only when a gradient step has; and the other way round."""

    def __init__(self, env: gym.Env, first: int, begun: Any, updated: Any) -> None:
        super().__init__(env)
        self.first, self.begun, self.updated, self.steps = first, begun, updated, 0

    def step(self, action: Any) -> Any:
        self.steps += 1
        if self.steps >= self.first:
            self.begun.set()
            assert self.updated.wait(20), "no gradient step beside the environment's"
            self.updated.clear()
        return super().step(action)


def test_gradient_steps_run_while_the_environment_steps(beside: Any) -> None:
    begun, updated = multiprocessing.Event(), multiprocessing.Event()
    env = beside(Meets, first=STARTS + 2, begun=begun, updated=updated)
    model = make(TD3, env, collector="overlapped")
    met: list[bool] = []

    def stepped(*_: Any) -> None:
        # The gradient step after the last decision meets nobody.
        met.append(len(met) < 5 and begun.wait(20))
        begun.clear()
        updated.set()

    model.policy.critic.optimizer.register_step_post_hook(stepped)
    looks = Looks()
    model.learn(STARTS + 6, [looks])
    assert met == [True] * 5 + [False]
    # Callbacks come after the gradient steps of the decision before theirs, as with ``local``.
    assert looks.updates == [0] * (STARTS + 1) + [1, 2, 3, 4, 5, 6]
    assert looks.logged[STARTS + 1 :] == [1, 2, 3, 4, 5]


def acted(looks: Looks, model: Any, decision: int, seen_at: int) -> bool:
    """Whether the action of a decision is that of the actor that callbacks saw at another."""
    actor = deepcopy(model.policy)
    actor.load_state_dict(looks.policies[seen_at])
    expected, _ = actor.predict(looks.observations[decision - 1], deterministic=True)
    found = model.replay_buffer.actions[decision]
    return bool(np.array_equal(model.policy.scale_action(expected), found))


@pytest.mark.parametrize("acting_device", [None, "cpu"])
def test_the_actor_is_one_train_call_old(beside: Any, acting_device: str | None) -> None:
    settings = {"policy_delay": 1, "gradient_steps": 2}
    collector = {"name": "overlapped", "acting_device": acting_device}
    plain, late = Looks(), Looks()
    model = make(TD3, **settings).learn(40, [plain])
    for decision in range(STARTS + 2, 40):
        # Callbacks of a decision see the networks that its action came from.
        assert acted(plain, model, decision, decision)
        assert not acted(plain, model, decision, decision - 1)
    model = make(TD3, beside(), **settings, collector=collector).learn(40, [late])
    for decision in range(STARTS + 2, 40):
        assert acted(late, model, decision, decision - 1)
        assert not acted(late, model, decision, decision)


def test_later_decisions_of_a_rollout_have_the_present_actor(beside: Any) -> None:
    looks = Looks()
    settings = {"policy_delay": 1, "train_freq": 4, "gradient_steps": 4}
    model = make(TD3, beside(), **settings, collector="overlapped")
    model.learn(40, [looks])
    for decision in range(STARTS + 4, 40):
        assert acted(looks, model, decision, decision - 1)
        assert acted(looks, model, decision, decision) == (decision % 4 != 0)


@pytest.mark.parametrize(
    "settings",
    [{}, {"gradient_steps": 3}, {"train_freq": 4, "gradient_steps": 2}, {"acting_device": "cpu"}],
    ids=str,
)
def test_with_forced_actions_everything_is_as_without_overlap(
    beside: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    states, files = [], []
    for overlap in (False, True):
        folder = tmp_path / str(overlap)
        # Each action is -1 or 1, whatever the actor says.
        noise = NormalActionNoise(np.zeros(1), np.full(1, 1e6))
        given = dict(settings)
        collector = {"name": NAMES[overlap], "acting_device": given.pop("acting_device", None)}
        model = make(TD3, beside(n_envs=2), **given, collector=collector, action_noise=noise)
        model.set_logger(configure(str(folder), ["csv"]))
        callbacks = [
            *all_callbacks(40),
            EvalCallback(beside(), eval_freq=30, log_path=str(folder), verbose=0),
            CheckpointCallback(10, str(folder)),
        ]
        model.learn(150, CallbackList(callbacks), log_interval=1)
        model.logger.dump(model.num_timesteps)
        model.logger.close()
        states.append(learned(model))
        lines = [line.split(",") for line in (folder / "progress.csv").read_text().splitlines()]
        timed = [index for index, name in enumerate(lines[0]) if name.startswith("time/")]
        lines = [[x for i, x in enumerate(line) if i not in timed] for line in lines]
        checkpoints = {
            path.name: TD3.load(path, device="cpu").get_parameters()
            for path in sorted(folder.glob("*.zip"))
        }
        results = np.load(folder / "evaluations.npz")
        files.append([lines, checkpoints, results["results"].tolist()])
    assert len(files[0][1]) == 7
    assert len(files[0][0]) == 4
    assert_same(states[1], states[0], "state")
    assert_same(files[1], files[0], "files")


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_one_seed_is_one_training(beside: Any, algorithm: Any) -> None:
    states = []
    for overlap in (True, True, False):
        env = VecNormalize(beside(n_envs=2))
        model = make(algorithm, env, gradient_steps=2, collector=NAMES[overlap])
        states.append(learned(model.learn(80)))
    first, second, plain = states
    assert_same(first, second, "state")
    assert first["updates"] == plain["updates"]
    assert first["actions"] != plain["actions"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_comes_before_an_action_comes_after_the_gradient_steps(
    beside: Any, wrapped: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    states = []
    for overlap in (False, True):
        reset = build("callback", {"name": "reset", "at": [45]})
        callbacks = CallbackList([CheckpointCallback(100, "."), CallbackList([reset])])
        model = make(SAC, beside(), collector=NAMES[overlap])
        states.append(learned(model.learn(60, callbacks if wrapped else reset)))
    assert_same(states[1], states[0], "state")
    expected = (
        "overlapped: gradient steps run before the next action: callback Reset comes between "
    )
    assert capsys.readouterr().err == expected + "them\n"


def test_environments_of_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    states = [learned(make(SAC, collector=name).learn(60)) for name in NAMES]
    assert_same(states[1], states[0], "state")
    expected = "overlapped: gradient steps run before the next action: DummyVecEnv steps only when "
    assert capsys.readouterr().err == expected + "it is waited for, unlike SubprocVecEnv\n"
