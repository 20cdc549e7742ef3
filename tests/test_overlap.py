"""``overlap`` and ``acting_device``: who acts, and when gradient steps run."""

import json
import threading
import zipfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from diagnosed_models import NORMED, SETTINGS, all_callbacks
from small_models import SMALL, assert_same, make
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    EvalCallback,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.noise import NormalActionNoise

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.algorithms.captured import CapturedSteps
from sb3_scale.parts import build
from sb3_scale_crossq.algorithm import CrossQ

STARTS = 20


def state(model: Any) -> dict[str, Any]:
    return {
        "parameters": model.get_parameters(),
        "updates": model._n_updates,
        "actions": model.replay_buffer.actions.tolist(),
    }


def forced() -> NormalActionNoise:
    """Each action is -1 or 1, whatever the actor says."""
    return NormalActionNoise(np.zeros(1), np.full(1, 1e6))


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if "gradient-steps" in each.name]


class Patient(gym.Wrapper):
    """From some step on, a step of this environment ends only when a gradient step has."""

    def __init__(self, first: int) -> None:
        super().__init__(gym.make("Pendulum-v1"))
        self.first, self.steps = first, 0
        self.updated = threading.Event()
        self.events: list[tuple[str, str]] = []

    def step(self, action: Any) -> Any:
        self.steps += 1
        self.events.append(("begins", threading.current_thread().name))
        if self.steps >= self.first:
            assert self.updated.wait(20), "no gradient step beside the environment's"
        self.updated.clear()
        self.events.append(("ends", threading.current_thread().name))
        return super().step(action)

    def watch(self, model: Any) -> None:
        def stepped(*_: Any) -> None:
            self.events.append(("update", threading.current_thread().name))
            self.updated.set()

        model.policy.critic.optimizer.register_step_post_hook(stepped)


class Looks(BaseCallback):
    """Keeps the actor, the observation and the number of gradient steps at each decision."""

    def __init__(self) -> None:
        super().__init__()
        self.actors: list[Any] = []
        self.updates: list[int] = []
        self.logged: list[Any] = []
        self.observations: list[np.ndarray] = []

    def _on_step(self) -> bool:
        self.actors.append(deepcopy(self.model.policy.state_dict()))
        self.updates.append(self.model._n_updates)
        self.logged.append(self.logger.name_to_value.get("train/n_updates"))
        self.observations.append(self.locals["new_obs"].copy())
        return True


def test_gradient_steps_run_beside_the_environments_step() -> None:
    env = Patient(first=STARTS + 2)
    model = make(TD3, env, overlap=True, gradient_steps=1)
    env.watch(model)
    looks = Looks()
    model.learn(STARTS + 6, [looks])
    first = 2 * (STARTS + 1)
    main, other = threading.main_thread().name, "gradient-steps_0"
    step = [("begins", main), ("update", other), ("ends", main)]
    assert env.events[:first] == [("begins", main), ("ends", main)] * (STARTS + 1)
    assert env.events[first:] == step * 5 + [("update", other)]
    # Callbacks come after the gradient steps of the decision before theirs, as without overlap.
    assert looks.updates == [0] * (STARTS + 1) + [1, 2, 3, 4, 5]
    assert looks.logged[STARTS + 1 :] == [1, 2, 3, 4, 5]
    assert model._n_updates == 6
    assert not threads()


def acted(looks: Looks, model: Any, decision: int, actor: int) -> bool:
    """Whether the action of a decision is that of the actor that callbacks saw at another."""
    old = deepcopy(model.policy)
    old.load_state_dict(looks.actors[actor])
    expected, _ = old.predict(looks.observations[decision - 1], deterministic=True)
    found = model.replay_buffer.actions[decision]
    return bool(np.array_equal(model.policy.scale_action(expected), found))


@pytest.mark.parametrize("acting_device", [None, "cpu"])
def test_the_actor_is_one_train_call_old(acting_device: str | None) -> None:
    settings = {"policy_delay": 1, "gradient_steps": 2, "acting_device": acting_device}
    plain, late = Looks(), Looks()
    model = make(TD3, **settings).learn(40, [plain])
    for decision in range(STARTS + 2, 40):
        # Callbacks of a decision see the networks that its action came from.
        assert acted(plain, model, decision, decision)
        assert not acted(plain, model, decision, decision - 1)
    model = make(TD3, **settings, overlap=True).learn(40, [late])
    for decision in range(STARTS + 2, 40):
        assert acted(late, model, decision, decision - 1)
        assert not acted(late, model, decision, decision)


def test_later_decisions_of_a_rollout_have_the_present_actor() -> None:
    looks = Looks()
    model = make(TD3, policy_delay=1, train_freq=4, gradient_steps=4, overlap=True)
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
    settings: dict[str, Any], tmp_path: Path
) -> None:
    states, files = [], []
    for overlap in (False, True):
        folder = tmp_path / str(overlap)
        model = make(TD3, **settings, overlap=overlap, action_noise=forced())
        model.set_logger(configure(str(folder), ["csv"]))
        callbacks = [
            *all_callbacks(40),
            EvalCallback(
                make_vec_env("Pendulum-v1", seed=0),
                eval_freq=50,
                log_path=str(folder),
                verbose=0,
            ),
            CheckpointCallback(20, str(folder)),
        ]
        np.random.seed(0)
        model.learn(150, CallbackList(callbacks), log_interval=1)
        states.append(state(model))
        lines = [line.split(",") for line in (folder / "progress.csv").read_text().splitlines()]
        timed = [index for index, name in enumerate(lines[0]) if name.startswith("time/")]
        lines = [[x for i, x in enumerate(line) if i not in timed] for line in lines]
        checkpoints = {
            path.name: TD3.load(path, device="cpu").get_parameters()
            for path in folder.glob("*.zip")
        }
        results = np.load(folder / "evaluations.npz")
        files.append([lines, checkpoints, results["results"].tolist()])
    assert len(files[0][1]) == 7
    assert_same(states[1], states[0], "state")
    assert_same(files[1], files[0], "files")


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_one_seed_is_one_training(algorithm: Any) -> None:
    first, second, plain = (
        state(make(algorithm, gradient_steps=2, overlap=overlap).learn(80))
        for overlap in (True, True, False)
    )
    assert_same(first, second, "state")
    assert first["actions"] != plain["actions"]


def test_a_train_call_outside_of_learn_is_done_when_it_returns() -> None:
    model = make(SAC, overlap=True).learn(40)
    before = deepcopy(model.policy.state_dict())
    model.train(1, 16)
    assert model._n_updates == 21
    assert not torch.equal(before["actor.output.bias"], model.policy.actor.output.bias)


@pytest.mark.parametrize("ask", ["get_parameters", "predict", "save", "set_parameters"])
def test_who_asks_for_the_networks_waits(ask: str, tmp_path: Path) -> None:
    model = make(TD3, gradient_steps=5, overlap=True)
    given = {
        "get_parameters": (),
        "predict": (np.zeros(3, np.float32),),
        "save": (tmp_path / "model",),
        "set_parameters": (deepcopy(model.get_parameters()),),
    }
    seen = []

    class Asks(gym.Wrapper):
        def step(self, action: Any) -> Any:
            getattr(model, ask)(*given[ask])
            seen.append(model._n_updates)
            return super().step(action)

    model.set_env(Asks(gym.make("Pendulum-v1")))
    model.learn(STARTS + 4)
    assert seen == [0] * (STARTS + 1) + [5, 10, 15]


class Fails(gym.Wrapper):
    """Raises, or gives rewards that are not finite, at one step."""

    def __init__(self, at: int, error: BaseException | None) -> None:
        super().__init__(gym.make("Pendulum-v1"))
        self.at, self.error, self.steps = at, error, 0

    def step(self, action: Any) -> Any:
        self.steps += 1
        observation, reward, *rest = super().step(action)
        if self.steps == self.at and self.error is not None:
            raise self.error
        return observation, float("nan") if self.steps >= self.at else reward, *rest


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("the robot fell")], ids=repr)
def test_an_interrupted_training_has_finished_its_gradient_steps(error: BaseException) -> None:
    model = make(TD3, Fails(30, error), gradient_steps=8, overlap=True)
    with pytest.raises(type(error)):
        model.learn(60)
    assert model._n_updates == 8 * 9
    assert not threads()
    model.train(1, 16)
    assert model._n_updates == 8 * 9 + 1


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    model = make(SAC, Fails(30, None), overlap=True, batch_size=64)
    looks = Looks()
    with pytest.raises(Sb3ScaleError, match="critic_loss is nan at gradient step"):
        model.learn(60, looks)
    assert len(looks.updates) < 40
    assert not threads()


def test_a_checkpoint_trains_on(tmp_path: Path) -> None:
    settings = {"overlap": True, "acting_device": "cpu"}
    make(SAC, **settings).learn(40, CheckpointCallback(30, str(tmp_path)))
    path = tmp_path / "rl_model_30_steps.zip"
    data = json.loads(zipfile.ZipFile(path).read("data"))
    assert not {"_acting", "_choosing", "_updates"} & set(data)
    assert (data["overlap"], data["acting_device"], data["_n_updates"]) == (True, "cpu", 9)
    ends = []
    for _ in range(2):
        loaded = SAC.load(path, gym.make("Pendulum-v1"), device="cpu")
        loaded.env.seed(0)
        loaded.learn(40, reset_num_timesteps=False)
        assert loaded._n_updates >= 9 + 30
        ends.append(loaded.get_parameters())
    assert_same(ends[0], ends[1], "parameters")
    plain = SAC.load(path, gym.make("Pendulum-v1"), device="cpu", overlap=False, acting_device=None)
    assert plain._acting is None


ACTORS: dict[str, Any] = {
    "SAC": (SAC, {"name": "squashed-gaussian", "network": SMALL}),
    "CrossQ": (CrossQ, {"name": "squashed-gaussian", "network": NORMED}),
    "optimistic": (SAC, {"name": "optimistic", "network": SMALL}),
    "TD3": (TD3, {"name": "deterministic", "network": SMALL, "constraint": "unit-norm"}),
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
            acting_device=device,
            **SETTINGS,
        )
        states.append(state(model.learn(60, build("callback", {"name": "reset", "at": [45]}))))
    assert_same(*states, "state")


def test_what_changes_networks_before_an_action_comes_after_the_gradient_steps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    states = [
        state(
            make(SAC, overlap=overlap).learn(
                60, CallbackList([build("callback", {"name": "reset", "at": [45]})])
            )
        )
        for overlap in (False, True)
    ]
    assert_same(states[1], states[0], "state")
    expected = "overlap: gradient steps run before the next action: callback Reset comes between "
    assert capsys.readouterr().out == expected + "them\n"


def test_callbacks_may_be_functions() -> None:
    seen: list[int] = []
    model = make(SAC, overlap=True)
    model.learn(30, lambda *_: seen.append(model._n_updates) or len(seen) < 25)
    assert seen == [0] * (STARTS + 1) + [1, 2, 3, 4]
    # The training was stopped before the gradient steps of its last decision.
    assert model._n_updates == 4
    model.learn(30, progress_bar=False)


@pytest.mark.slow
def test_compiled_steps(capsys: pytest.CaptureFixture[str]) -> None:
    models = [make(TD3, overlap=True, compile=compile_).learn(40) for compile_ in (False, True)]
    assert "without compilation" not in capsys.readouterr().err
    for name, expected in models[0].policy.state_dict().items():
        torch.testing.assert_close(
            models[1].policy.state_dict()[name], expected, rtol=1e-3, atol=1e-5
        )


def test_captured_steps() -> None:
    def again(function: Any) -> Any:
        return function

    plain = make(TD3, overlap=True).learn(60)
    model = make(TD3, overlap=True)
    model._steps = CapturedSteps(model, again)
    model.learn(60)
    assert model._steps._recordings
    for name, expected in plain.policy.state_dict().items():
        torch.testing.assert_close(model.policy.state_dict()[name], expected, rtol=1e-4, atol=1e-6)
