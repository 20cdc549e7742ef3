"""Learning rates that change with the remaining progress."""

import math

from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule, LinearSchedule

from sb3_scale.errors import Sb3ScaleError

LearningRate = float | str | Schedule | None
"""
A rate, ``"lin_3e-4"`` as in RL-Zoo, ``"lin_3e-4_3e-5"`` or ``"cos_3e-4_3e-5"`` with the rate at the
end, a function of the remaining progress, or the common rate.
"""


class CosineSchedule:
    """
    Half a cosine from ``start`` to ``end``: ``end + (start - end) (1 + cos(pi done)) / 2``.

    Source: Loshchilov and Hutter, "SGDR", 2017, equation 5, without restarts.

    :param start: rate at the start of the training
    :param end: rate at its end
    """

    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.end = end

    def __call__(self, progress_remaining: float) -> float:
        """
        :param progress_remaining: 1 at the start, 0 at the end
        :return: the rate
        """
        done = 1 - progress_remaining
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * done)) / 2


def schedule(name: str, rate: float | str | Schedule) -> Schedule:
    """
    :param name: of the argument, for the error
    :param rate: as the user writes it
    :return: a function of the remaining progress
    :raises Sb3ScaleError: if the rate cannot be understood
    """
    try:
        if not isinstance(rate, str):
            return FloatSchedule(rate) if callable(rate) else ConstantSchedule(float(rate))
        shape, *ends = rate.split("_")
        start, end = map(float, ends) if len(ends) == 2 else (float(*ends), 0.0)
        if shape == "lin":
            return LinearSchedule(start, end, 1.0)
        if shape == "cos":
            return CosineSchedule(start, end)
        raise ValueError
    except (TypeError, ValueError):
        raise Sb3ScaleError(
            f"{name} is {rate!r}; allowed: a number, 'lin_3e-4' or 'cos_3e-4', with the rate at "
            "the end as in 'lin_3e-4_3e-5', or a function of the remaining progress"
        ) from None
