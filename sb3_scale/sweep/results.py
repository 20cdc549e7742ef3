"""What came out of a sweep: a table per training, and one per cell of the grid."""

import math
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import psutil

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.recipes.registered import with_own_repeat
from sb3_scale.runs import action_repeats
from sb3_scale.sweep.training_folder import TrainingFolder
from sb3_scale.tables import markdown_table

COUNTS = ("env_steps", "decisions", "total_gradient_steps", "action_repeat")

DIGITS = 9
"""Of a return, whatever its size."""


def per_training(folders: Sequence[TrainingFolder], last: int) -> pandas.DataFrame:
    """
    :param folders: of the trainings
    :param last: evaluations at the end of a training whose mean counts
    :return: a line per training, labels of the axes first; one that did not finish has no return,
        and its error; folders count from that of the sweep
    """
    return pandas.DataFrame([_line(folder, last) for folder in folders])


def _line(folder: TrainingFolder, last: int) -> dict[str, Any]:
    training, state = folder.training, folder.state
    env_kwargs = with_own_repeat(training.env_id, training.settings.get("env_kwargs") or {})
    line: dict[str, Any] = {
        **training.labels,
        "algo": training.algo,
        "env": training.env_id,
        "seed": training.seed,
        "return": np.nan,
        "std": np.nan,
        "episodes": 0,
        **dict.fromkeys(COUNTS, 0),
        # Known beforehand, and so also of a training that failed: it may be an axis.
        "action_repeat": math.prod(
            action_repeats(env_kwargs, training.settings.get("env_wrapper"))
        ),
        "minutes": round(state.seconds / 60, 2) if state else np.nan,
        "commit": state.commit if state else "",
        "error": state.error if state else "not finished",
        "folder": str(folder.run.relative_to(folder.path.parents[1])),
    }
    if line["error"]:
        return line
    try:
        run = folder.read()
    except Sb3ScaleError as error:
        return {**line, "error": str(error)}
    returns = run.evaluations[-last:]
    return {
        **line,
        "return": float(f"{returns.mean():.{DIGITS}g}"),
        "std": float(f"{returns.std():.{DIGITS}g}"),
        "episodes": returns.size,
        "env_steps": run.decisions * run.action_repeat,
        "decisions": run.decisions,
        "total_gradient_steps": run.gradient_steps,
    }


def per_cell(lines: pandas.DataFrame, axes: Sequence[str]) -> pandas.DataFrame:
    """
    :param lines: of :func:`per_training`
    :param axes: names of the axes
    :return: a line per combination: mean over seeds, sample standard deviation over seeds, the
        returns themselves, how many trainings failed, and the counts, which seeds share
    """
    keys = list(dict.fromkeys([*axes, "algo", "env"]))
    rows = []
    for values, group in lines.groupby(keys, sort=False):
        returns = group["return"].dropna().to_numpy()
        rows.append(
            {
                **dict(zip(keys, values, strict=True)),
                "seeds": len(returns),
                "failed": len(group) - len(returns),
                "mean": float(returns.mean()) if len(returns) else np.nan,
                "std": float(returns.std(ddof=1)) if len(returns) > 1 else np.nan,
                "returns": ", ".join(f"{value:.4g}" for value in returns),
                **{name: int(group[name].max()) for name in COUNTS if name not in axes},
                "minutes": float(group["minutes"].mean()),
            }
        )
    return pandas.DataFrame(rows)


def texts(table: pandas.DataFrame) -> list[list[str]]:
    """
    :param table: of figures and texts
    :return: its rows, figures with four digits, and nothing for what is no number
    """
    return [[_text(value) for value in row] for row in table.itertuples(index=False)]


def _text(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return "" if np.isnan(value) else f"{value:,.4g}"


def markdown(cells: pandas.DataFrame, commits: Sequence[str], command: str) -> str:
    """
    :param cells: of :func:`per_cell`
    :param commits: of the working folder, when the trainings started
    :param command: that made them
    :return: a table, and below it command, commits, hardware and versions
    """
    # The names of axes are those of the file.
    head = [name.replace("_", " ") if name in COUNTS else name for name in cells]
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("sb3-scale", "stable-baselines3", "torch")
    )
    cores, memory = psutil.cpu_count(), psutil.virtual_memory().total / 2**30
    return (
        f"{markdown_table(head, texts(cells))}\n\n"
        f"Command: `{command}`. Commit of the working folder: {', '.join(commits)}. "
        f"{_processor()}, {cores} cores, {memory:.0f} GiB; Python {platform.python_version()}, "
        f"{versions}.\n"
    )


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
