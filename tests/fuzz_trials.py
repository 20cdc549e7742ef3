"""One trial of the fuzzer: train, save, load, go on, and say how it ended."""

import contextlib
import math
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
import yaml
from fuzz_settings import Case
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env

import sb3_scale
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import load_target
from sb3_scale.plugins import manager

STEPS = 40
LONGEST = 1000
"""Letters of a sentence that somebody reads."""

SPACES: dict[str, spaces.Space[Any]] = {
    "box": spaces.Box(-1, 1, (3,)),
    "double": spaces.Box(-np.inf, np.inf, (2, 2), np.float64),
    "discrete": spaces.Discrete(4),
    "multi-binary": spaces.MultiBinary(3),
    "image": spaces.Box(0, 255, (1, 4, 4), np.uint8),
    "dict": spaces.Dict({"a": spaces.Box(-1, 1, (2,)), "b": spaces.Discrete(3)}),
}

ENVS = tuple(f"Fuzz-{name}-v0" for name in SPACES)


class Sampled(gymnasium.Env):
    """
    Random observations, and a reward for actions near the upper bound.

    :param observations: name of their space
    """

    def __init__(self, observations: str) -> None:
        self.observation_space = SPACES[observations]
        self.action_space = spaces.Box(-2.0, 1.0, (2,))
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self.steps = 0
        return self._observation(), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict]:
        assert self.action_space.contains(np.asarray(action)), f"it played {action}"
        self.steps += 1
        return self._observation(), float(action.sum()), False, self.steps >= 7, {}

    def _observation(self) -> Any:
        return self.observation_space.sample()


def register() -> None:
    """Make the environments known by name."""
    for name, env_id in zip(SPACES, ENVS, strict=True):
        gymnasium.register(env_id, lambda name=name: Sampled(name))


@dataclass(frozen=True)
class Outcome:
    """
    How a trial ended.

    :param end: ``trained``, ``refused`` before the first step, ``stopped`` after it in a sentence,
        or ``fault``
    :param text: the sentence, or what went wrong
    :param seconds: that it took
    """

    end: str
    text: str = ""
    seconds: float = 0.0


def attempt(trial: Case) -> Outcome:
    """
    :param trial: what to try
    :return: how it ended
    """
    begun: list[Any] = []
    way: dict[str, Callable[[Case, Path, list[Any]], None]]
    way = {"python": _by_python, "recipe": _by_recipe, "rl-zoo": _by_rl_zoo}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with contextlib.chdir(folder):
                way[trial.way](trial, Path(folder), begun)
        except Sb3ScaleError as error:
            text = str(error)
            if "\n" in text.strip() or len(text) > LONGEST:
                return Outcome("fault", f"no sentence of {len(text)} letters: {text[:300]}")
            trained = any(model.num_timesteps > 0 for model in begun)
            return Outcome("stopped" if trained else "refused", text)
        # Whatever else is raised is what the fuzzer looks for.
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            return Outcome("fault", f"{type(error).__name__} at {where}: {str(error)[:300]}")
    return Outcome("trained")


def _by_python(trial: Case, folder: Path, begun: list[Any]) -> None:
    algorithm = load_target(manager().find("algorithm", trial.algo)[1])
    env = make_vec_env(trial.env, 1 + trial.number % 2)
    model = algorithm("ScalePolicy", env, seed=trial.number, device="cpu", **trial.settings)
    _train(model, env, folder, begun)


def _by_recipe(trial: Case, folder: Path, begun: list[Any]) -> None:
    env = make_vec_env(trial.env, 1 + trial.number % 2)
    changes = {"seed": trial.number, "device": "cpu", **trial.settings}
    # A mutated case may have lost it.
    model = sb3_scale.recipe(changes.pop("recipe", "default"), env, **changes)
    _train(model, model.env, folder, begun)


def _train(model: Any, env: Any, folder: Path, begun: list[Any]) -> None:
    algorithm = type(model)
    begun.append(model)
    model.learn(STEPS)
    _check(model)
    model.save(folder / "model")
    model.save_replay_buffer(folder / "replay_buffer")
    loaded = algorithm.load(folder / "model", env=env, device="cpu")
    _check_same(model, loaded, env)
    loaded.load_replay_buffer(folder / "replay_buffer")
    assert loaded.replay_buffer.size() == model.replay_buffer.size(), "transitions were lost"
    loaded.learn(6, reset_num_timesteps=False)
    _check(loaded)


def _by_rl_zoo(trial: Case, folder: Path, begun: list[Any]) -> None:
    from rl_zoo3.train import train

    own = {} if "recipe" in trial.settings else {"policy": "ScalePolicy"}
    settings = {"n_timesteps": STEPS, **own, **trial.settings}
    (folder / "fuzz.yml").write_text(yaml.safe_dump({trial.env: settings}))
    options = ["--conf-file", "fuzz.yml", "--eval-freq", "-1", "--seed", "1", "--device", "cpu"]
    command = ["train", "--algo", trial.algo, "--env", trial.env, "-f", "logs", *options]
    before, sys.argv = sys.argv, command
    try:
        train()
    finally:
        sys.argv = before
    (saved,) = Path("logs").glob(f"*/*/{trial.env}.zip")
    algorithm = load_target(manager().find("algorithm", trial.algo)[1])
    loaded = algorithm.load(saved, env=make_vec_env(trial.env), device="cpu")
    begun.append(loaded)
    assert loaded.num_timesteps >= STEPS, f"{loaded.num_timesteps} steps were taken"
    _check(loaded)


def _check(model: Any) -> None:
    for name, value in model.policy.state_dict().items():
        assert torch.isfinite(value).all(), f"{name} is not finite"
    observations = model.env.reset() if model.env is not None else model._last_obs
    actions, _ = model.predict(observations)
    assert all(map(model.action_space.contains, actions)), f"it predicts {actions}"


def _check_same(model: Any, loaded: Any, env: Any) -> None:
    observations = env.reset()
    for one, other in zip(
        model.predict(observations, deterministic=True)[0],
        loaded.predict(observations, deterministic=True)[0],
        strict=True,
    ):
        assert np.array_equal(one, other), "what was loaded predicts other actions"
    for name in ("num_timesteps", "_n_updates", "gamma", "batch_size"):
        one, other = getattr(model, name), getattr(loaded, name)
        assert one == other or (math.isnan(one) and math.isnan(other)), f"{name} was lost"
