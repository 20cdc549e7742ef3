"""Many environments of one task for Stable-Baselines3, stepped by EnvPool's threads."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_scale.errors import Sb3ScaleError
from sb3_scale_envs.envpool_loading import load_envpool
from sb3_scale_envs.envpool_tasks import find_task
from sb3_scale_envs.native_vec_env import NativeVecEnv

SUCCESS = "solved"
"""MyoSuite's word for it, among EnvPool's infos."""


class EnvPoolVecEnv(NativeVecEnv):
    """
    A ``VecEnv`` that EnvPool steps in C++ threads (Weng et al., 2022, arXiv:2206.10558).

    It is the task that ``gymnasium.make(env_id, **env_kwargs)`` gives ``n_envs`` times in a
    ``DummyVecEnv``: the same spaces, the same order of the numbers in an observation, rewards
    summed over ``action_repeat`` control steps, the same end of an episode. EnvPool brings its
    own MuJoCo and its own random starts, so that a seed gives another start here than there.

    - An ended episode's last observation is ``infos[i]["terminal_observation"]``, and the
      observation that comes back is the first of the next. EnvPool alone would spend a step on it.
    - ``infos[i]["TimeLimit.truncated"]`` is true where the time ended the episode and the task did
      not. Tasks of MyoSuite add ``solved`` and ``is_success``, other infos there are none.
    - ``seed(s)`` counts from the next ``reset``: environment ``i`` then draws its episodes from
      the seed ``(s + i) mod 2**31``. Without it, one is drawn from NumPy.
    - ``step_async`` starts the simulation and returns; ``step_wait`` collects it.

    Wrap it in Stable-Baselines3's ``VecMonitor`` to have returns and lengths logged.

    :param env_id: for instance ``"dog-run"``, ``"key-turn"`` or ``"HalfCheetah-v4"``
    :param n_envs: number of environments
    :param env_kwargs: ``{"action_repeat": 2}`` or nothing
    :param num_threads: of EnvPool; 0 for one per environment, but no more than there are cores
    :raises Sb3ScaleError: if EnvPool is missing or lacks the task, or an argument is wrong
    """

    def __init__(
        self,
        env_id: str,
        n_envs: int = 1,
        env_kwargs: Mapping[str, Any] | None = None,
        num_threads: int = 0,
    ) -> None:
        for name, value, least in (("n_envs", n_envs, 1), ("num_threads", num_threads, 0)):
            if type(value) is not int or value < least:
                raise Sb3ScaleError(
                    f"{name} is {value!r}; allowed: a whole number, at least {least}"
                )
        self._envpool = load_envpool(f"env_backend 'envpool' for {env_id}", "envpool")
        task = find_task(env_id, env_kwargs or {})
        self.spec = task.env.spec
        attributes = {
            "spec": self.spec,
            "render_mode": None,
            "max_episode_steps": math.ceil(task.episode_steps / task.action_repeat),
        }
        super().__init__(n_envs, task.env.observation_space, task.env.action_space, attributes)
        task.env.close()

        self._name = task.name
        self._action_repeat = task.action_repeat
        self._episode_steps = task.episode_steps
        # A limit of EnvPool's that fires would hide a termination in the same step.
        self._settings = {
            "num_envs": n_envs,
            "num_threads": num_threads,
            "max_episode_steps": task.episode_steps + 1,
        }
        spec = self._envpool.make_spec(task.name, **self._settings)
        self._columns = _columns(spec.gymnasium_observation_space, task.observation_names)
        self._informs = f"info:{SUCCESS}" in spec.state_array_spec
        self._success = np.zeros(n_envs, bool)
        # Its threads start at the first reset, so that a fork before that is safe.
        self._pool: Any = None
        self._waiting = False

    def reset(self) -> VecEnvObs:
        """
        Begin an episode in each environment; a step under way is dropped.

        :return: observations ``(n_envs, n)``
        """
        if self._waiting:
            self._pool.recv()
            self._waiting = False
        if self._pool is None and self._seeds[0] is None:
            self.seed()
        if self._seeds[0] is not None:
            # EnvPool takes seeds of 31 bits, and only when it is made.
            seeds = [seed % 2**31 for seed in self._seeds if seed is not None]
            self._pool = self._envpool.make_gymnasium(self._name, seed=seeds, **self._settings)
            self._reset_seeds()
        observations = self._new_observations()
        self._begin(np.arange(self.num_envs), observations)
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """
        Start a step.

        :param actions: ``(n_envs, n)``, within the action space
        """
        self._actions = actions
        self._pool.send(actions)
        self._waiting = True

    def step_wait(self) -> VecEnvStepReturn:
        """
        Finish the step: the remaining control steps, and a new start where an episode ended.

        :return: observations ``(n_envs, n)``, summed rewards ``(n_envs,)`` as float32, whether
            each episode ended, and one dictionary each
        """
        observations = self._new_observations()
        rewards = np.zeros(self.num_envs, np.float32)
        terminated, over = np.zeros((2, self.num_envs), bool)
        solved = np.zeros(self.num_envs, bool)
        for repeat in range(self._action_repeat):
            if repeat:
                running = np.flatnonzero(~over)
                if not running.size:
                    break
                self._pool.send(self._actions[running], running)
            arrays, reward, ends, _, info = self._pool.recv()
            ids = info["env_id"]
            self._join(arrays, ids, observations)
            rewards[ids] += reward
            terminated[ids] = ends
            over[ids] = ends | (info["elapsed_step"] >= self._episode_steps)
            if self._informs:
                solved[ids] = info[SUCCESS] != 0
                self._success |= solved
        self._waiting = False
        infos = self._infos(over, terminated, solved)
        ended = np.flatnonzero(over)
        for i in ended:
            infos[i]["terminal_observation"] = observations[i].copy()
        if ended.size:
            self._begin(ended, observations)
        return observations, rewards, over, infos

    def _infos(
        self, over: NDArray[np.bool_], terminated: NDArray[np.bool_], solved: NDArray[np.bool_]
    ) -> list[dict[str, Any]]:
        truncated = (over & ~terminated).tolist()
        if not self._informs:
            return [{"TimeLimit.truncated": flag} for flag in truncated]
        return [
            {"TimeLimit.truncated": flag, SUCCESS: now, "is_success": ever}
            for flag, now, ever in zip(
                truncated, solved.tolist(), self._success.tolist(), strict=True
            )
        ]

    def _begin(self, ids: NDArray[np.integer[Any]], observations: NDArray[Any]) -> None:
        """Begin episodes in some environments, and write where they start."""
        arrays, info = self._pool.reset(ids)
        self._join(arrays, info["env_id"], observations)
        self._success[ids] = False

    def _new_observations(self) -> NDArray[Any]:
        space = self.observation_space
        assert space.shape is not None
        return np.empty((self.num_envs, *space.shape), space.dtype)

    def _join(self, arrays: Any, ids: NDArray[np.int32], observations: NDArray[Any]) -> None:
        if not self._columns:
            observations[ids] = arrays
        for name, columns in self._columns.items():
            observations[ids, columns] = arrays[name].reshape(len(ids), -1)

    def close(self) -> None:
        """Free the simulations; a reset makes others."""
        self._pool, self._waiting = None, False


def _columns(space: Any, names: tuple[str, ...]) -> dict[str, slice]:
    """Where each of EnvPool's arrays lies in an observation."""
    ends = np.cumsum([int(np.prod(space[name].shape)) for name in names]).tolist()
    starts = [0, *ends]
    return {name: slice(*pair) for name, *pair in zip(names, starts, ends, strict=False)}
