"""Many environments of navigation for Gymnasium, over one array."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError, suggestion
from sb3_scale_envs.control_steps import FloatArray, check_counts
from sb3_scale_envs.navigation import METADATA, Navigation, space_of

MASK = "reset_mask"
"""Gymnasium's option of ``reset`` that names the environments to reset."""


class NavigationVectorEnv(VectorEnv[FloatArray, FloatArray, NDArray[Any]]):
    """
    What ``gymnasium.make_vec`` gives for navigation: a ``SyncVectorEnv`` of
    :class:`~sb3_scale_envs.navigation_env.NavigationEnv`, bit for bit, in one step of NumPy.

    :param num_envs: number of environments
    :param n: dimension of the space
    :param episode_steps: steps per episode
    :param render_mode: ``None`` or ``"rgb_array"``
    :param autoreset_mode: what follows an episode's end: the next step begins another
        (``"NextStep"``), the same step does (``"SameStep"``), or the caller (``"Disabled"``)
    :raises Sb3ScaleError: if an argument is out of range, or if matplotlib is missing for pictures
    """

    def __init__(
        self,
        num_envs: int = 1,
        n: int = 2,
        episode_steps: int = 1000,
        render_mode: str | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
    ) -> None:
        check_counts(num_envs=num_envs)
        self._world = Navigation(num_envs, n, episode_steps, render_mode)
        self.num_envs, self.render_mode = num_envs, render_mode
        self.single_observation_space = space_of(n, np.inf)
        self.single_action_space = space_of(n, 1.0)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._mode = _mode(autoreset_mode)
        self.metadata = {**METADATA, "autoreset_mode": self._mode}
        self._generators = [seeding.np_random()[0] for _ in range(num_envs)]
        # Those whose next step begins an episode.
        self._resting = np.zeros(num_envs, bool)

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The generator of each environment."""
        return tuple(self._generators)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each generator."""
        sequences: list[Any] = [each.bit_generator.seed_seq for each in self._generators]
        return tuple(sequence.entropy for sequence in sequences)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[FloatArray, dict[str, Any]]:
        """
        Begin an episode in each environment.

        :param seed: environment ``i`` has the seed ``seed + i``, or the ``i``-th of a sequence;
            ``None`` goes on with its stream
        :param options: ``{"reset_mask": (num_envs,)}``, of booleans, resets some only
        :return: positions ``(num_envs, n)`` and information of those that were reset
        :raises Sb3ScaleError: if there are more or fewer seeds, or the mask is none
        """
        if isinstance(seed, int):
            seed = range(seed, seed + self.num_envs)
        seeds = [None] * self.num_envs if seed is None else seed
        if len(seeds) != self.num_envs:
            raise Sb3ScaleError(f"there are {len(seeds)} seeds; allowed: {self.num_envs}, or one")
        mask = self._mask(options or {})
        for row in np.flatnonzero(mask).tolist():
            if seeds[row] is not None:
                self._generators[row] = seeding.np_random(seeds[row])[0]
        self._world.begin(np.flatnonzero(mask), self._generators)
        self._resting = self._resting & ~mask
        return self._world.observations(), self._infos(mask)

    def _mask(self, options: dict[str, Any]) -> NDArray[np.bool_]:
        mask = options.get(MASK, np.ones(self.num_envs, bool))
        if (
            not isinstance(mask, np.ndarray)
            or mask.dtype != bool
            or mask.shape != (self.num_envs,)
            or not mask.any()
        ):
            raise Sb3ScaleError(
                f"options['{MASK}'] is {mask!r}; allowed: a NumPy array of {self.num_envs} "
                "booleans, one or more of them true"
            )
        return mask

    def step(
        self, actions: FloatArray
    ) -> tuple[FloatArray, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """
        Move all, or begin where the last step ended an episode and the mode is ``"NextStep"``.

        :param actions: ``(num_envs, n)``; what lies outside [-1, 1] is clipped
        :return: positions ``(num_envs, n)``, rewards, terminated and truncated ``(num_envs,)``,
            information
        :raises Sb3ScaleError: if the actions have another shape
        :raises gymnasium.error.ResetNeeded: if an episode is over that nobody has reset
        """
        rewards = self._world.move(actions, self._resting)
        if self._resting.any():
            self._world.begin(np.flatnonzero(self._resting), self._generators)
            rewards[self._resting] = 0.0
        truncated = self._world.over
        final: dict[str, Any] = {}
        if self._mode is AutoresetMode.NEXT_STEP:
            self._resting = truncated.copy()
        elif self._mode is AutoresetMode.SAME_STEP and truncated.any():
            final = self._final(truncated)
            self._world.begin(np.flatnonzero(truncated), self._generators)
        infos = {**self._infos(np.ones(self.num_envs, bool)), **final}
        terminated = np.zeros(self.num_envs, bool)
        return self._world.observations(), rewards, terminated, truncated, infos

    def _final(self, ended: NDArray[np.bool_]) -> dict[str, Any]:
        observations, last = self._world.observations(), np.full(self.num_envs, None)
        for row in np.flatnonzero(ended):
            last[row] = observations[row]
        masks = {f"_final_{key}": ended.copy() for key in ("obs", "info")}
        return {"final_obs": last, "final_info": self._infos(ended), **masks}

    def _infos(self, told: NDArray[np.bool_]) -> dict[str, Any]:
        """The values of some environments, with the mask that Gymnasium has for each key."""
        infos: dict[str, Any] = {}
        for key, values in self._world.infos().items():
            infos[key], infos[f"_{key}"] = np.where(told, values, 0.0), told.copy()
        return infos

    def render(self) -> tuple[NDArray[np.uint8] | None, ...]:  # type: ignore[override]
        """
        :return: a picture ``(480, 480, 3)`` of each with ``render_mode="rgb_array"``, otherwise
            ``None`` for each
        :raises gymnasium.error.ResetNeeded: if there was no episode yet
        """
        return tuple(self._world.picture(row) for row in range(self.num_envs))


def _mode(value: str | AutoresetMode) -> AutoresetMode:
    known = {mode.value: mode for mode in AutoresetMode}
    if not isinstance(value, AutoresetMode) and value not in known:
        raise Sb3ScaleError(f"autoreset_mode is {value!r}{suggestion(str(value), known)}")
    return AutoresetMode(value)
