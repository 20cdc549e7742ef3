"""The page of a comparison: one file that needs nothing else."""

import datetime
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from sb3_scale.compare import markup
from sb3_scale.compare.drawings import Drawing
from sb3_scale.compare.palette import SERIES, styles
from sb3_scale.compare.statistics import DRAWS, LEVEL
from sb3_scale.compare.summary import Summary

TEMPLATE = Path(__file__).with_name("page.html.jinja")

METHOD = (
    "Returns are means over the episodes of an evaluation; between two evaluations they lie on the "
    "line that joins them. Tasks are compared at the longest length that all their trainings have.",
    "Statistics follow Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical "
    "Precipice, 2021, arXiv:2108.13264. IQM: mean of the middle half of all runs; of fewer than "
    "four it is the mean. Median: over tasks, of the means over seeds. Optimality gap: how far "
    "runs stay below 1 on average. P(X > Y): probability that a run of X scores higher "
    "than one of Y on the same task, ties half.",
    f"Intervals are the middle {LEVEL}% of {DRAWS} draws of seeds with replacement, each task by "
    "itself, with a fixed seed: the same trainings give the same figures. They say how much the "
    "seeds spread, not how tasks or machines do.",
    "Gradient steps are counted from the settings: decisions after learning_starts times UTD. They "
    "are empty where decisions do not count them.",
    "Published figures are shown as they were published, at the last step that they have up to "
    "where the task is compared; they are in no statistic over tasks.",
)


@dataclass(frozen=True)
class Drawn:
    """
    :param drawing: what it is
    :param svg: of it
    """

    drawing: Drawing
    svg: str


def render(
    summary: Summary, drawn: dict[str, Drawn], by_task: dict[str, list[str]], command: str
) -> str:
    """
    :param summary: of the comparison
    :param drawn: figures by name, in the order of the page
    :param by_task: names of those that belong to a task
    :param command: that made it
    :return: HTML
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    found = summary.field
    of_tasks = {name for names in by_task.values() for name in names}
    tables = {
        "aggregates": _table(markup.aggregates(summary), "statistics"),
        "improvement": _table(markup.improvement(summary), "probability of improvement"),
    }
    return template.render(
        title=_title(summary),
        version=metadata.version("sb3-scale"),
        date=datetime.date.today().isoformat(),
        command=command,
        series=SERIES,
        labels=[
            {
                "label": label,
                "number": style.number,
                "colour": f"var(--series-{style.number % len(SERIES)})",
                "seeds": found.seeds(label),
            }
            for label, style in styles(found.labels).items()
        ],
        notes=summary.notes,
        figures=[
            {**_figure(one), "table": tables.get(name)}
            for name, one in drawn.items()
            if name not in of_tasks
        ],
        tasks=[
            {
                "name": task,
                "at": f"{found.at[task]:,.0f}",
                "table": _table(markup.task(summary, task), f"returns on {task}"),
                "figures": [_figure(drawn[name]) for name in by_task[task]],
            }
            for task in found.tasks
        ],
        runs=_table(markup.runs(summary), "trainings"),
        origins=markup.origins(summary),
        method=METHOD,
    )


def _title(summary: Summary) -> str:
    tasks = summary.field.tasks
    where = tasks[0] if len(tasks) == 1 else f"{len(tasks)} tasks"
    labels = summary.field.labels
    what = " and ".join(labels) if len(labels) < 3 else f"{len(labels)} labels"
    return f"{what} on {where}"


def _table(text: markup.Text, caption: str) -> dict[str, Any]:
    return {"head": text.head, "rows": text.rows, "caption": caption}


def _figure(one: Drawn) -> dict[str, Any]:
    drawing = one.drawing
    return {
        "name": drawing.name,
        "title": drawing.title,
        "caption": drawing.caption,
        # Made here by matplotlib, which escapes what strangers wrote.
        "svg": Markup(one.svg),
    }
