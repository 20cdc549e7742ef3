"""A collector: acts in its environments, wherever it is."""

import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle
import gymnasium
import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.action_spaces import has_whole_actions
from sb3_scale.actions import is_discrete
from sb3_scale.collection.checked import CheckedAnswers
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.generators import kept_generators, random_states, set_random_states
from sb3_scale.registration import look_here, register_envs
from sb3_scale_apex.environments import Environments
from sb3_scale_apex.exploration import spread_out
from sb3_scale_apex.fragments import Fragment, Moments, Orders
from sb3_scale_apex.noise import FollowedNoise, LadderNoise
from sb3_scale_apex.priorities import first_priorities
from sb3_scale_apex.weights import Networks, Weights


@dataclass(frozen=True)
class Plan:
    """
    What a collector is made of.

    :param collector: its number
    :param incarnation: how often it was replaced before
    :param environments: what it acts in
    :param action_space: of them, for random actions
    :param networks: copy of the learner's
    :param normalize: how the learner's networks see observations and rewards, if not as they are
    :param noise: standard deviation of normal noise on actions in [-1, 1], of each environment
    :param spread: factor on the distance of actions from the actor's mode, of each environment
    :param n_steps: of the returns, for priorities
    :param gamma: discount of a step
    """

    collector: int
    incarnation: int
    environments: Environments
    action_space: spaces.Space[Any]
    networks: Networks
    normalize: VecNormalize | None
    noise: np.ndarray | None
    spread: np.ndarray | None
    n_steps: int
    gamma: float

    def packed(self, registered: Mapping[str, bytes]) -> bytes:
        """
        :param registered: environments that Gymnasium may not know where the collector is
        :return: for :func:`make`
        """
        here = [path or os.getcwd() for path in sys.path]
        content: bytes = cloudpickle.dumps((here, dict(registered), cloudpickle.dumps(self)))
        return content


def make(packed: bytes) -> "Worker":
    """
    :param packed: of a plan
    :return: its collector
    """
    look_here()
    register_envs()
    paths, registered, content = cloudpickle.loads(packed)
    # What the learner could import can be imported here too, where the files are.
    sys.path += [path for path in paths if path not in sys.path]
    for name, spec in registered.items():
        if name not in gymnasium.registry:
            gymnasium.registry[name] = cloudpickle.loads(spec)
    return Worker(cloudpickle.loads(content))


class Worker:
    """
    A collector.

    :param plan: what it is made of
    """

    # What Stable-Baselines3 asks before it chooses actions.
    use_sde = use_sde_at_warmup = False

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.policy = plan.networks.policy
        self.action_space = plan.action_space
        self._steps = 0
        self._version: int | None = None
        self._noise: ActionNoise | None = None
        self._generators: dict[str, Any] | None = None
        seed = plan.environments.first_seed(plan.incarnation)
        with self._own_generators():
            random.seed(seed)
            np.random.seed(seed)
            th.manual_seed(seed)
            self.action_space.seed(seed)
            venv = plan.environments.make(plan.incarnation)
            self.envs = CheckedAnswers(venv, lambda: self._steps)
            self._observations: Any = self.envs.reset()
            self.envs.check_reset(self._observations, None)
        self._followed = FollowedNoise(venv.num_envs)
        self._returns = np.zeros(venv.num_envs)
        self._begins = True

    def collect(self, orders: Orders, fetch: Callable[[Any], Weights]) -> Fragment:
        """
        :param orders: what to do
        :param fetch: gives the weights that are at a place
        :return: what came of it
        :raises Sb3ScaleError: if an environment gives a number that is not finite
        """
        started = time.perf_counter()
        if orders.version != self._version:
            self._load(fetch(orders.weights[0]))
            self._version = orders.version
        try:
            with self._own_generators(), th.no_grad():
                fragment = self._judged(self._act(orders))
        except Sb3ScaleError as error:
            raise Sb3ScaleError(f"collector {self.plan.collector}: {error}") from None
        return replace(fragment, seconds=time.perf_counter() - started)

    def _judged(self, fragment: Fragment) -> Fragment:
        plan = self.plan
        if not plan.networks.judges:
            return fragment
        found = first_priorities(plan.networks, fragment, plan.normalize, plan.n_steps, plan.gamma)
        return replace(fragment, priorities=found)

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()

    def predict(self, observation: Any, deterministic: bool = False) -> tuple[Any, None]:
        """
        Choose actions as Stable-Baselines3 asks for them.

        :param observation: of all environments, as the networks see them
        :param deterministic: whether to take the actor's mode
        :return: actions between the bounds of the space, and no state
        """
        sample, _ = self.policy.explore(observation, deterministic)
        if self.plan.spread is not None:
            mode, _ = self.policy.predict(observation, deterministic=True)
            assert isinstance(self.action_space, spaces.Box)
            bounds = (self.action_space.low, self.action_space.high)
            sample = spread_out(mode, sample, self.plan.spread, bounds)
        return sample, None

    def _load(self, weights: Weights) -> None:
        self.plan.networks.load(weights.tensors)
        if self.plan.normalize is not None:
            if weights.observed is not None:
                self.plan.normalize.obs_rms = weights.observed  # type: ignore[assignment]
            if weights.returned is not None:
                self.plan.normalize.ret_rms = weights.returned
        self._take_noise(weights.noise)

    def _take_noise(self, noise: ActionNoise | None) -> None:
        if self.plan.noise is not None:
            self._noise = LadderNoise(self.plan.noise, self.action_space.shape or ())
        else:
            self._noise = self._followed.follow(noise)

    def _act(self, orders: Orders) -> Fragment:
        steps, n_envs = orders.steps, self.envs.num_envs
        first = self._observations
        observations = np.empty((steps + 1, *first.shape), first.dtype)
        observations[0] = first
        actions, rewards, dones, infos, returns = [], [], [], [], []
        ends: dict[tuple[int, int], Any] = {}
        for step in range(steps):
            played, stored = self._choose(step < orders.random_steps, n_envs)
            answer = self.envs.step(played)
            observations[step + 1], reward, done, info = answer
            self._observations = observations[step + 1]
            self._steps += n_envs
            for env in np.flatnonzero(done).tolist():
                ends[step, env] = info[env].pop("terminal_observation")
                if self._noise is not None:
                    reset = {"indices": [env]} if n_envs > 1 else {}
                    self._noise.reset(**reset)
            actions.append(stored)
            rewards.append(reward)
            dones.append(done)
            infos.append(info)
            self._returns = self._returns * self._gamma_of_returns + reward
            returns.append(self._returns.copy())
            self._returns[done] = 0
        observed, returned = self._moments(observations, np.array(returns))
        self._begins = False
        self._observations = observations[-1].copy()
        return Fragment(
            self.plan.collector,
            self.plan.incarnation,
            orders.sequence,
            orders.version,
            orders.updates,
            observations,
            ends,
            np.array(actions, None if is_discrete(self.action_space) else np.float32),
            np.array(rewards),
            np.array(dones, bool),
            infos,
            observed,
            returned,
            None,
            0.0,
        )

    def _choose(self, randomly: bool, n_envs: int) -> tuple[np.ndarray, np.ndarray]:
        # A number of steps decides it there.
        self.num_timesteps = -1 if randomly else 0
        normalize = self.plan.normalize
        self._last_obs = (
            self._observations if normalize is None else normalize.normalize_obs(self._observations)
        )
        choose: Any = OffPolicyAlgorithm._sample_action
        played, stored = choose(self, 0, self._noise, n_envs)
        if has_whole_actions(self.action_space):
            stored = self.policy.scale_action(played)
        # As the replay buffer has them: a single number has no axis, and a matrix has two.
        return played, stored.reshape(n_envs, -1)

    @property
    def _gamma_of_returns(self) -> float:
        return 0.0 if self.plan.normalize is None else self.plan.normalize.gamma

    def _moments(
        self, observations: np.ndarray, returns: np.ndarray
    ) -> tuple[Moments | None, Moments | None]:
        normalize = self.plan.normalize
        if normalize is None:
            return None, None
        observed = None
        if normalize.norm_obs:
            # Those of a reset count too, as they do in VecNormalize.
            seen = observations if self._begins else observations[1:]
            observed = Moments.of(seen.reshape(-1, *seen.shape[2:]))
        return observed, Moments.of(returns.reshape(-1))

    @contextmanager
    def _own_generators(self) -> Iterator[None]:
        """Within it, random numbers are those of this collector, also in the learner's process."""
        with kept_generators():
            if self._generators is not None:
                set_random_states(self._generators, self.action_space)
            yield
            self._generators = random_states(self.action_space)
