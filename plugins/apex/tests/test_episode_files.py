"""Finished episodes of collectors, in the files that a user named."""

import csv
import json
import time
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from small_models import make
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecMonitor

from sb3_scale import TD3, Sb3ScaleError
from sb3_scale.collection.unmade import UnmadeVecEnv
from sb3_scale.zoo.backends import same_wrapper

ONE = {"name": "inline", "collectors": 1, "fragment_length": 1}
TWO = {"name": "inline", "collectors": 2, "fragment_length": 5}


class Angle(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Tells the first number of each observation."""

    def step(self, action: Any) -> Any:
        observation, *rest, info = super().step(action)
        return observation, *rest, {**info, "angle": float(observation[0])}


def env() -> Any:
    return Angle(gymnasium.make("Pendulum-v1", max_episode_steps=20))


def unmade(path: Path) -> Any:
    return make_vec_env(
        env,
        2,
        seed=0,
        vec_env_cls=UnmadeVecEnv,
        vec_env_kwargs={"monitor_path": str(path)},
        monitor_kwargs={"info_keywords": ("angle",)},
    )


def train(envs: Any, collector: Any, decisions: int) -> Any:
    # Its actions are the same, whoever collects.
    return make(TD3, envs, collector=collector, gradient_steps=0).learn(decisions)


def rows(path: Path) -> list[dict[str, str]]:
    with Path(f"{path}.monitor.csv").open() as file:
        assert json.loads(file.readline().removeprefix("#"))["t_start"]
        return list(csv.DictReader(file))


def without_time(found: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "t"} for row in found]


def test_vec_monitor_tells_and_writes_what_it_does_around_the_local_collector(
    tmp_path: Path,
) -> None:
    found, told = [], []
    for name, collector in (("local", "local"), ("inline", ONE)):
        path = tmp_path / name
        envs = VecMonitor(DummyVecEnv([env]), str(path), info_keywords=("angle",))
        model = train(VecFrameStack(envs, 2), collector, 100)
        found.append(without_time(rows(path)))
        told.append([(float(one["r"]), one["l"], one["angle"]) for one in model.ep_info_buffer])
        # A second training writes on.
        model.learn(40, reset_num_timesteps=False)
        assert len(rows(path)) == 7
    assert found[0] == found[1]
    assert len(found[1]) == 5
    assert told[0] == told[1]


def test_several_collectors_write_in_the_file_of_one_vec_monitor(tmp_path: Path) -> None:
    train(VecMonitor(DummyVecEnv([env] * 4), str(tmp_path / "all")), TWO, 400)
    found = rows(tmp_path / "all")
    assert [row["l"] for row in found] == ["20"] * 20
    assert len({row["r"] for row in found}) == 20
    assert all(0 < float(row["t"]) < 60 for row in found)


def test_a_monitor_keeps_its_keywords_within_one_that_asks_for_nothing(tmp_path: Path) -> None:
    """RL-Zoo's environments have both."""
    train(same_wrapper(unmade(tmp_path / "0")), TWO, 80)
    found = rows(tmp_path / "0")
    assert len(found) >= 3
    assert all(-1 <= float(row["angle"]) <= 1 for row in found)


def test_a_file_that_is_there_keeps_its_clock(tmp_path: Path) -> None:
    model = train(unmade(tmp_path / "0"), TWO, 80)
    file = tmp_path / "0.monitor.csv"
    _, _, lines = file.read_text().partition("\n")
    file.write_text(f'#{{"t_start": {time.time() - 1000}}}\n{lines}')
    before = len(rows(tmp_path / "0"))
    model.learn(80, reset_num_timesteps=False)
    later = [float(row["t"]) for row in rows(tmp_path / "0")[before:]]
    assert later
    assert all(1000 < seconds < 1060 for seconds in later)


@pytest.mark.parametrize("first_line", ["", "r,l,t", "{}", '#{"t_start": null}', "#[1]"])
def test_a_file_without_a_beginning_is_not_gone_on_with(tmp_path: Path, first_line: str) -> None:
    file = tmp_path / "0.monitor.csv"
    file.write_text(f"{first_line}\n")
    with pytest.raises(Sb3ScaleError, match=f"'{file}' cannot be gone on with, its first line"):
        train(unmade(tmp_path / "0"), TWO, 40)
    assert file.read_text() == f"{first_line}\n"
