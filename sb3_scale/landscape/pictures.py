"""Pictures of a loss surface: one to look at, one to turn."""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sb3_scale.files import replacing

Array = NDArray[np.float64]
X_LABEL, Y_LABEL = "first direction", "second direction"


def draw(at: Array, losses: Array, title: str, path: Path) -> None:
    """
    :param at: coordinates in both directions, ``(k,)``
    :param losses: ``(k, k)``, a row per coordinate in the second direction
    :param title: of the picture
    :param path: of the PNG file
    :raises UnwritableError: if it cannot be written
    """
    shown, label = _scaled(losses)
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    x, y = np.meshgrid(at, at)
    space = figure.add_subplot(1, 2, 1, projection="3d")
    space.plot_surface(x, y, shown, cmap="viridis", rcount=len(at), ccount=len(at), linewidth=0)
    # More labels than five would run into each other in perspective.
    space.locator_params(nbins=5)
    space.set_xlabel(X_LABEL)
    space.set_ylabel(Y_LABEL)
    space.set_zlabel(label)
    plane = figure.add_subplot(1, 2, 2)
    filled = plane.contourf(x, y, shown, levels=30, cmap="viridis")
    plane.plot(0, 0, "+", color="white", markersize=12, markeredgewidth=2)
    plane.set_xlabel(X_LABEL)
    plane.set_ylabel(Y_LABEL)
    plane.set_aspect("equal")
    figure.colorbar(filled, ax=plane, label=label)
    figure.suptitle(title, fontweight="bold")
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=130)


def draw_interactive(at: Array, losses: Array, title: str, path: Path) -> None:
    """
    :param at: coordinates in both directions, ``(k,)``
    :param losses: ``(k, k)``, a row per coordinate in the second direction
    :param title: of the picture
    :param path: of the HTML file, which needs no network
    :raises UnwritableError: if it cannot be written
    """
    shown, label = _scaled(losses)
    surface = go.Surface(
        x=at,
        y=at,
        z=shown,
        customdata=losses,
        colorscale="Viridis",
        hovertemplate="%{x:.3f}, %{y:.3f}: loss %{customdata:.4g}<extra></extra>",
    )
    figure = go.Figure(surface)
    axes = {"xaxis_title": X_LABEL, "yaxis_title": Y_LABEL, "zaxis_title": label}
    figure.update_layout(title=title, scene=axes)
    with replacing(path) as unfinished:
        figure.write_html(unfinished)


def _scaled(losses: Array) -> tuple[Array, str]:
    """The logarithm, where a few huge losses would leave the rest flat."""
    if losses.min() > 0 and losses.max() > 100 * np.median(losses):
        return np.log10(losses), "log10 of the loss"
    return losses, "loss"
