"""Many environments of navigation for Stable-Baselines3, over one array."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_scale.errors import Sb3ScaleError, check_key, suggestion
from sb3_scale_envs.control_steps import check_counts
from sb3_scale_envs.native_vec_env import NativeVecEnv
from sb3_scale_envs.navigation import METADATA, Navigation
from sb3_scale_envs.tasks import NAVIGATION

ENV_KWARGS = ("n", "episode_steps", "render_mode")


class NavigationVecEnv(NativeVecEnv):
    """
    ``n_envs`` times ``gymnasium.make(env_id, **env_kwargs)`` in a ``DummyVecEnv``, bit for bit, in
    one step of NumPy.

    An ended episode's last observation is ``infos[i]["terminal_observation"]``, and the
    observation that comes back is the first of the next. ``seed(s)`` counts from the next
    ``reset``: environment ``i`` then draws its episodes from the seed ``s + i``. Wrap it in
    Stable-Baselines3's ``VecMonitor`` to have returns and lengths logged.

    :param env_id: ``"navigation"``, ``"navigation-2"``, ``-10``, ``-50`` or ``-100``
    :param n_envs: number of environments
    :param env_kwargs: of :class:`~sb3_scale_envs.navigation_env.NavigationEnv`
    :raises Sb3ScaleError: for other environments, and if an argument is wrong
    """

    def __init__(
        self, env_id: str, n_envs: int = 1, env_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        check_counts(n_envs=n_envs)
        env = _make(env_id, env_kwargs or {})
        own: Any = env.unwrapped
        self.spec = env.spec
        self._world = Navigation(n_envs, own.n, own.episode_steps, own.render_mode)
        attributes = {
            "spec": env.spec,
            "render_mode": own.render_mode,
            "max_episode_steps": own.max_episode_steps,
        }
        super().__init__(n_envs, env.observation_space, env.action_space, attributes)
        self.metadata = METADATA
        self._generators = [seeding.np_random()[0] for _ in range(n_envs)]

    def reset(self) -> VecEnvObs:
        """
        Begin an episode in each environment.

        :return: positions ``(n_envs, n)``
        """
        for row, seed in enumerate(self._seeds):
            if seed is not None:
                self._generators[row] = seeding.np_random(seed)[0]
        self._reset_seeds()
        self._reset_options()
        self._begin(np.arange(self.num_envs))
        return self._world.observations()

    def _begin(self, rows: NDArray[np.intp]) -> None:
        self._world.begin(rows, self._generators)
        infos = self._infos()
        for row in rows:
            self.reset_infos[row] = infos[row]

    def _infos(self) -> list[dict[str, Any]]:
        best, normalized = (values.tolist() for values in self._world.infos().values())
        return [
            {"best_return": b, "normalized_return": r}
            for b, r in zip(best, normalized, strict=True)
        ]

    def step_async(self, actions: NDArray[Any]) -> None:
        """
        :param actions: ``(n_envs, n)``; what lies outside [-1, 1] is clipped
        """
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """
        Move all, and begin anew where an episode ended.

        :return: positions ``(n_envs, n)``, rewards ``(n_envs,)`` as float32, whether each episode
            ended, and one dictionary each
        :raises Sb3ScaleError: if the actions have another shape
        :raises gymnasium.error.ResetNeeded: before the first reset
        """
        rewards = self._world.move(self._actions).astype(np.float32)
        observations, dones, infos = self._world.observations(), self._world.over, self._infos()
        for info, done in zip(infos, dones.tolist(), strict=True):
            info["TimeLimit.truncated"] = done
        ended = np.flatnonzero(dones)
        if ended.size:
            for row in ended:
                infos[row]["terminal_observation"] = observations[row].copy()
            self._begin(ended)
            observations = self._world.observations()
        return observations, rewards, dones, infos

    def get_images(self) -> list[NDArray[np.uint8] | None]:
        """
        :return: a picture ``(480, 480, 3)`` of each with ``render_mode="rgb_array"``, otherwise
            ``None`` for each
        """
        return [self._world.picture(row) for row in range(self.num_envs)]

    def close(self) -> None:
        """There is nothing to free."""


def _make(env_id: str, env_kwargs: Mapping[str, Any]) -> "gymnasium.Env[Any, Any]":
    if env_id not in NAVIGATION:
        raise Sb3ScaleError(
            f"env_backend 'navigation' does not have the task '{env_id}'"
            + suggestion(env_id, NAVIGATION)
        )
    for key, value in env_kwargs.items():
        check_key(f"{env_id} does not take the env_kwargs", key, value, ENV_KWARGS)
    return gymnasium.make(env_id, **env_kwargs)
