"""Environments that others make: what an algorithm needs to know of them, without them."""

from collections.abc import Callable, Sequence
from typing import Any

import cloudpickle
import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecTransposeImage
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_scale.collection.time_limits import lengths_of
from sb3_scale.errors import Sb3ScaleError

MakeEnv = Callable[[], gymnasium.Env[Any, Any]]
MakeVecEnv = Callable[[list[MakeEnv]], VecEnv]


class UnmadeVecEnv(VecEnv):
    """
    Stands for environments that a collector makes in other processes; a ``vec_env_cls`` for
    Stable-Baselines3's ``make_vec_env``.

    It has their spaces and number, and cannot step. What ``reset`` gives is zeros within the
    bounds of the space, which nobody learns from.

    :param env_fns: each makes one environment, in whatever process, so each must be picklable; the
        first is called here, for the spaces
    :param make: makes one ``VecEnv`` of some of them, there
    :param monitor_path: of the file ``PATH.monitor.csv`` that gets finished episodes, none by
        default
    """

    def __init__(
        self,
        env_fns: Sequence[MakeEnv],
        make: MakeVecEnv = DummyVecEnv,
        monitor_path: str | None = None,
    ) -> None:
        self.env_fns = list(env_fns)
        self.make = make
        self.monitor_path = monitor_path
        example = self.env_fns[0]()
        self.name = str(example)
        # VecEnv asks for it when it is made.
        self.render_mode = example.render_mode
        self.spec = example.spec
        self._lengths = lengths_of(example)
        super().__init__(len(self.env_fns), example.observation_space, example.action_space)
        example.close()

    def reset(self) -> VecEnvObs:
        """
        :return: what stands for first observations
        """
        zeros: VecEnvObs = _zeros(self.observation_space, self.num_envs)
        return zeros

    def step_async(self, actions: np.ndarray) -> None:
        """
        :param actions: of nobody
        :raises Sb3ScaleError: always
        """
        raise Sb3ScaleError(
            f"{self.name} cannot step: collectors make it elsewhere; allowed: a collector that "
            "does, such as 'ray'"
        )

    def step_wait(self) -> VecEnvStepReturn:
        """
        :raises Sb3ScaleError: always, from ``step_async``
        """
        raise AssertionError("step_async comes first")

    def close(self) -> None:
        """Nothing is open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """
        :param attr_name: of the environments
        :param indices: of them
        :return: the same for each
        :raises AttributeError: if it is not known without them
        """
        if attr_name in self._lengths:
            found = self._lengths[attr_name]
        elif attr_name in ("render_mode", "spec", "observation_space", "action_space"):
            found = getattr(self, attr_name)
        else:
            raise AttributeError(f"environments of collectors have no '{attr_name}' here")
        return [found for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """
        :param attr_name: of the environments
        :param value: of it
        :param indices: of them
        :raises AttributeError: always
        """
        raise AttributeError(f"'{attr_name}' of environments of collectors cannot be set here")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """
        :param method_name: of the environments
        :param method_args: of it
        :param indices: of them
        :param method_kwargs: of it
        :return: their names, for ``__str__``
        :raises AttributeError: for all others
        """
        if method_name != "__str__":
            raise AttributeError(f"environments of collectors have no '{method_name}' here")
        return [self.name for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """
        :param wrapper_class: of Gymnasium
        :param indices: of the environments
        :return: false, since it is not known
        """
        return [False for _ in self._get_indices(indices)]


def copied(env: VecEnv, n_envs: int) -> VecEnv:
    """
    :param env: one environment, as Stable-Baselines3 wraps it
    :param n_envs: how many of it collectors are to make
    :return: what stands for them, with the same wrapper
    :raises Sb3ScaleError: if it cannot be pickled
    """
    if isinstance(env, VecTransposeImage):
        return VecTransposeImage(copied(env.venv, n_envs))
    assert isinstance(env, DummyVecEnv)
    return UnmadeVecEnv([EnvCopy(env.envs[0])] * n_envs)


class EnvCopy:
    """
    Makes copies of an environment, but for the file that it writes episodes to.

    :param env: to copy
    :raises Sb3ScaleError: if it cannot be pickled
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self._monitored = isinstance(env, Monitor)
        self._name = str(env)
        if isinstance(env, Monitor):
            self._keywords = env.info_keywords
            env = env.env
        try:
            self._content = cloudpickle.dumps(env)
        # Whatever an environment's own code raises.
        except Exception as error:
            raise Sb3ScaleError(
                f"environment {self._name} cannot be sent to collectors: {error}; allowed: what "
                "can be pickled, or make_vec_env(..., vec_env_cls=UnmadeVecEnv) of sb3_scale"
            ) from None

    def __call__(self) -> gymnasium.Env[Any, Any]:
        """
        :return: a copy
        """
        env: gymnasium.Env[Any, Any] = cloudpickle.loads(self._content)
        return Monitor(env, info_keywords=self._keywords) if self._monitored else env


def _zeros(space: spaces.Space[Any], n_envs: int) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _zeros(each, n_envs) for key, each in space.spaces.items()}
    one: Any = np.zeros(space.shape or (), space.dtype)
    if isinstance(space, spaces.Box):
        one = np.clip(one, space.low, space.high)
    return np.repeat(one[None], n_envs, axis=0)
