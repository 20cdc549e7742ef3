"""Learning rates that change with the remaining progress."""

import math
from typing import Any

from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import ConstantSchedule, LinearSchedule

from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.quantities import Within, is_number

RATE = Within(0, 1e6)
"""Learning rates; 0 stands still."""

OWN_STEPS = "steps"

LearningRate = float | str | Schedule | None
"""
A rate, ``"lin_3e-4"`` as in RL-Zoo, ``"lin_3e-4_3e-5"`` or ``"cos_3e-4_3e-5"`` with the rate at the
end, a function of the remaining progress, or the common rate.

``"cos_3e-4_3e-5_steps"`` advances with the steps of its optimiser: one that steps once in two
gradient steps comes half-way. ``"cos_3e-4_3e-5_0.5"`` ends half-way too.
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


class PartOfTheWay:
    """
    The beginning of a schedule, stretched over the whole training.

    :param whole: a function of the remaining progress
    :param share: of its way, above 0 and at most 1
    """

    def __init__(self, whole: Schedule, share: float) -> None:
        self.whole = whole
        self.share = share

    def __call__(self, progress_remaining: float) -> float:
        """
        :param progress_remaining: 1 at the start, 0 at the end
        :return: the rate
        """
        return self.whole(1 - self.share * (1 - progress_remaining))


def schedule(name: str, rate: Any, text: bool = True, delay: int = 1) -> Schedule:
    """
    :param name: of the argument, for the error
    :param rate: as the user writes it
    :param text: whether it may be text, which Stable-Baselines3 does not read
    :param delay: gradient steps per step of the optimiser
    :return: a function of the remaining progress
    :raises Sb3ScaleError: if the rate cannot be understood, or is negative, infinite or no number
        at the start, in the middle or at the end
    """
    found: Schedule | None = None
    if isinstance(rate, str) and text:
        found = _from_text(rate, delay)
    elif callable(rate):
        found = rate
    elif is_number(rate):
        found = ConstantSchedule(RATE(name, rate))
    if found is None:
        words = ", 'lin_3e-4' or 'cos_3e-4', with the rate at the end as in 'lin_3e-4_3e-5'"
        raise Sb3ScaleError(
            f"{name} is {shown(rate)}; allowed: a number{words if text else ''}, or a function of "
            "the remaining progress"
        )
    for progress in (1.0, 0.5, 0.0):
        # A function is a stranger's; whatever it raises becomes one sentence that names it.
        try:
            rate_at(name, found, progress, given=rate)
        except Sb3ScaleError:
            raise
        except Exception as error:
            raise Sb3ScaleError(
                f"{name} raises {type(error).__name__} where {progress:g} of the training "
                f"remains: {error}"
            ) from error
    return found


def rate_at(name: str, found: Schedule, progress: float, given: object = None) -> float:
    """
    Read a rate. A training may go past its end by a few steps, where a line to 0 is negative.

    :param name: of the argument, for the error
    :param found: a function of the remaining progress
    :param progress: what remains of the training, 1 at its start
    :param given: what the user wrote, for the error
    :return: the rate, a plain number
    :raises Sb3ScaleError: if it is negative, infinite or no number
    """
    progress = max(progress, 0.0)
    value = found(progress)
    try:
        rate = float(value)
    except (OverflowError, TypeError, ValueError):
        rate = math.nan
    if 0 <= rate < math.inf:
        return rate
    written = f"{shown(given)}, so " if isinstance(given, str) else ""
    raise Sb3ScaleError(
        f"{name} is {written}{shown(value)} where {progress:g} of the training remains; allowed: "
        "a number, at least 0, and finite"
    )


def _from_text(rate: str, delay: int) -> Schedule | None:
    shape, *written = rate.split("_")
    if shape not in ("lin", "cos") or not 1 <= len(written) <= 3:
        return None
    if written[2:] == [OWN_STEPS]:
        written[2] = str(1 / delay)
    try:
        start, *rest = map(float, written)
    except ValueError:
        return None
    end, share = rest + [0.0, 1.0][len(rest) :]
    if not 0 < share <= 1:
        return None
    whole = LinearSchedule(start, end, 1.0) if shape == "lin" else CosineSchedule(start, end)
    return whole if share == 1 else PartOfTheWay(whole, share)
