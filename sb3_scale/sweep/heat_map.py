"""The picture of a sweep."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage


# A label with dollars is a label, and no formula.
@rc_context({"text.parse_math": False})
def draw(cells: pandas.DataFrame, axes: Sequence[str], path: Path) -> None:
    """
    Draw the mean return of each cell: rows are the first axis of the grid, columns the second, and
    every combination of the others has a panel with colours of its own.

    :param cells: of :func:`sb3_scale.sweep.results.per_cell`
    :param axes: names of the axes, at least one
    :param path: of the picture
    """
    # A grid of one axis has one column, whose name and label are empty.
    rows, columns = axes[0], axes[1] if len(axes) > 1 else ""
    cells = cells if columns else cells.assign(**{"": ""})
    panels = list(axes[2:])
    groups = list(cells.groupby(panels, sort=False)) if panels else [((), cells)]
    size = (2.5 + 1.5 * cells[columns].nunique(), 1.6 + 0.6 * cells[rows].nunique())
    figure = Figure(figsize=(size[0] * len(groups), size[1]), layout="constrained")
    places = figure.subplots(1, len(groups), squeeze=False)[0]
    for place, (labels, group) in zip(places, groups, strict=True):
        image = _panel(place, group, rows, columns)
        place.set_title(", ".join(map(str, labels)), loc="left", fontweight="bold")
        figure.colorbar(image, ax=place, label="mean return")
    figure.savefig(path, dpi=130)


def _panel(place: Axes, cells: pandas.DataFrame, rows: str, columns: str) -> AxesImage:
    labels, others = list(cells[rows].unique()), list(cells[columns].unique())
    table = cells.pivot(index=rows, columns=columns, values="mean")
    values = table.reindex(index=labels, columns=others).to_numpy()
    image = place.imshow(values, aspect="auto", cmap="cividis")
    known = values[np.isfinite(values)]
    middle = (known.min() + known.max()) / 2 if len(known) else 0.0
    for _, cell in cells.iterrows():
        y, x = labels.index(cell[rows]), others.index(cell[columns])
        # What failed has no colour, and so a white ground.
        colour = "white" if values[y, x] <= middle else "black"
        place.text(x, y, _text(cell), ha="center", va="center", color=colour)
    place.set_yticks(range(len(labels)), labels)
    place.set_xticks(range(len(others)), others)
    place.set_ylabel(rows)
    place.set_xlabel(columns)
    return image


def _text(cell: pandas.Series) -> str:
    if not cell["seeds"]:
        return "failed"
    of = f"{cell['seeds']} seed{'s' if cell['seeds'] != 1 else ''}"
    failed = f", {cell['failed']} failed" if cell["failed"] else ""
    return f"{cell['mean']:.4g}\n{of}{failed}"
