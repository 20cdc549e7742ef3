"""The axes of a grid, and the combinations of their values."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from sb3_scale.errors import Sb3ScaleError, shortened, shown
from sb3_scale.recipes.changes import Settings, together
from sb3_scale.value_types import check_type

MOST_CELLS = 10_000
"""Combinations, each of which is checked by making its algorithm."""

RESERVED = (
    "env", "algo", "seed", "seeds", "return", "returns", "mean", "std", "episodes", "env_steps",
    "decisions", "total_gradient_steps", "action_repeat", "minutes", "failed", "commit", "error",
    "folder",
)  # fmt: skip
"""Columns of the results, which no axis with labels of its own may be named after."""

VALUES = ("env", "algo", "action_repeat")
"""Columns of them that have the values of an axis, where it lists such."""


class Variation(NamedTuple):
    """A value of an axis."""

    axis: str
    label: str
    changes: Settings


def cells(grid: Mapping[str, Any]) -> list[tuple[Variation, ...]]:
    """
    :param grid: axes by name
    :return: every combination of a value of each
    :raises Sb3ScaleError: if an axis is neither a list nor a mapping, has a name or a label that
        it may not have, or gives a setting that another axis gives too
    """
    axes = [_axis(name, values) for name, values in grid.items()]
    number = math.prod(map(len, axes))
    if number > MOST_CELLS:
        lengths = ", ".join(
            f"{shortened(name)} {len(axis)}" for name, axis in zip(grid, axes, strict=True)
        )
        raise Sb3ScaleError(
            f"grid has {number} combinations ({lengths}); allowed: at most {MOST_CELLS}"
        )
    for one, other in itertools.combinations(axes, 2):
        for pair in itertools.product(one, other):
            _refuse_overlap(*pair)
    return list(itertools.product(*axes))


def _refuse_overlap(one: Variation, other: Variation) -> None:
    """The later of two that give one setting would train under the label of both."""
    axes = f"grid.{shortened(one.axis)} and grid.{shortened(other.axis)}"
    for key, value in one.changes.items():
        if key in other.changes and other.changes[key] != value:
            raise Sb3ScaleError(f"{axes} both give {shown(key)}; allowed: one of them")
    for layers in ([one.changes, other.changes], [other.changes, one.changes]):
        try:
            together(layers)
        except Sb3ScaleError as error:
            raise Sb3ScaleError(f"{axes}: {error}") from None


def _axis(name: str, values: Any) -> list[Variation]:
    if isinstance(values, list) and values:
        # The check of the settings says what to write in place of seeds as an axis.
        if name in RESERVED and name not in (*VALUES, "seed"):
            raise Sb3ScaleError(
                f"grid.{name} lists values, and the results have a column {shown(name)} of their "
                "own; allowed: settings by label, under another name"
            )
        return [Variation(name, _label(value), {name: value}) for value in values]
    if isinstance(values, dict) and values and all(isinstance(v, dict) for v in values.values()):
        if name in RESERVED:
            raise Sb3ScaleError(
                f"grid.{name} has labels, and the results have a column {shown(name)} of their "
                "own; allowed: another name"
            )
        for label, changes in values.items():
            check_type(f"grid.{name}", str(label), changes, dict[str, Any])
        found = [Variation(name, str(label), changes) for label, changes in values.items()]
        for label, times in Counter(one.label for one in found).items():
            if times > 1:
                raise Sb3ScaleError(
                    f"grid.{shortened(name)} has the label {shown(label)} twice; allowed: once"
                )
        return found
    raise Sb3ScaleError(
        f"grid.{shortened(name)} is {shown(values)}; allowed: a list of values, or settings "
        "by label"
    )


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
