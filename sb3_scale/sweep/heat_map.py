"""The picture of a sweep."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage


def draw(cells: pandas.DataFrame, axes: Sequence[str], path: Path) -> None:
    """
    Draw the mean return of each cell: rows are the first axis of the grid, columns the second, and
    every combination of the others has a panel with colours of its own.

    :param cells: of :func:`sb3_scale.sweep.results.per_cell`
    :param axes: names of the axes, at least one
    :param path: of the picture
    """
    rows, columns, panels = axes[0], axes[1:2], axes[2:]
    groups = list(itertools.product(*(cells[name].unique() for name in panels)))
    height, width = cells[rows].nunique(), cells[columns[0]].nunique() if columns else 1
    size = (2.5 + 1.5 * width, 1.6 + 0.6 * height)
    figure = Figure(figsize=(size[0] * len(groups), size[1]), layout="constrained")
    for place, labels in zip(
        figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True
    ):
        chosen = np.logical_and.reduce(
            [cells[name] == label for name, label in zip(panels, labels, strict=True)]
            or [np.ones(len(cells), dtype=bool)]
        )
        image = _panel(place, cells[chosen], rows, columns[0] if columns else "")
        place.set_title(", ".join(labels), loc="left", fontweight="bold")
        figure.colorbar(image, ax=place, label="mean return")
    figure.savefig(path, dpi=130)


def _panel(place: Axes, cells: pandas.DataFrame, rows: str, columns: str) -> AxesImage:
    labels = cells[rows].unique()
    others = cells[columns].unique() if columns else np.array([""])
    values = np.full((len(labels), len(others)), np.nan)
    texts = {}
    for _, cell in cells.iterrows():
        y = int(np.flatnonzero(labels == cell[rows])[0])
        x = int(np.flatnonzero(others == cell[columns])[0]) if columns else 0
        values[y, x] = cell["mean"]
        of = f"{cell['seeds']} seed{'s' if cell['seeds'] != 1 else ''}"
        failed = f", {cell['failed']} failed" if cell["failed"] else ""
        texts[x, y] = f"{cell['mean']:.4g}\n{of}{failed}" if cell["seeds"] else "failed"
    image = place.imshow(values, aspect="auto", cmap="cividis")
    known = values[np.isfinite(values)]
    middle = (known.min() + known.max()) / 2 if len(known) else 0.0
    for (x, y), text in texts.items():
        # What failed has no colour, and so a white ground.
        colour = "white" if values[y, x] <= middle else "black"
        place.text(x, y, text, ha="center", va="center", color=colour, parse_math=False)
    place.set_yticks(range(len(labels)), labels)
    place.set_xticks(range(len(others)), others)
    place.set_ylabel(rows)
    place.set_xlabel(columns)
    return image
