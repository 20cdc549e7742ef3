"""The folder of a sweep: whose it is, and what may be written there."""

import os
import shutil
from pathlib import Path

import pandas
import pytest
import yaml
from cli_commands import error

from sb3_scale.cli import main
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.sweep import heat_map, pool
from sb3_scale.sweep.output import Output
from sb3_scale.sweep.training_folder import TrainingFolder

TASK = {"n_timesteps": 400, "policy": "MlpPolicy"}
GRID = {"env": "Pendulum-v1", "conf_file": "start.yml", "grid": {"gamma": [0.9, 0.99]}}


@pytest.fixture
def grids(tmp_path, monkeypatch) -> list[str]:
    """Two files of one name, whose trainings fail at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(TrainingFolder, "command", lambda *_: ["false"])
    monkeypatch.setattr(pool, "POLL", 0.02)
    Path("start.yml").write_text(yaml.safe_dump({"Pendulum-v1": TASK}))
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "grid.yml").write_text(yaml.safe_dump(GRID))
    return ["a/grid.yml", "b/grid.yml"]


def sweep(*args: str) -> Path:
    """Trains, and gives the table."""
    assert main(["sweep", *args, "--retries", "0", "--processes", "2"]) == 1
    return Path("logs/grid/results.csv")


def test_another_file_of_the_same_name_is_refused(grids, capsys):
    before = sweep(grids[0]).read_text()
    for options in ([], ["--dry-run"]):
        capsys.readouterr()
        assert error(capsys, "sweep", grids[1], *options) == (
            "'logs/grid' has the sweep of 'a/grid.yml', and this file is 'b/grid.yml'; allowed: "
            "--output with another folder, or --output logs/grid to replace its results"
        )
    assert Path("logs/grid/results.csv").read_text() == before
    sweep(grids[1], "--output", "logs/grid")
    told = "'logs/grid' had the sweep of 'a/grid.yml', and now that of 'b/grid.yml'\n"
    assert told in capsys.readouterr().err


def test_a_file_that_changed_or_moved_and_a_copy_of_all_go_on(grids, monkeypatch):
    table = sweep(grids[0])
    Path("a/grid.yml").write_text(yaml.safe_dump({**GRID, "grid": {"gamma": [0.9, 0.95, 0.99]}}))
    sweep(grids[0])
    assert len(pandas.read_csv(table)) == 3
    Path("a/grid.yml").rename("grid.yml")
    sweep("grid.yml")
    sweep(os.path.abspath("grid.yml"))
    shutil.copytree(".", "../copy")
    monkeypatch.chdir("../copy")
    sweep("grid.yml")


@pytest.mark.parametrize("name", ["results.csv", "results.md", "heat_map.png"])
def test_what_is_no_sweeps_is_not_replaced(grids, name, capsys):
    path = Path("mine") / name
    path.parent.mkdir()
    path.write_text("\nalgo,env,my,table\n")
    told = error(capsys, "sweep", grids[0], "--output", "mine")
    assert told.startswith(f"'{path}' is no sweep's, for ")
    assert told.endswith("; allowed: another --output")
    assert path.read_text() == "\nalgo,env,my,table\n"
    assert [one.name for one in Path("mine").iterdir()] == [name]


def test_a_folder_in_place_of_a_file_is_named_before_anything_is_trained(grids, capsys):
    Path("mine/results.csv").mkdir(parents=True)
    told = error(capsys, "sweep", grids[0], "--output", "mine")
    assert told == "'mine/results.csv' is a folder; allowed: another --output"


def test_other_files_of_a_folder_stay(grids):
    mine = {"lock": "my lock", "notes.md": "x"}
    Path("logs/grid").mkdir(parents=True)
    for name, text in mine.items():
        Path("logs/grid", name).write_text(text)
    sweep(grids[0])
    assert {name: Path("logs/grid", name).read_text() for name in mine} == mine


def test_results_of_an_earlier_version_are_replaced(grids):
    table = sweep(grids[0])
    Path("logs/grid/.sweep-file").unlink()
    table.write_text("gamma,algo,env,seed,return,error,folder\n")
    assert len(pandas.read_csv(sweep(grids[0]))) == 2


def test_results_are_there_as_a_whole(tmp_path, monkeypatch):
    def full(cells: pandas.DataFrame, axes: object, path: Path) -> None:
        path.write_text("a part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(heat_map, "draw", full)
    output = Output(tmp_path, tmp_path / "grid.yml", ("gamma",))
    picture = tmp_path / "heat_map.png"
    picture.write_text("the one before")
    lines = pandas.DataFrame({"gamma": ["0.9 ± ü"], "algo": ["sac"]})
    with pytest.raises(Sb3ScaleError, match=r"heat_map\.png' cannot be written: No space left"):
        output.write(lines, lines, "page ü")
    assert picture.read_text() == "the one before"
    assert (tmp_path / "results.csv").read_text("utf-8") == "gamma,algo\n0.9 ± ü,sac\n"
    assert (tmp_path / "results.md").read_text("utf-8") == "page ü"


def test_a_training_whose_end_nobody_can_read_is_listed_as_such(grids, capsys):
    sweep(grids[0])
    state = next(Path("logs/grid/runs").glob("*/state.json"))
    state.write_text("[]")
    capsys.readouterr()
    assert main(["sweep", grids[0], "--dry-run"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "to do, for" in told
    assert state.is_file()
