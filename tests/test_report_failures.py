"""What sb3-scale report says of environments that fail, and of places that cannot be written."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from cli_commands import error
from gymnasium import spaces
from written_runs import write_run

from sb3_scale.cli import main

WITHOUT = "leave the comparison out with --random-episodes 0"


class Fails(gymnasium.Env[Any, Any]):
    """
    An environment of a stranger.

    :param when: what fails
    """

    observation_space = action_space = spaces.Box(-1, 1, (1,))

    def __init__(self, when: str) -> None:
        self.when = when
        self._fail("made")

    def _fail(self, now: str) -> None:
        if now == self.when:
            raise RuntimeError("no display")

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self._fail("reset")
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        self._fail("played")
        return self.observation_space.sample(), 1.0, True, False, {}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registers an environment for the time of a test."""
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))

    def register(entry_point: Any, **kwargs: Any) -> str:
        gymnasium.register("Fails-v0", entry_point, kwargs=kwargs)
        return "Fails-v0"

    return register


@pytest.mark.parametrize(
    ("when", "lack"), [("made", "made"), ("reset", "played"), ("played", "played")]
)
def test_an_environment_that_fails_is_one_sentence(
    when: str, lack: str, registered: Any, tmp_path: Path, capsys: Any
) -> None:
    folder = write_run(tmp_path / "run", env=registered(Fails, when=when))
    assert error(capsys, "report", str(folder)) == (
        f"the environment 'Fails-v0' of the run cannot be {lack}: RuntimeError: no display; "
        f"{WITHOUT}"
    )
    assert main(["report", str(folder), "--random-episodes", "0"]) == 0


def test_a_module_that_is_missing_is_one_sentence(
    registered: Any, tmp_path: Path, capsys: Any
) -> None:
    folder = write_run(tmp_path / "run", env=registered("no_such_module:Env"))
    told = error(capsys, "report", str(folder))
    assert "'Fails-v0' of the run cannot be made: ModuleNotFoundError: No module named" in told
    assert told.endswith(WITHOUT)


def test_a_picture_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_run(tmp_path / "run")
    picture = folder / "learning_curve.png"
    picture.mkdir()
    assert error(capsys, "report", str(folder)) == (
        f"'{picture}' cannot be written: it is a folder; allowed: a file"
    )
    picture.rmdir()
    # Not a read-only folder, which nobody keeps root from writing to.
    picture.symlink_to("/proc/learning_curve.png")
    told = error(capsys, "report", str(folder), "--random-episodes", "0")
    assert told.startswith("'/proc/learning_curve.png' cannot be written: ")


def test_a_path_with_square_brackets(tmp_path: Path, capsys: Any) -> None:
    folder = write_run(tmp_path / "logs [old]" / "run")
    assert main(["report", str(folder), "--json", "--random-episodes", "0"]) == 0
    assert json.loads(capsys.readouterr().out)["last_training_episodes"]["mean"] == -2.5
