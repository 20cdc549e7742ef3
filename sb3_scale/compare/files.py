"""Writes a comparison."""

from collections.abc import Iterator
from pathlib import Path

import pandas

from sb3_scale.compare import markup, svg
from sb3_scale.compare.drawings import Drawing, drawings, task_drawings
from sb3_scale.compare.figures import look
from sb3_scale.compare.page import Drawn, render
from sb3_scale.compare.summary import Summary
from sb3_scale.files import make_folder, replacing

PAGE = "index.html"

DIGITS = 12
"""Of a number in a table: more than a count has, and than statistics need."""


def planned(summary: Summary) -> tuple[list[Drawing], dict[str, list[Drawing]]]:
    """
    :param summary: of a comparison
    :return: drawings over all tasks, and those of each task
    """
    return drawings(summary), {task: task_drawings(summary, task) for task in summary.field.tasks}


def write(summary: Summary, folder: Path, command: str) -> Iterator[str]:
    """
    :param summary: of a comparison
    :param folder: for all files
    :param command: that made it
    :return: names of drawings, each when it is there
    :raises UnwritableError: if a file cannot be written
    """
    make_folder(folder / "figures")
    general, by_task = planned(summary)
    drawn = {}
    for drawing in [*general, *(one for each in by_task.values() for one in each)]:
        drawn[drawing.name] = Drawn(drawing, _draw(drawing, folder / "figures"))
        yield drawing.name
    names = {task: [one.name for one in each] for task, each in by_task.items()}
    _write_text(folder / PAGE, render(summary, drawn, names, command))
    _write_text(folder / "comparison.md", markup.markdown(summary, command))
    for name, table in _tables(summary).items():
        with replacing(folder / f"{name}.csv") as unfinished:
            table.to_csv(unfinished, index=False, float_format=f"%.{DIGITS}g")


def _draw(drawing: Drawing, folder: Path) -> str:
    with look():
        figure = drawing.draw()
        with replacing(folder / f"{drawing.name}.png") as unfinished:
            figure.savefig(unfinished, dpi=150)
        # Where everything is does not change, and finding it takes the longest.
        figure.set_layout_engine("none")
        return svg.inline(figure, drawing.name)


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _tables(summary: Summary) -> dict[str, pandas.DataFrame]:
    return {
        "aggregates": summary.aggregates,
        "improvement": summary.improvement,
        "profile": summary.profile,
        "tasks": summary.tasks,
        "curves": summary.curve_table(),
        "trainings": summary.runs,
        "evaluations": summary.evaluations(),
    }
