"""Pictures of navigation: the distance to the origin over time, and the path in the plane."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError

INCHES, DPI = 4.8, 100


def load_figure() -> Any:
    """
    :return: matplotlib's ``Figure``, which needs no display and leaves pyplot's state alone
    :raises Sb3ScaleError: if matplotlib is not installed
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise Sb3ScaleError(
            "render_mode 'rgb_array' of navigation needs matplotlib, which is not installed: "
            "python -m pip install sb3-scale"
        ) from error
    return Figure


def draw(path: NDArray[np.float64], normalized_return: float) -> NDArray[np.uint8]:
    """
    :param path: of an episode, first to present: positions ``(steps + 1, 2)`` in the plane, or
        distances ``(steps + 1, 1)``
    :param normalized_return: of the episode so far
    :return: ``(480, 480, 3)``
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = load_figure()(figsize=(INCHES, INCHES), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(f"step {len(path) - 1}, normalised return {normalized_return:.3f}")
    if path.shape[1] == 2:
        plane, over_time = figure.subplots(2, height_ratios=(3, 1))
        _draw_plane(plane, path)
        _draw_distance(over_time, np.linalg.norm(path, axis=1))
    else:
        _draw_distance(figure.subplots(), path[:, 0])
    for axes in figure.axes:
        axes.grid(alpha=0.25)
    canvas.draw()
    picture: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    return picture


def _draw_plane(axes: Any, path: NDArray[np.float64]) -> None:
    limit = 1.1 * max(1.0, np.abs(path).max())
    axes.plot(*path.T, "-", color="C0", linewidth=1)
    axes.plot(*path[0], "o", color="C0", fillstyle="none", label="start")
    axes.plot(*path[-1], "o", color="C1", label="position")
    axes.plot(0, 0, "k+", markersize=12)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="x1", ylabel="x2")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


def _draw_distance(axes: Any, distances: NDArray[np.float64]) -> None:
    axes.plot(distances, ".-", color="C0", linewidth=1)
    axes.set(xlim=(0, max(10, len(distances) - 1)), xlabel="step", ylabel="distance")
    axes.set_ylim(0, 1.1 * distances.max())
