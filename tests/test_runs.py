"""What is read of the folder of a run."""

import inspect
import json
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import gymnasium
import numpy as np
import pytest
import yaml
from rl_zoo3.utils import get_wrapper_class
from stable_baselines3.common.env_util import make_vec_env
from written_runs import HEADER, write_run

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.monitors import read_episodes
from sb3_scale.runs import SKIPPING, read_run
from sb3_scale.zoo.history import bring_episodes


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
    (folder / "1.monitor.csv").write_bytes(b'#{"t_start": 1.0}\nr,l,t\r\n-9.0,300,1.0\r\n')
    (folder / "2.monitor.csv").write_text('#{"t_start": 0.5}\nr,l,t\n')
    table = read_episodes(folder)
    assert table["r"].tolist() == [-3.5, -9.0, -2.5, -1.5]
    assert table["t"].tolist() == [1.5, 2.0, 2.5, 3.5]
    assert table["finished_at"].tolist() == [600, 900, 1200, 1800]
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


def play(folder: Path, n_envs: int, decisions: int, env_wrapper: Any = None) -> list[int]:
    """
    Environments of RL-Zoo, whose episodes are 20, 30, 40 ... steps long.

    :return: the decisions made when each episode ended
    """
    lengths = count(20, 10)
    env = make_vec_env(
        lambda: gymnasium.make("Pendulum-v1", next(lengths), render_mode="rgb_array"),
        n_envs,
        monitor_dir=str(folder),
        wrapper_class=get_wrapper_class({"env_wrapper": env_wrapper}),
    )
    env.reset()
    ends: list[int] = []
    for made in range(n_envs, decisions + 1, n_envs):
        dones = env.step(np.zeros((n_envs, 1), np.float32))[2]
        ends += [made] * int(dones.sum())
    env.close()
    return ends


def test_environments_with_a_file_each_step_together(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    ends = play(folder, 3, 240)
    assert len(ends) > len(set(ends)) > 3
    assert read_episodes(folder)["finished_at"].tolist() == ends
    for checkpoint in range(0, 241, 30):
        resumed = tmp_path / str(checkpoint)
        resumed.mkdir()
        bring_episodes(folder, resumed, checkpoint)
        later = [checkpoint + end for end in play(resumed, 3, 120)]
        kept = [end for end in ends if end <= checkpoint]
        assert read_episodes(resumed)["finished_at"].tolist() == kept + later


PIXELS = {"sb3_scale_envs.pixels.PixelObservation": {"action_repeat": 4, "size": 9}}


@pytest.mark.parametrize(
    ("env_wrapper", "repeat"),
    [
        (PIXELS, 4),
        ("rl_zoo3.wrappers.FrameSkip", 4),
        (
            [
                {"rl_zoo3.wrappers.FrameSkip": {"skip": 3}},
                "gymnasium.wrappers.TimeAwareObservation",
            ],
            3,
        ),
        ([{"gymnasium.wrappers.RepeatAction": {"num_repeats": 2}}, PIXELS], 8),
        ({"gymnasium.wrappers.MaxAndSkipObservation": {"skip": 3}}, 3),
        ({"stable_baselines3.common.atari_wrappers.MaxAndSkipEnv": {"skip": 6}}, 6),
    ],
)
@pytest.mark.parametrize("n_envs", [1, 2])
def test_what_a_wrapper_repeats_is_one_decision(
    env_wrapper: Any, repeat: int, n_envs: int, tmp_path: Path
) -> None:
    folder, resumed = write_run(tmp_path / "run"), tmp_path / "resumed"
    (folder / "0.monitor.csv").unlink()
    (folder / "evaluations.npz").unlink()
    (folder / "Pendulum-v1" / "config.yml").write_text(yaml.safe_dump({"env_wrapper": env_wrapper}))
    ends = play(folder, n_envs, 60, env_wrapper)
    assert ends
    run = read_run(folder)
    assert run.finished_at.tolist() == ends
    assert (run.decisions, run.action_repeat) == (ends[-1], repeat)
    resumed.mkdir()
    bring_episodes(folder, resumed, ends[0])
    kept = sum(end == ends[0] for end in ends)
    assert len((resumed / "before.monitor.csv").read_text().splitlines()) == 2 + kept


@pytest.mark.parametrize(
    "path",
    [
        "gymnasium.wrappers.AtariPreprocessing",
        "gymnasium.wrappers.MaxAndSkipObservation",
        "gymnasium.wrappers.RepeatAction",
        "rl_zoo3.wrappers.FrameSkip",
        "stable_baselines3.common.atari_wrappers.AtariWrapper",
        "stable_baselines3.common.atari_wrappers.MaxAndSkipEnv",
    ],
)
def test_wrappers_of_others_repeat_as_they_say(path: str) -> None:
    module, _, name = path.rpartition(".")
    key, default = SKIPPING[name]
    parameter = inspect.signature(getattr(import_module(module), name)).parameters[key]
    assert parameter.default in (default, inspect.Parameter.empty)


def test_the_count_of_the_saved_model_is_that_of_the_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    assert read_run(folder).decisions == 600
    with ZipFile(folder / "Pendulum-v1.zip", "w") as archive:
        archive.writestr("data", json.dumps({"num_timesteps": 450, "_n_updates": 7}))
    run = read_run(folder)
    assert (run.decisions, run.gradient_steps) == (450, 7)


@pytest.mark.parametrize(
    "settings",
    [
        {"env_kwargs": {"action_repeat": 0}},
        {"env_wrapper": {"rl_zoo3.wrappers.FrameSkip": {"skip": -1}}},
    ],
)
def test_no_action_is_taken_less_than_once(settings: dict[str, Any], tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "Pendulum-v1" / "config.yml").write_text(yaml.safe_dump(settings))
    with pytest.raises(Sb3ScaleError, match=r"action_repeat is (0|-1); allowed: at least 1"):
        read_run(folder)
