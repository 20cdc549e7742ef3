"""Finds trainings: in folders of RL-Zoo, sweeps, and tables of evaluations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path, PurePath

import numpy as np
import pandas

from sb3_scale.compare import published
from sb3_scale.compare.alike import check_alike, settings_of
from sb3_scale.compare.continued import without_continued
from sb3_scale.compare.evaluations import COLUMNS, SECONDS, Training, evaluations
from sb3_scale.compare.folders import below
from sb3_scale.compare.origins import UNKNOWN, Origin, read_origin, sweep_hardware
from sb3_scale.compare.texts import GREATEST, read_csv, to_numbers
from sb3_scale.errors import Sb3ScaleError, nearest
from sb3_scale.runs import Run, read_run

RESULTS = "results.csv"
SWEPT = {
    "seed", "return", "std", "episodes", "env_steps", "decisions", "total_gradient_steps",
    "minutes", "commit", "error", "folder",
}  # fmt: skip
"""Columns of the results of a sweep that come after the axes of its grid."""
WHOLE = ("seed", "action_repeat", "decisions", "env_steps", "episodes")
MAYBE = ("utd", "gradient_steps", SECONDS)
"""Columns of numbers that may be empty."""


@dataclass
class Found:
    """
    What the paths of a command have.

    :param trainings: each with its evaluations
    :param published: figures of others
    :param notes: a sentence on each training that was left out
    """

    trainings: list[Training] = field(default_factory=list)
    published: pandas.DataFrame = field(default_factory=published.none)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """A folder of RL-Zoo, and what is known of it from outside."""

    folder: Path
    label: str = ""
    commit: str = UNKNOWN
    hardware: str = UNKNOWN


def read(words: Sequence[str]) -> Iterator[Found]:
    """
    :param words: ``PATH`` or ``LABEL=PATH`` each
    :return: what each path has, one after the other
    :raises Sb3ScaleError: if a path is missing, has no training with evaluations or cannot be read
    """
    for word in words:
        label, path = labelled(word)
        found = _read_path(path)
        inner = {one.label for one in found.trainings}
        if label:
            found.trainings = [
                _relabelled(one, label if len(inner) == 1 else f"{label}, {one.label}")
                for one in found.trainings
            ]
        yield found


def read_published(path: Path) -> Found:
    """
    :param path: of a CSV file
    :return: the figures that it has, and nothing else
    :raises Sb3ScaleError: if it is missing, cannot be read, or has other columns
    """
    _check_there(path)
    return Found(published=published.read_published(path))


def together(parts: Sequence[Found], labels: Sequence[str]) -> Found:
    """
    :param parts: of :func:`read`
    :param labels: to keep, in this order; all by default
    :return: all of them as one
    :raises Sb3ScaleError: if there is no such label, no training is left, two are alike, or a label
        that nobody gave has trainings of different settings
    """
    trainings, gone_on = without_continued([one for part in parts for one in part.trainings])
    known = list(dict.fromkeys(one.label for one in trainings))
    for label in labels:
        if label not in known:
            raise Sb3ScaleError(
                f"there is no label '{label}'; allowed: {', '.join(known) or 'none'}"
                f"{nearest(label, known)}"
            )
    kept = list(dict.fromkeys(labels)) or known
    chosen = [one for label in kept for one in trainings if one.label == label]
    if not chosen:
        raise Sb3ScaleError("there is no training to compare, only published figures")
    seen: dict[tuple[str, str, int], Training] = {}
    for one in chosen:
        twin = seen.setdefault((one.label, one.task, one.seed), one)
        if twin is not one:
            raise Sb3ScaleError(
                f"two trainings are '{one.name}' on {one.task}: '{twin.origin.source}' and "
                f"'{one.origin.source}'; allowed: one; LABEL=PATH tells them apart"
            )
    tables = [part.published for part in parts if len(part.published)]
    notes = [note for part in parts for note in part.notes]
    notes += [*gone_on, *check_alike(chosen)]
    return Found(chosen, pandas.concat(tables) if tables else published.none(), notes)


def _relabelled(training: Training, label: str) -> Training:
    table = training.table.assign(label=label)
    return replace(training, label=label, table=table, named=True)


def labelled(word: str) -> tuple[str, Path]:
    """
    :param word: ``PATH`` or ``LABEL=PATH``
    :return: label, empty where there is none, and path
    :raises Sb3ScaleError: if there is no such path
    """
    label, _, rest = word.partition("=")
    if not Path(word).exists() and rest and Path(rest).exists():
        return label, Path(rest)
    _check_there(Path(rest or word))
    return "", Path(word)


def _check_there(path: Path) -> None:
    if not path.exists():
        beside = [str(one) for one in path.parent.iterdir()] if path.parent.is_dir() else []
        raise Sb3ScaleError(f"there is no file or folder '{path}'{nearest(str(path), beside)}")


def _read_path(path: Path) -> Found:
    if path.is_file():
        return _read_sweep(path.parent) if _is_results(path) else _read_table(path)
    if _is_results(path / RESULTS):
        return _read_sweep(path)
    if next(path.glob("*/args.yml"), None):
        training = _training(_Place(path))
        if isinstance(training, str):
            raise Sb3ScaleError(training)
        return Found([training])
    return _search(path)


def _is_results(path: Path) -> bool:
    if path.name != RESULTS or not path.is_file():
        return False
    return {"algo", "env", "folder", "error"} <= set(read_csv(path))


def _search(path: Path) -> Found:
    """Sweeps below a folder, and what runs of RL-Zoo are in none of them."""
    found = list(below(path))
    sweeps = sorted(one for one, files in found if RESULTS in files and _is_results(one / RESULTS))
    parts = [_read_sweep(one) for one in sweeps]
    swept = {one.resolve() for sweep in sweeps for one, _ in below(sweep)}
    runs = sorted({one.parent for one, files in found if "args.yml" in files})
    runs = [one for one in runs if one.resolve() not in swept]
    if not sweeps and not runs:
        raise Sb3ScaleError(
            f"'{path}' has no run of RL-Zoo and no {RESULTS} of a sweep; allowed: folders with "
            "one, and CSV files of evaluations"
        )
    parts.append(_read_places(path, [_Place(one) for one in runs], strict=not sweeps))
    trainings = [one for part in parts for one in part.trainings]
    return Found(trainings, notes=[note for part in parts for note in part.notes])


def _read_places(path: Path, places: Sequence[_Place], strict: bool = True) -> Found:
    found = Found()
    for place in places:
        training = _training(place)
        if isinstance(training, str):
            found.notes.append(f"{training}, and is left out")
        else:
            found.trainings.append(training)
    if strict and not found.trainings:
        raise Sb3ScaleError(
            f"no run in '{path}' has an evaluation; train with RL-Zoo's --eval-freq"
        )
    return found


def _training(place: _Place) -> Training | str:
    """A run, or a sentence on what it lacks."""
    run = read_run(place.folder)
    if not run.evaluations.size:
        return f"'{place.folder}' has no evaluation"
    _check_finite(place.folder, run)
    label = place.label or run.algo
    origin = read_origin(place.folder, place.commit, place.hardware)
    table = evaluations(label, run).drop_duplicates("env_steps", keep="last")
    table = table.sort_values("env_steps", ignore_index=True)
    before = run.trained_agent.parent if run.counts_on and run.trained_agent else None
    return Training(
        label, run.env_id, run.seed, table, origin, settings_of(run), bool(place.label), before
    )


def _check_finite(folder: Path, run: Run) -> None:
    if not (np.abs(run.evaluations) <= GREATEST).all():
        raise Sb3ScaleError(
            f"an evaluation in '{folder}' has a return that is no number up to {GREATEST:g}"
        )


def _read_sweep(folder: Path) -> Found:
    path = folder / RESULTS
    table = read_csv(path)
    finished = table[table["error"] == ""]
    if finished.empty:
        raise Sb3ScaleError(f"no training of '{path}' has finished")
    # An axis may be named like a later column.
    first = takewhile(lambda name: name not in SWEPT, table)
    axes = [name for name in first if name not in ("algo", "env")]
    if finished["algo"].nunique() > 1 or not axes:
        axes.append("algo")
    hardware = sweep_hardware(folder)
    places = []
    for _, line in finished.iterrows():
        name = PurePath(line["folder"])
        run = folder / name
        # A link within the folder may lead to another disk.
        if name.is_absolute() or ".." in name.parts or not run.is_dir():
            raise Sb3ScaleError(
                f"'{path}' names the folder '{line['folder']}', which is not there; allowed: "
                "folders in that of the sweep"
            )
        label = ", ".join(line[axis] for axis in axes)
        places.append(_Place(run, label, line.get("commit", UNKNOWN), hardware))
    found = _read_places(folder, places)
    failed = len(table) - len(finished)
    if failed:
        found.notes.append(f"{failed} of {len(table)} trainings of '{path}' failed; left out")
    return found


def _read_table(path: Path) -> Found:
    table = read_csv(path)
    if {"env", "algorithm"} <= set(table):
        return Found(published=published.read_published(path))
    lacking = [name for name in COLUMNS if name not in table]
    if lacking:
        raise Sb3ScaleError(
            f"'{path}' has no column {', '.join(lacking)}; allowed: tables of evaluations with "
            f"{', '.join(COLUMNS)}, published figures with {', '.join(published.COLUMNS)}, and "
            f"the {RESULTS} of a sweep beside its runs"
        )
    for name in ("task", "label"):
        if (table[name] == "").any():
            row = int((table[name] == "").to_numpy().argmax())
            raise Sb3ScaleError(f"'{path}', line {row + 2}: {name} is empty; allowed: a name")
    for name in ("mean", "std", *WHOLE, *MAYBE):
        empty = name in MAYBE
        table[name] = to_numbers(path, table, name, empty) if name in table else np.nan
    for name in WHOLE:
        table[name] = _to_whole(path, table, name)
    found = Found()
    for (task, label, seed), group in table.groupby(["task", "label", "seed"], sort=False):
        lines = group[[*COLUMNS, SECONDS]].sort_values("env_steps", ignore_index=True)
        twice = lines["env_steps"].duplicated()
        if twice.any():
            raise Sb3ScaleError(
                f"'{path}' has two evaluations of '{label}', seed {seed}, on {task} at "
                f"{lines['env_steps'][twice].iloc[0]} environment steps; allowed: one"
            )
        found.trainings.append(Training(label, task, int(seed), lines, Origin(str(path))))
    return found


def _to_whole(path: Path, table: pandas.DataFrame, name: str) -> pandas.Series:
    values = table[name].to_numpy()
    wrong = (values < 0) | (values != np.floor(values)) | (values >= 2**53)
    if wrong.any():
        row = int(wrong.argmax())
        raise Sb3ScaleError(
            f"'{path}', line {row + 2}: {name} is {values[row]:g}; allowed: a whole number, at "
            "least 0"
        )
    return table[name].astype(np.int64)
