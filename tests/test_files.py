"""Files are replaced as a whole, and who cannot write one says so in a sentence."""

import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from full_disk import full_disk
from small_models import make

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.files import replacing


@pytest.fixture(scope="module")
def model() -> Any:
    return make(SAC).learn(30)


def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("good")

    def fail() -> None:
        with replacing(path) as unfinished:
            unfinished.write_text("ba")
            raise OSError("of something else")

    with pytest.raises(OSError, match="of something else"):
        fail()
    assert path.read_text() == "good"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_complete_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("good")
    path.chmod(0o640)
    with replacing(path) as unfinished:
        assert unfinished.suffix == path.suffix
        unfinished.write_text("better")
        assert path.read_text() == "good"
    assert path.read_text() == "better"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_links_long_names_and_pipes_are_written_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "latest"
    link.symlink_to(tmp_path / "real" / ("x" * 251 + ".zip"))
    for text in ("first", "second"):
        with replacing(link) as unfinished:
            unfinished.write_text(text)
    assert link.is_symlink()
    assert link.read_text() == "second"
    os.mkfifo(tmp_path / "pipe")
    with replacing(tmp_path / "pipe") as place:
        assert place == tmp_path / "pipe"


def test_what_a_killed_writer_left_goes_with_the_next_file(tmp_path: Path) -> None:
    path = tmp_path / "best[1].zip"
    ages = {"1-best[1].zip": 3600, "2-best[1].zip": 60, "3-other.zip": 3600}
    for name, age in ages.items():
        left = tmp_path / f".unfinished-{name}"
        left.touch()
        os.utime(left, (time.time() - age, time.time() - age))
    with replacing(path) as unfinished:
        unfinished.write_text("better")
    # Somebody may still write to the second.
    kept = {".unfinished-2-best[1].zip", ".unfinished-3-other.zip"}
    assert {each.name for each in tmp_path.iterdir()} == {path.name, *kept}


def test_two_who_write_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "best"

    def write(letter: str) -> None:
        for _ in range(50):
            with replacing(path) as unfinished, unfinished.open("w") as file:
                for _ in range(20):
                    file.write(letter)
                    file.flush()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))
    assert path.read_text() in {letter * 20 for letter in "abcd"}


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_full_disk_is_one_sentence_and_the_file_stays(
    model: Any, tmp_path: Path, share: float
) -> None:
    for save, name in ((model.save, "m.zip"), (model.save_replay_buffer, "b.pkl")):
        path = tmp_path / name
        save(path)
        room = int(share * path.stat().st_size)
        path.unlink()
        for kept in ("no part of it is left", "the one before is still there"):
            before = path.read_bytes() if path.exists() else None
            with full_disk(room), pytest.raises(Sb3ScaleError) as caught:
                save(path)
            assert str(caught.value).startswith(f"'{path}' cannot be written: File too large; ")
            assert kept in str(caught.value)
            assert isinstance(caught.value, OSError)
            assert (path.read_bytes() if path.exists() else None) == before
            save(path)
    model.load_replay_buffer(tmp_path / "b.pkl")
    assert SAC.load(tmp_path / "m.zip", device="cpu").num_timesteps == 30
    assert {path.name for path in tmp_path.iterdir()} == {"m.zip", "b.pkl"}


def test_a_folder_that_cannot_be_made_is_one_sentence(model: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.warns(UserWarning, match="does not exist"),
        pytest.raises(Sb3ScaleError, match=r"folder '.*/below' cannot be made: Not a directory"),
    ):
        model.save(tmp_path / "file" / "below" / "m")


def test_files_are_found_as_stable_baselines3_finds_them(model: Any, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Will create it"):
        model.save(str(tmp_path / "new" / "folder" / "m"))
    with pytest.warns(UserWarning, match="Will create it"):
        model.save_replay_buffer(tmp_path / "other" / "b")
    (tmp_path / "taken.zip").mkdir()
    with pytest.warns(UserWarning, match="is a folder"):
        model.save(tmp_path / "taken.zip")
    model.save(tmp_path / "v0.1")
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"new/folder/m.zip", "other/b.pkl", "taken.zip_2", "v0.1"}


def test_open_files_are_written_to_as_before(model: Any, tmp_path: Path) -> None:
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    assert SAC.load(file, device="cpu").num_timesteps == 30
    with (tmp_path / "buffer").open("w+b") as buffer:
        model.save_replay_buffer(buffer)
        buffer.seek(0)
        model.load_replay_buffer(buffer)
    assert list(tmp_path.iterdir()) == [tmp_path / "buffer"]
