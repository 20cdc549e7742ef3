"""RL-Zoo's training environments where collectors make them."""

from functools import partial
from typing import Any

from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.collection.unmade import UnmadeVecEnv
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig
from sb3_scale.zoo import backends


def use(manager: Any, hyperparams: dict[str, Any], backend: PartConfig) -> bool:
    """
    Leave the training environments to the collector, if it makes its own.

    :param manager: RL-Zoo's ``ExperimentManager``
    :param hyperparams: settings of a task, which get the number of environments
    :param backend: value of ``env_backend``, checked
    :return: whether it does
    :raises Sb3ScaleError: if the collector cannot have as many environments as the settings say
    """
    collector = build("collector", hyperparams.get("collector", "local"))
    if not collector.own_environments:
        return False
    hyperparams["n_envs"] = collector.count_environments(hyperparams.get("n_envs"))
    create_envs, vec_env_class = manager.create_envs, manager.vec_env_class

    def create(n_envs: int, eval_env: bool = False, no_log: bool = False) -> VecEnv:
        def unmade(env_fns: Any, **vec_env_kwargs: Any) -> VecEnv:
            if eval_env:
                return backends.same_wrapper(vec_env_class(env_fns, **vec_env_kwargs))
            make: Any = partial(vec_env_class, **vec_env_kwargs)
            if backend != backends.GYMNASIUM:
                make = backends.Backend(backend, manager)
            # RL-Zoo's plots read DIR/*.monitor.csv.
            path = None if no_log else f"{manager.save_path}/0"
            return backends.same_wrapper(UnmadeVecEnv(env_fns, make, path))

        manager.vec_env_class = unmade
        # Collectors on other machines have no such folder.
        envs: VecEnv = create_envs(n_envs, eval_env, no_log=True)
        return envs

    manager.create_envs = create
    return True
