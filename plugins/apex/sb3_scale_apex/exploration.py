"""
How much each environment explores: a ladder over all environments of a training.

Source: Horgan et al., "Distributed Prioritized Experience Replay", 2018, section 4, where actor
``i`` of ``N`` has ``epsilon_i = epsilon^(1 + alpha i / (N - 1))``: a geometric series.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError, shown


def ladder(ends: list[float] | None, n_envs: int) -> NDArray[np.float64] | None:
    """
    :param ends: of the first and of the last environment
    :param n_envs: number of environments
    :return: a geometric series between them, ``(n_envs,)``, of one environment the first; nothing
        where there are no ends
    """
    return None if ends is None else np.geomspace(ends[0], ends[1], n_envs)


def check_ladder(name: str, ends: list[float] | None) -> None:
    """
    :param name: of the parameter
    :param ends: its value
    :raises Sb3ScaleError: if it is no pair of positive numbers
    """
    if ends is None:
        return
    if len(ends) != 2 or not all(0 < each < float("inf") for each in ends):
        raise Sb3ScaleError(
            f"{name} is {shown(ends)}; allowed: [first, last], two numbers above 0, or nothing"
        )


def spread_out(
    mode: NDArray[Any],
    sample: NDArray[Any],
    factors: NDArray[np.float64],
    bounds: tuple[NDArray[Any], NDArray[Any]],
) -> NDArray[Any]:
    """
    Move sampled actions away from the actor's mode, or towards it.

    :param mode: what the actor does without noise, ``(n_envs, action_dim)``
    :param sample: what it drew, ``(n_envs, action_dim)``
    :param factors: on their distance, ``(n_envs,)``
    :param bounds: of actions
    :return: actions within the bounds, ``(n_envs, action_dim)``, of the type of the sample, and
        rounded where that has whole numbers
    """
    wide = factors.reshape(-1, *[1] * (sample.ndim - 1))
    # Differences of small integer types would overflow.
    center, drawn = mode.astype(np.float64), sample.astype(np.float64)
    moved = np.clip(center + wide * (drawn - center), *bounds)
    if np.issubdtype(sample.dtype, np.integer):
        moved = np.rint(moved)
    return np.asarray(np.where(wide == 1, sample, moved), sample.dtype)
