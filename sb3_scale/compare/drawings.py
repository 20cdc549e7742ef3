"""Which drawings a comparison has, and what they show."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from sb3_scale.compare import figures
from sb3_scale.compare.statistics import LEVEL
from sb3_scale.compare.summary import Summary


@dataclass(frozen=True)
class Drawing:
    """
    A figure, to be drawn when it is needed.

    :param name: of its file
    :param title: of it
    :param caption: what it shows
    :param draw: it
    """

    name: str
    title: str
    caption: str
    draw: Callable[[], Figure]


def drawings(summary: Summary) -> list[Drawing]:
    """
    :param summary: of the comparison
    :return: what is to be drawn, in the order of the page
    """
    within = f"with {LEVEL}% intervals of a bootstrap stratified by task"
    found = [
        Drawing(
            "aggregates",
            "Statistics",
            f"Of the normalised returns, {within}; n is the number of seeds. Of the "
            "optimality gap, less is better.",
            lambda: figures.interval_panels(summary, "aggregates"),
        )
    ]
    if len(summary.improvement):
        found.append(
            Drawing(
                "improvement",
                "Probability of improvement",
                "That a run of X scores higher than one of Y on the same task, averaged over "
                f"tasks, {within}. At a half neither is better.",
                lambda: figures.improvement(summary, "improvement"),
            )
        )
    found.append(
        Drawing(
            "profile",
            "Performance profile",
            f"Share of the runs that score above a normalised return, {within}.",
            lambda: figures.profile(summary, "profile"),
        )
    )
    if len(summary.field.common) > 1 and summary.aggregated:
        found.append(
            Drawing(
                "efficiency",
                "Sample efficiency",
                f"IQM over all common tasks and seeds, {within}, as far as all trainings go.",
                lambda: figures.over_training(
                    summary, "efficiency", summary.aggregated, "env_steps", "normalised return, IQM"
                ),
            )
        )
    return found


def task_drawings(summary: Summary, task: str) -> list[Drawing]:
    """
    :param summary: of the comparison
    :param task: id of the environment
    :return: its drawings
    """
    number = summary.field.tasks.index(task)
    letters = "".join(one if one.isascii() and one.isalnum() else "-" for one in task)[:60]
    steps, time = f"task-{number}-{letters}-steps", f"task-{number}-{letters}-time"
    shows = f"Thick: IQM of the seeds with its {LEVEL}% interval; thin: seeds."
    found = [
        Drawing(
            steps,
            f"{task} over environment steps",
            shows,
            lambda: figures.of_task(summary, steps, task),
        )
    ]
    if task in summary.over_time:
        drawn = summary.over_time[task]
        found.append(
            Drawing(
                time,
                f"{task} over wall clock",
                f"{shows} With the evaluations, on the machine that each ran on.",
                lambda: figures.over_training(
                    summary, time, drawn, "seconds", "return of an evaluation episode"
                ),
            )
        )
    return found
