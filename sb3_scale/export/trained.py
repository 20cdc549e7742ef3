"""What is exported: a model, its statistics, and observations to try it with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.export.controller import OBSERVATION
from sb3_scale.export.formats import Observations
from sb3_scale.runs import read_run
from sb3_scale.saved_statistics import statistics_of
from sb3_scale.trained import load_model
from sb3_scale.trust.files import read_vec_normalize


@dataclass(frozen=True)
class Trained:
    """
    :param model: the algorithm, on the CPU
    :param normalize: how it sees observations, if not as they are
    :param name: of what it was trained on
    :param files: that all this was read from
    """

    model: Any
    normalize: VecNormalize | None
    name: str
    files: tuple[Path, ...]

    def predict(self, observations: Observations) -> np.ndarray:
        """
        :param observations: of :meth:`observations`, with those that acting does without
        :return: ``(n, *action shape)``
        """
        is_dict = isinstance(self.model.observation_space, spaces.Dict)
        seen: Any = observations if is_dict else observations[OBSERVATION]
        if self.normalize is not None:
            seen = self.normalize.normalize_obs(seen)
        actions, _ = self.model.predict(seen, deterministic=True)
        return np.asarray(actions)

    def observations(self, number: int) -> Observations:
        """
        :param number: how many
        :return: of the observation space, where it is bounded, and around what was seen in training
            where statistics tell that, ``(number, *shape)`` of each key
        """
        space: Any = self.model.observation_space
        is_dict = isinstance(space, spaces.Dict)
        rng = np.random.default_rng(0)
        statistics: Any = {}
        if self.normalize is not None and self.normalize.norm_obs:
            found = self.normalize.obs_rms
            statistics = found if is_dict else {OBSERVATION: found}
        made = {}
        for key, each in (space.spaces if is_dict else {OBSERVATION: space}).items():
            each.seed(0)
            made[key] = np.stack([each.sample() for _ in range(number)])
            if key in statistics:
                mean, deviation = statistics[key].mean, np.sqrt(statistics[key].var)
                around = rng.normal(mean, deviation, made[key].shape)
                made[key] = np.clip(around, each.low, each.high).astype(each.dtype)
        return made


def load(path: Path, algo: str | None, statistics: Path | None, trust: bool) -> Trained:
    """
    :param path: of a run's folder, or of a model's zip file
    :param algo: name of the algorithm, for a zip file
    :param statistics: of a ``VecNormalize``, by default those beside the model
    :param trust: whether to run what is pickled in the model
    :return: what was trained
    :raises Sb3ScaleError: if there is no such model, it is of another policy, ``algo`` is missing,
        or the statistics are that it learned with
    """
    name = path.stem
    if path.is_dir():
        run = read_run(path)
        algo, name = algo or run.algo, run.env_name
        path = path / f"{name}.zip"
    if algo is None:
        raise Sb3ScaleError(
            f"which algorithm '{path}' is of is not known; allowed: --algo NAME, or the folder of "
            "its run"
        )
    model = load_model(algo, path, trust)
    settings = (each.parent for each in path.parent.glob("*/args.yml"))
    statistics = statistics or statistics_of(path, *settings)
    normalize = read_vec_normalize(statistics) if statistics else None
    if model.saw_normalized and not (normalize and normalize.norm_obs):
        lack = f"'{statistics}' normalises none" if statistics else "none have statistics beside it"
        raise Sb3ScaleError(
            f"'{path}' learned from normalised observations, and {lack}; allowed: --normalize PKL, "
            "or a model in the folder of its run"
        )
    return Trained(model, normalize, name, tuple(filter(None, (path, statistics))))
