"""What is read of the folder of a run."""

from pathlib import Path

import pytest
from written_runs import HEADER, write_run

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.runs import read_episodes, read_run


def with_monitor(folder: Path, text: str) -> Path:
    write_run(folder)
    (folder / "0.monitor.csv").write_text(text)
    return folder


@pytest.mark.parametrize("cut", ["-17", "-1762.97,20", "-1762.97,200,12.3"])
def test_a_last_line_that_was_cut_off_is_no_episode(cut: str, tmp_path: Path, capfd) -> None:
    folder = with_monitor(tmp_path / "run", f"{HEADER}-3,200,1\n-2,100,2\n{cut}")
    run = read_run(folder)
    assert run.returns.tolist() == [-3, -2]
    assert run.finished_at.tolist() == [200, 300]
    path = folder / "0.monitor.csv"
    assert capfd.readouterr().err == f"the last line of '{path}' was cut off, and is left out\n"


def test_an_episode_without_a_number_is_left_out_and_its_decisions_count(
    tmp_path: Path, capfd
) -> None:
    folder = with_monitor(tmp_path / "run", f"{HEADER}-3,200,1\nnan,100,2\n-17\n-2,50,3\n")
    run = read_run(folder)
    assert run.returns.tolist() == [-3, -2]
    assert run.finished_at.tolist() == [200, 350]
    assert capfd.readouterr().err == (
        f"2 of 4 episodes in '{folder}' lack their return, length or time in *.monitor.csv, and "
        "are left out\n"
    )


def test_whole_lines_are_read_without_a_word(tmp_path: Path, capfd) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "1.monitor.csv").write_bytes(b'#{"t_start": 1.0}\nr,l,t\r\n-9.0,100,1.0\r\n')
    (folder / "2.monitor.csv").write_text('#{"t_start": 0.5}\nr,l,t\n')
    table = read_episodes(folder)
    assert table["r"].tolist() == [-3.5, -9.0, -2.5, -1.5]
    assert table["t"].tolist() == [1.5, 2.0, 2.5, 3.5]
    assert table["finished_at"].tolist() == [200, 300, 500, 700]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("text", ['#{"t_start": 0}\nr,l,t', '#{"t_start": 0}\nr,l,t\n'])
def test_a_run_without_an_episode_has_none(text: str, tmp_path: Path) -> None:
    assert read_run(with_monitor(tmp_path / "run", text)).returns.tolist() == []


@pytest.mark.parametrize("lines", ["1,2,3,4\n", "1,2,3\n1,2,3,4\n"])
def test_a_line_that_is_longer_than_the_header_shifts_nothing(lines: str, tmp_path: Path) -> None:
    folder = with_monitor(tmp_path / "run", HEADER + lines)
    with pytest.raises(Sb3ScaleError, match=r"a \*.monitor.csv in '.*' cannot be read: ") as caught:
        read_run(folder)
    assert "\n" not in str(caught.value)


def test_square_brackets_in_a_path_are_no_pattern(tmp_path: Path) -> None:
    assert len(read_run(write_run(tmp_path / "logs [old]" / "*run?")).returns) == 3
    (tmp_path / "none [1]").mkdir()
    with pytest.raises(Sb3ScaleError, match="cannot be read: "):
        read_episodes(tmp_path / "none [1]")
