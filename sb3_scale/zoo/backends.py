"""``env_backend``: what makes the training environments of RL-Zoo."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from stable_baselines3.common.vec_env import VecEnv, VecMonitor

from sb3_scale.errors import Sb3ScaleError, shown, suggestion
from sb3_scale.parts import build, resolve
from sb3_scale.plugins import known_parts
from sb3_scale.plugins import manager as plugins
from sb3_scale.protocols import PartConfig

KEY = "env_backend"

GYMNASIUM = "gymnasium"
"""RL-Zoo's own way, a ``DummyVecEnv`` or ``SubprocVecEnv``, and the default."""


def check(hyperparams: Mapping[str, Any]) -> None:
    """
    :param hyperparams: settings of a task; ``env_backend`` may be a name, or a mapping with
        ``name`` and parameters
    :raises Sb3ScaleError: if there is no such backend, or a parameter is wrong
    """
    part = hyperparams.get(KEY, GYMNASIUM)
    if part == GYMNASIUM:
        return
    names = {GYMNASIUM, *(spec.name for _, spec in plugins().specs("env-backend"))}
    # The look-up of a known one names the package to install.
    if isinstance(part, str) and part not in names and part not in known_parts()["env-backend"]:
        raise Sb3ScaleError(f"{KEY} is {shown(part)}{suggestion(part, names)}")
    resolve("env-backend", part)
    if hyperparams.get("env_wrapper") is not None:
        raise Sb3ScaleError(
            f"env_wrapper is {shown(hyperparams['env_wrapper'])}, and {KEY} {shown(part)} has no "
            f"Gymnasium environments to wrap; allowed: vec_env_wrapper, or {KEY} '{GYMNASIUM}'"
        )


class Backend:
    """
    Makes environments of a backend; picklable.

    :param part: value of ``env_backend``, checked
    :param manager: RL-Zoo's ``ExperimentManager``, whose task it is
    """

    def __init__(self, part: PartConfig, manager: Any) -> None:
        self._part = part
        self._of = (manager.env_name.gym_id, dict(manager.env_kwargs))
        self._keywords = tuple(manager.monitor_kwargs.get("info_keywords", ()))

    def __call__(self, env_fns: Sequence[Any], path: str | None = None) -> VecEnv:
        """
        :param env_fns: as many as there are to be, of which nothing else counts
        :param path: of the file of finished episodes
        :return: the environments
        """
        env_id, env_kwargs = self._of
        env = build("env-backend", self._part, env_id, len(env_fns), env_kwargs)
        if not isinstance(env, VecEnv) or env.num_envs != len(env_fns):
            what = f"{env.num_envs} environments" if isinstance(env, VecEnv) else shown(env)
            raise Sb3ScaleError(
                f"env_backend {shown(self._part)} makes {what}; allowed: a VecEnv of "
                f"{len(env_fns)}, as n_envs says"
            )
        return VecMonitor(env, path, self._keywords)


def use(manager: Any, part: PartConfig) -> None:
    """
    Let an ExperimentManager train in environments of a backend, and evaluate in Gymnasium's.

    :param manager: RL-Zoo's ``ExperimentManager``
    :param part: value of ``env_backend``, checked
    """
    if part == GYMNASIUM:
        return
    create_envs, vec_env_class = manager.create_envs, manager.vec_env_class

    def create(n_envs: int, eval_env: bool = False, no_log: bool = False) -> VecEnv:
        def make(env_fns: Any, **vec_env_kwargs: Any) -> VecEnv:
            if eval_env:
                return same_wrapper(vec_env_class(env_fns, **vec_env_kwargs))
            # RL-Zoo's plots read DIR/*.monitor.csv.
            return Backend(part, manager)(env_fns, None if no_log else f"{manager.save_path}/0")

        manager.vec_env_class = make
        envs: VecEnv = create_envs(n_envs, eval_env, no_log)
        return envs

    manager.create_envs = create


def same_wrapper(env: VecEnv) -> VecEnv:
    """
    Evaluation needs the wrappers of training, where it copies the statistics of normalize.

    :param env: for one of both
    :return: with a wrapper that both have
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The environment is already wrapped with a `Monitor`")
        return VecMonitor(env)
