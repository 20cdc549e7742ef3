"""The sweeps of benchmarks/grids, and what turns their runs into figures."""

import argparse
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from lib.reporting import swept_folders
from navigation_dimensions import table
from sb3_scale.sweep.grid import read_sweep, trainings

REPOSITORY = Path(__file__).parents[1]
GRIDS = [
    path for path in sorted((REPOSITORY / "benchmarks/grids").glob("*.yml"))
    if not path.stem.endswith("-start")
]  # fmt: skip
NEEDED = {"her": "gymnasium_robotics", "minatar": "minatar"}


def cases() -> Iterator[Any]:
    """A grid of large networks makes dozens of them."""
    for path in GRIDS:
        marks = [pytest.mark.slow] if path.stem == "width-depth" else []
        module = NEEDED.get(path.stem)
        if module is not None and find_spec(module) is None:
            marks = [pytest.mark.skip(reason=f"needs {module}")]
        yield pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.parametrize("path", list(cases()))
def test_every_training_of_a_grid_could_start(path: Path, monkeypatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert trainings(read_sweep(path))


def test_one_start_near_the_origin_does_not_rule_the_mean() -> None:
    returns = np.r_[np.full(50, 0.4), np.full(49, 0.8), -1e4]
    runs = pandas.DataFrame(
        [
            {
                "label": "TD2", "n": 2, "seed": seed, "env_steps": 10, "gradient_steps": 9,
                "returns": returns, "normalized_return": 0.6, "overestimation": 1.0,
            }
            for seed in (0, 1)
        ]
    )  # fmt: skip
    # 200 episodes without their lowest and highest 50: 52 of 0.4 and 48 of 0.8.
    assert "| TD2 | 2 | 2 | 10 | 9 | 0.592 | 0.6, 0.6 |" in table(runs)


def test_runs_of_a_sweep_are_labelled_by_several_axes(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(
        "kind,units,error,folder\nMLP,128,,runs/a\nMLP,512,,runs/b\nResNet,128,failed,runs/c\n"
    )
    path = tmp_path / "results.csv"
    assert swept_folders(f"kind,units={path}") == [
        ("MLP, 128", tmp_path / "runs/a"),
        ("MLP, 512", tmp_path / "runs/b"),
    ]
    with pytest.raises(argparse.ArgumentTypeError, match="has no axis 'width', but kind, units"):
        swept_folders(f"kind,width={path}")
