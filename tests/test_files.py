from pathlib import Path

import pytest

from sb3_scale.files import replacing


def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("good")

    def fail() -> None:
        with replacing(path) as unfinished:
            unfinished.write_text("ba")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert path.read_text() == "good"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_complete_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("good")
    with replacing(path) as unfinished:
        assert unfinished.suffix == path.suffix
        unfinished.write_text("better")
        assert path.read_text() == "good"
    assert path.read_text() == "better"
    assert list(tmp_path.iterdir()) == [path]
