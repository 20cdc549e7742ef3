"""The environment in which a model plays after its training."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rl_zoo3 import utils
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.saved_statistics import STATISTICS


def played_env(
    env_id: str,
    env_kwargs: Mapping[str, Any],
    settings: Path,
    statistics: Path | None,
    seed: int,
) -> VecEnv:
    """
    :param env_id: of the environment
    :param env_kwargs: its arguments
    :param settings: folder of the settings of the run, which name its wrappers
    :param statistics: that the model sees observations with, if it does
    :param seed: of its random numbers
    :return: one environment like that of the training, whose statistics stay as they are
    :raises Sb3ScaleError: if it cannot be made
    """
    hyperparams, _ = utils.get_saved_hyperparams(str(settings), test_mode=True)
    try:
        with _as_rl_zoo_reads(statistics, settings) as folder:
            env: VecEnv = utils.create_test_env(
                env_id,
                stats_path=folder,
                seed=seed,
                should_render=False,
                hyperparams=hyperparams,
                env_kwargs=dict(env_kwargs),
            )
    except (TypeError, ValueError) as error:
        raise Sb3ScaleError(f"'{env_id}' cannot be made: {error}") from error
    return env


@contextmanager
def _as_rl_zoo_reads(statistics: Path | None, settings: Path) -> Iterator[str]:
    """A folder with the statistics by RL-Zoo's name, which it has for those of the end alone."""
    if statistics is None:
        yield str(settings)
        return
    with TemporaryDirectory() as folder:
        shutil.copy(statistics, Path(folder, STATISTICS))
        yield folder
