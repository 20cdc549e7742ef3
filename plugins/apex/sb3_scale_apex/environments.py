"""How a collector makes environments like those that the learner was given."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecEnv,
    VecEnvWrapper,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)

from sb3_scale.collection.unmade import EnvCopy, MakeEnv, MakeVecEnv, UnmadeVecEnv
from sb3_scale.errors import Sb3ScaleError
from sb3_scale_apex.pickling import check_picklable

SEEDS_APART = 100_003
"""Between a collector and the one that replaces it."""


@dataclass(frozen=True)
class Environments:
    """
    Some of the environments of a training.

    :param make_vec_env: makes a ``VecEnv`` of them
    :param env_fns: makes each
    :param seed: of the first; the next has the one after it
    :param wrap: puts the learner's wrappers around them
    """

    make_vec_env: MakeVecEnv
    env_fns: list[MakeEnv]
    seed: int
    wrap: list[Callable[[VecEnv], VecEnv]]

    def make(self, incarnation: int) -> VecEnv:
        """
        :param incarnation: of the collector
        :return: the environments, seeded
        """
        venv = self.make_vec_env(self.env_fns)
        for wrap in self.wrap:
            venv = wrap(venv)
        venv.seed(self.first_seed(incarnation))
        return venv

    def first_seed(self, incarnation: int) -> int:
        """
        :param incarnation: of the collector
        :return: of the first environment, and of the collector itself
        """
        return (self.seed + SEEDS_APART * incarnation) % 2**31

    def some(self, start: int, stop: int) -> "Environments":
        """
        :param start: first of them
        :param stop: the one after the last
        :return: these
        """
        return replace(self, env_fns=self.env_fns[start:stop], seed=self.seed + start)


def like(env: VecEnv, seed: int) -> Environments:
    """
    :param env: of the learner
    :param seed: of the first environment
    :return: how to make the same elsewhere
    :raises Sb3ScaleError: if it is not known how
    """
    wrap: list[Callable[[VecEnv], VecEnv]] = []
    while isinstance(env, VecEnvWrapper):
        if not isinstance(env, VecNormalize):
            wrap.insert(0, _again(env))
        env = env.venv
    if isinstance(env, UnmadeVecEnv):
        for index, make in enumerate(env.env_fns):
            check_picklable(f"environment {index}", make)
        return Environments(env.make, env.env_fns, seed, wrap)
    if not isinstance(env, DummyVecEnv):
        raise Sb3ScaleError(
            f"collectors cannot make the environments of {type(env).__name__}; allowed: "
            "DummyVecEnv, or make_vec_env(..., vec_env_cls=UnmadeVecEnv) of sb3_scale"
        )
    return Environments(DummyVecEnv, [EnvCopy(each) for each in env.envs], seed, wrap)


def _again(wrapper: VecEnvWrapper) -> Callable[[VecEnv], VecEnv]:
    if isinstance(wrapper, VecTransposeImage):
        return VecTransposeImage
    if isinstance(wrapper, VecFrameStack):
        return _Stacked(wrapper.stacked_obs.n_stack)
    if isinstance(wrapper, VecMonitor):
        if wrapper.results_writer is None and not wrapper.info_keywords:
            return _monitored
        return partial(VecMonitor, info_keywords=wrapper.info_keywords)
    raise Sb3ScaleError(
        f"collectors cannot put {type(wrapper).__name__} around their environments; allowed: "
        "VecNormalize, VecFrameStack, VecTransposeImage, VecMonitor, or a wrapper of each "
        "environment (env_wrapper)"
    )


def _monitored(venv: VecEnv) -> VecEnv:
    """Another monitor would take the keywords of the one that is there from its episodes."""
    inner = venv
    while isinstance(inner, VecEnvWrapper) and not isinstance(inner, VecMonitor):
        inner = inner.venv
    there = isinstance(inner, VecMonitor) or all(inner.env_is_wrapped(Monitor))
    return venv if there else VecMonitor(venv)


@dataclass(frozen=True)
class _Stacked:
    n_stack: int

    def __call__(self, venv: VecEnv) -> VecEnv:
        return VecFrameStack(venv, self.n_stack)
