"""Writes a comparison."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas

from sb3_scale.compare import markup, svg
from sb3_scale.compare.drawings import Drawing, drawings, task_drawings
from sb3_scale.compare.figures import look
from sb3_scale.compare.page import Drawn, render
from sb3_scale.compare.summary import Summary
from sb3_scale.files import make_folder, replacing

PAGE = "index.html"
TEXT = "comparison.md"
FIGURES = "figures"

TABLES: dict[str, Callable[[Summary], pandas.DataFrame]] = {
    "aggregates": lambda summary: summary.aggregates,
    "improvement": lambda summary: summary.improvement,
    "profile": lambda summary: summary.profile,
    "tasks": lambda summary: summary.tasks,
    "curves": Summary.curve_table,
    "trainings": lambda summary: summary.runs,
    "evaluations": Summary.evaluations,
}
"""Each a CSV file."""

DIGITS = 12
"""Of a number in a table: more than a count has, and than statistics need."""


def planned(summary: Summary) -> tuple[list[Drawing], dict[str, list[Drawing]]]:
    """
    :param summary: of a comparison
    :return: drawings over all tasks, and those of each task
    """
    return drawings(summary), {task: task_drawings(summary, task) for task in summary.field.tasks}


def texts(folder: Path) -> list[Path]:
    """
    :param folder: for all files
    :return: those that :func:`write` writes there, whatever is compared
    """
    return [folder / name for name in (PAGE, TEXT, *(f"{table}.csv" for table in TABLES))]


def figure_file(folder: Path, name: str) -> Path:
    """
    :param folder: for all files
    :param name: of a drawing
    :return: its file
    """
    return folder / FIGURES / f"{name}.png"


def write(summary: Summary, folder: Path, command: str) -> Iterator[str]:
    """
    :param summary: of a comparison
    :param folder: for all files
    :param command: that made it
    :return: names of drawings, each when it is there
    :raises UnwritableError: if a file cannot be written
    """
    make_folder(folder / FIGURES)
    general, by_task = planned(summary)
    drawn = {}
    for drawing in [*general, *(one for each in by_task.values() for one in each)]:
        drawn[drawing.name] = Drawn(drawing, _draw(drawing, figure_file(folder, drawing.name)))
        yield drawing.name
    names = {task: [one.name for one in each] for task, each in by_task.items()}
    _write_text(folder / PAGE, render(summary, drawn, names, command))
    _write_text(folder / TEXT, markup.markdown(summary, command))
    for name, table in TABLES.items():
        with replacing(folder / f"{name}.csv") as unfinished:
            table(summary).to_csv(unfinished, index=False, float_format=f"%.{DIGITS}g")


def _draw(drawing: Drawing, path: Path) -> str:
    with look():
        figure = drawing.draw()
        with replacing(path) as unfinished:
            figure.savefig(unfinished, dpi=150)
        # Where everything is does not change, and finding it takes the longest.
        figure.set_layout_engine("none")
        return svg.inline(figure, drawing.name)


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
