"""What only the critic may see, in a key of its own."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs

from sb3_scale.errors import Sb3ScaleError, shown


class HiddenColumns(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """
    Some numbers of a vector in the key ``hidden``, for instance velocities; the others in ``seen``.

    :param env: with observations of one axis
    :param columns: numbers to hide, counted from 0
    :raises Sb3ScaleError: if the observations are no vector, or have no such column
    """

    def __init__(self, env: "gymnasium.Env[Any, Any]", columns: Sequence[int]) -> None:
        RecordConstructorArgs.__init__(self, columns=columns)
        gymnasium.ObservationWrapper.__init__(self, env)
        space = env.observation_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise Sb3ScaleError(f"the observation space is {shown(space)}; allowed: a vector")
        size, hidden = space.shape[0], sorted(set(columns))
        if not hidden or not set(hidden) < set(range(size)):
            raise Sb3ScaleError(
                f"columns is {shown(list(columns))}; allowed: some of 0 to {size - 1}, not all"
            )
        seen = [column for column in range(size) if column not in hidden]
        self._columns = {"hidden": np.array(hidden), "seen": np.array(seen)}
        self.observation_space = spaces.Dict(
            {
                key: spaces.Box(space.low[each], space.high[each], dtype=space.dtype.type)
                for key, each in self._columns.items()
            }
        )

    def observation(self, observation: Any) -> dict[str, np.ndarray]:
        """
        :param observation: the vector
        :return: its two parts
        """
        return {key: observation[each] for key, each in self._columns.items()}
