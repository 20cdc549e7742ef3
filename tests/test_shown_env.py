"""The environment in which RL-Zoo's commands show what was trained."""

import sys
from pathlib import Path
from typing import Any

import pytest
import rl_zoo3
import yaml
from rl_zoo3 import utils
from zoo_commands import FAST, SMALL, run, train

from sb3_scale import Sb3ScaleError

TASK = "cartpole-swingup"


def test_enjoy_plays_what_was_trained_with_arguments_of_the_command_line(tmp_path: Path) -> None:
    """RL-Zoo's own reads those of the training's command in the place of the settings'."""
    train(tmp_path, TASK, 60, *FAST, "--env-kwargs", "width:64", *SMALL, "compile:False")
    play = f"-m rl_zoo3.enjoy --algo sac --env {TASK} -n 505 --no-render -f logs".split()
    assert "Episode Length 500\n" in run(tmp_path, *play).stdout
    assert "Episode Length 250\n" in run(tmp_path, *play, "--env-kwargs", "action_repeat:4").stdout


@pytest.mark.parametrize(
    ("policy", "given", "found"),
    [
        ("ScalePolicy", {"width": 64}, {"action_repeat": 3, "width": 64}),
        ("ScalePolicy", {"action_repeat": 4}, {"action_repeat": 4}),
        ("ScalePolicy", {}, {"action_repeat": 3}),
        ("MlpPolicy", {"width": 64}, {"width": 64}),
    ],
)
def test_settings_in_the_folder_of_a_run_count_where_the_command_does_not(
    tmp_path: Path, policy: str, given: dict[str, Any], found: dict[str, Any]
) -> None:
    written = {"policy": policy, "env_kwargs": {"action_repeat": 3}}
    (tmp_path / "config.yml").write_text(yaml.safe_dump(written))
    # As rl_zoo3.enjoy does: with the saved settings, but for these arguments.
    env = utils.create_test_env(
        TASK,
        stats_path=str(tmp_path),
        hyperparams={"policy": policy, "normalize": False},
        env_kwargs=given,
        should_render=False,
    )
    task = {"domain": "cartpole", "task": "swingup"}
    assert env.get_attr("spec")[0].kwargs == {**task, **found}
    env.close()


@pytest.mark.parametrize(
    ("policy", "given", "repeat"),
    [("ScalePolicy", None, 3), ("ScalePolicy", {"action_repeat": 4}, 4), ("MlpPolicy", None, 1)],
)
def test_a_video_shows_the_environment_of_the_training(
    policy: str, given: dict[str, Any] | None, repeat: int
) -> None:
    # As rl_zoo3.record_video does: with the saved settings, and the command's env_kwargs apart.
    settings = {"policy": policy, "env_kwargs": {"action_repeat": 3}}
    env = utils.create_test_env(TASK, hyperparams=settings, env_kwargs=given, should_render=False)
    assert env.get_attr("action_repeat") == [repeat]
    env.close()


def test_pictures_that_no_window_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """As rl_zoo3.enjoy does without --no-render."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    settings = {"policy": "ScalePolicy", "env_kwargs": {"render_mode": "rgb_array"}}
    assert rl_zoo3.create_test_env is utils.create_test_env
    env = rl_zoo3.create_test_env("Pendulum-v1", hyperparams=settings)
    env.reset()
    assert env.render().shape == (500, 500, 3)
    with pytest.raises(Sb3ScaleError, match="OpenCV, which is not installed; allowed: pip install"):
        env.render("human")
    env.close()
