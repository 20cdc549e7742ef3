"""Pickles of RL-Zoo, read without running what is in them."""

from pathlib import Path

from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.trust.objects import STABLE_BASELINES
from sb3_scale.trust.pickles import read


def read_vec_normalize(path: Path, env: VecEnv | None = None) -> VecNormalize:
    """
    :param path: of ``vecnormalize.pkl``
    :param env: to normalise, none for the statistics alone
    :return: its statistics and settings
    :raises Sb3ScaleError: if it cannot be read, or is something else
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Sb3ScaleError(f"'{path}' cannot be read: {error.strerror}") from None
    found = read(content, STABLE_BASELINES, f"'{path}'")
    if not isinstance(found, VecNormalize):
        raise Sb3ScaleError(f"'{path}' is {type(found).__name__}; allowed: VecNormalize")
    if env is not None:
        found.set_venv(env)
    return found
