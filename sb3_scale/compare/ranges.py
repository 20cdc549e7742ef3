"""What counts as 0 and as 1 on a task."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sb3_scale.compare.evaluations import Training
from sb3_scale.errors import Sb3ScaleError, suggestion

CONTROL_SUITE = (
    "acrobot", "ball_in_cup", "cartpole", "cheetah", "dog", "finger", "fish", "hopper", "humanoid",
    "humanoid_CMU", "manipulator", "pendulum", "point_mass", "quadruped", "reacher", "stacker",
    "swimmer", "walker",
)  # fmt: skip
"""Domains of DeepMind Control in which an episode of 1000 steps earns up to 1 each."""

_TASK = re.compile(rf"(dm_control/)?({'|'.join(CONTROL_SUITE)})-[a-z0-9_]+(-pixels)?(-v\d+)?")


@dataclass(frozen=True)
class Range:
    """
    :param low: return that counts as 0
    :param high: return that counts as 1
    :param rule: where the two come from, words that follow the task's name
    """

    low: float
    high: float
    rule: str


def read_ranges(words: Sequence[str]) -> dict[str, Range]:
    """
    :param words: of ``--normalize``, ``TASK=LOW,HIGH`` each
    :return: the ranges by task
    :raises Sb3ScaleError: if one is written otherwise, or HIGH is not above LOW
    """
    found = {}
    for word in words:
        # A task may have an equals sign of its own.
        task, _, numbers = word.rpartition("=")
        try:
            low, high = (float(one) for one in numbers.split(","))
        except ValueError:
            low = high = math.nan
        if not task or not -math.inf < low < high < math.inf:
            raise Sb3ScaleError(
                f"--normalize has '{word}'; allowed: TASK=LOW,HIGH, two numbers of which the "
                "second is the greater"
            )
        found[task] = Range(low, high, "as --normalize says")
    return found


def choose_ranges(
    trainings: Sequence[Training], given: Mapping[str, Range], at: Mapping[str, float]
) -> dict[str, Range]:
    """
    :param trainings: of the comparison
    :param given: of :func:`read_ranges`
    :param at: environment steps up to which each task is compared
    :return: for each task what was given, else 0 to 1000 on DeepMind Control, else the least and
        the greatest evaluation of all trainings here
    :raises Sb3ScaleError: if a range is given for a task that is not there, or all returns of a
        task are one
    """
    for task in given:
        if task not in at:
            raise Sb3ScaleError(f"--normalize has no task '{task}'{suggestion(task, at)}")
    return {task: given.get(task) or _rule(trainings, task, step) for task, step in at.items()}


def _rule(trainings: Sequence[Training], task: str, step: float) -> Range:
    if _TASK.fullmatch(task):
        return Range(0.0, 1000.0, "the range of DeepMind Control")
    returns = [
        value
        for one in trainings
        if one.task == task
        for value in one.returns[one.steps <= step].tolist()
    ]
    low, high = min(returns, default=0.0), max(returns, default=0.0)
    if not low < high:
        raise Sb3ScaleError(
            f"all returns on {task} are {low:g}, which gives no range to normalise with; name one "
            f"with --normalize {task}=LOW,HIGH"
        )
    return Range(
        low,
        high,
        "the least and the greatest evaluation of the trainings here, so other trainings would "
        "change it",
    )
