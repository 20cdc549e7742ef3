"""Runs that were interrupted and went on in a folder of their own are one training."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sb3_scale.compare.alike import same_settings
from sb3_scale.compare.evaluations import Training


def without_continued(trainings: Sequence[Training]) -> tuple[list[Training], list[str]]:
    """
    :param trainings: of the folders that were found
    :return: those that none of them goes on from, with the seed that they began with, since they
        have the evaluations of the ones before; a sentence on each that is left out
    """
    folders = {Path(one.origin.source).resolve(): one for one in trainings if one.settings}
    before = {id(one): _before(one, folders) for one in trainings}
    left_out: dict[int, Training] = {}
    for one in trainings:
        if (found := before[id(one)]) is not None:
            _leave_out(found, one, left_out)
    notes = [
        f"'{one.origin.source}' goes on in '{left_out[id(one)].origin.source}', and is left out"
        for one in trainings
        if id(one) in left_out
    ]
    kept = [one for one in trainings if id(one) not in left_out]
    return [_with_seed(one, before) for one in kept], notes


def _leave_out(found: Training, one: Training, left_out: dict[int, Training]) -> None:
    """A run may have gone on before, to another interruption before the first checkpoint."""
    other = left_out.get(id(found))
    if other is not None and same_settings(one, other):
        shorter, one = sorted((other, one), key=lambda each: each.table["decisions"].max())
        left_out[id(shorter)] = one
    left_out[id(found)] = one


def _before(one: Training, folders: dict[Path, Training]) -> Training | None:
    if one.continues is None:
        return None
    found = folders.get(one.continues.resolve())
    if found is None:
        # Folders may have been moved or copied together since the training began.
        beside = folders.get(Path(one.origin.source).resolve().parent / one.continues.name)
        found = beside if beside and _precedes(beside, one) else None
    return None if found is one else found


def _precedes(earlier: Training, one: Training) -> bool:
    """A run that goes on may have a seed of its own; it has the evaluations before it."""
    figures = ["decisions", "mean", "std"]
    brought = earlier.table[figures].iloc[0].equals(one.table[figures].iloc[0])
    return same_settings(earlier, one) and brought


def _with_seed(one: Training, before: dict[int, Training | None]) -> Training:
    first, seen = one, {id(one)}
    while (earlier := before[id(first)]) and id(earlier) not in seen:
        first = earlier
        seen.add(id(first))
    return replace(one, seed=first.seed, table=one.table.assign(seed=first.seed))
