"""
Collectors of a real Ray on one machine come to harm: processes are killed, hang and fail.

There is no test of a replay actor that is lost: the replay buffer is the learner's own. Priorities
of rows that were overwritten are in the tests of ``densenet`` (``test_prioritized_streams.py``).
Nodes are lost in ``test_nodes.py``, and processes are left or not in ``test_ray_processes.py``.
"""

import os
import re
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import counted_env
import numpy as np
import psutil
import pytest
from counted_env import Counted, check_streams, counted
from small_models import make
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_scale import SAC, TD3
from sb3_scale.errors import Sb3ScaleError
from sb3_scale_apex.fleet import AllCollectorsLostError

ray = pytest.importorskip("ray")

QUIET = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}
SOON = 60.0
"""Seconds in which anything here ends, on two busy cores."""


@pytest.fixture(scope="module")
def running() -> Iterator[None]:
    """A Ray that the user has started, which collectors leave running."""
    ray.init("local", num_cpus=4, object_store_memory=200 * 2**20, **QUIET)
    yield
    ray.shutdown()


def collector(**settings: Any) -> dict[str, Any]:
    return {"name": "ray", "collectors": 2, "fragment_length": 8, **settings}


def model_of(env: Any, algorithm: Any = SAC, **settings: Any) -> Any:
    defaults = {"buffer_size": 4000, "gradient_steps": 1, "collector": collector()}
    return make(algorithm, env, **{**defaults, **settings})


class Watch(BaseCallback):
    """Remembers whose fragments come, from which process, and what the log tells of them."""

    def __init__(self) -> None:
        super().__init__()
        self.pids: dict[int, list[int]] = {}
        self.taken: dict[tuple[int, int, int], Any] = {}
        self.waiting = 0
        self.logged: list[dict[str, float]] = []

    @property
    def training(self) -> Any:
        return self.model.training.collector._training

    def _on_step(self) -> bool:
        fragment = self.training._player._fragment
        if fragment.identity not in self.taken:
            self.taken[fragment.identity] = (fragment, self.model._n_updates)
            pids = self.pids.setdefault(fragment.collector, [])
            if (pid := fragment.infos[0][0]["pid"]) not in pids:
                pids.append(pid)
            told = self.model.logger.name_to_value
            self.logged.append({key: told[key] for key in told if key.startswith("collectors/")})
        self.waiting = max(self.waiting, self.training.fleet.waiting)
        return True


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.slow
def test_a_collector_killed_in_a_fragment_and_one_after_it_leave_no_transition_twice_or_half(
    running: None, tmp_path: Path
) -> None:
    class KillBetween(Watch):
        """Kills the second collector when all that it was asked is done and not taken."""

        def _on_step(self) -> bool:
            going = super()._on_step()
            if self.num_timesteps >= 80 and 1 in self.pids and len(self.pids[1]) == 1:
                time.sleep(0.3)
                if not is_gone(self.pids[1][0]):
                    os.kill(self.pids[1][0], signal.SIGKILL)
            return going

    watch = KillBetween()
    several: dict[str, Any] = {"replay_buffer_class": "compact", "n_steps": 3}
    harm = partial(counted_env.die_once, tmp_path / "marker")
    model = model_of(counted(2, harmed=0, at=21, harm=harm, wait=0.02), **several)
    model.learn(261, watch)
    assert check_streams(model, 261) == [2, 2]
    assert all(len(pids) == 2 and is_gone(pids[0]) for pids in watch.pids.values())
    # Returns over several steps end with a life.
    batch = model.replay_buffer.sequences(np.arange(150), None)
    first, last = (np.asarray(each) for each in (batch.observations, batch.next_observations))
    np.testing.assert_array_equal(first[:, :2], last[:, :2])
    assert ray.is_initialized()


@pytest.mark.slow
def test_a_replaced_collector_acts_with_present_weights_and_their_age_counts_on(
    running: None, tmp_path: Path
) -> None:
    class Compare(Watch):
        """Compares each action with that of the weights as they are."""

        def __init__(self) -> None:
            super().__init__()
            self.distances: list[float] = []

        def _on_step(self) -> bool:
            new = self.training._player._fragment.identity not in self.taken
            going = super()._on_step()
            if new and self.model._n_updates:
                fragment, _ = list(self.taken.values())[-1]
                expected, _ = self.model.predict(fragment.observations[0], deterministic=True)
                self.distances.append(float(np.abs(expected - fragment.actions[0]).max()))
            return going

    watch = Compare()
    harm = partial(counted_env.die_once, tmp_path / "marker")
    settings = {"collectors": 1, "fragment_length": 1, "in_flight": 0}
    model = model_of(
        counted(1, at=60, harm=harm), TD3, learning_rate=0.01, collector=collector(**settings)
    )
    model.learn(90, watch)
    assert check_streams(model, 90) == [2]
    assert max(watch.distances) < 1e-5
    replaced = [(fragment, now) for fragment, now in watch.taken.values() if fragment.incarnation]
    assert replaced[0][0].sequence == 0
    assert replaced[0][0].updates == replaced[0][1] > 30
    assert {told["collectors/weight_age"] for told in watch.logged} == {0.0}
    assert watch.logged[-1]["collectors/restarts"] == 1


@pytest.mark.slow
def test_a_slow_learner_has_bounded_calls_in_flight_and_bounded_memory(running: None) -> None:
    from ray._private.internal_api import memory_summary

    class Slow(Watch):
        bytes = 0

        def _on_step(self) -> bool:
            going = super()._on_step()
            time.sleep(0.03)
            if self.num_timesteps % 32 == 0:
                text = memory_summary(address, stats_only=True)
                used = re.search(r"Plasma memory usage (\d+) MiB", text)
                assert used is not None, text
                self.bytes = max(self.bytes, int(used[1]) * 2**20)
            return going

    address = ray.get_runtime_context().gcs_address
    wide = {"name": "mlp", "width": 1024, "depth": 2}
    actor = {"name": "squashed-gaussian", "network": wide}
    watch = Slow()
    model = model_of(counted(2), parts={"actor": actor}, train_freq=4)
    model.learn(320, watch)
    check_streams(model, 320)
    size = 4 * sum(each.numel() for each in model.policy.actor.parameters())
    assert size > 4e6
    versions = {fragment.version for fragment, _ in watch.taken.values()}
    assert len(versions) > 20
    # Two calls of each of two collectors, which may be asked with weights of different versions.
    assert watch.waiting <= 4
    # Beside these there are the newest weights, and what Ray has to free, once a second.
    assert watch.bytes < (4 + 1 + 6) * size


@pytest.mark.slow
def test_versions_grow_and_the_logged_age_of_weights_is_theirs(running: None) -> None:
    watch = Watch()
    settings = {"max_weight_age": 10, "fragment_length": 4}
    model = model_of(counted(2), collector=collector(**settings)).learn(300, watch)
    check_streams(model, 300)
    age = None
    newest = {0: (0, 0, 0), 1: (0, 0, 0)}
    for (fragment, now), told in zip(watch.taken.values(), watch.logged, strict=True):
        mark = (fragment.sequence, fragment.version, fragment.updates)
        assert all(new >= old for new, old in zip(mark, newest[fragment.collector], strict=True))
        newest[fragment.collector] = mark
        # Ten gradient steps until they are sent anew, and those while calls are on their way.
        mine = now - fragment.updates
        assert 0 <= mine <= 10 + 2 * 2 * 4 * 2
        age = mine if age is None else age + 0.1 * (mine - age)
        assert told["collectors/weight_age"] == pytest.approx(age)


@pytest.mark.slow
def test_a_collector_that_hangs_is_replaced_while_the_others_go_on(
    running: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    watch = Watch()
    harm = partial(counted_env.hang_once, tmp_path / "marker")
    model = model_of(
        counted(2, harmed=1, at=21, harm=harm, wait=0.02),
        collector=collector(fragment_timeout=3.0),
    )
    begun = time.monotonic()
    model.learn(700, watch)
    assert time.monotonic() - begun < SOON
    lives = check_streams(model, 700)
    assert lives == [1, 2]
    assert is_gone(watch.pids[1][0])
    assert "collector 1 is replaced: gave no answer in 3 s" in capfd.readouterr().err
    # It was missed only by its own share.
    assert model.replay_buffer.streams.written[0] > 360


@pytest.mark.slow
def test_a_collector_is_not_blamed_for_the_time_that_the_learner_takes(running: None) -> None:
    class Rest(Watch):
        def _on_step(self) -> bool:
            if self.n_calls in (20, 40):
                time.sleep(2.5)
            return super()._on_step()

    watch = Rest()
    harmed = counted(2)
    model = model_of(harmed, collector=collector(fragment_timeout=2.0)).learn(200, watch)
    assert check_streams(model, 200) == [1, 1]


@pytest.mark.slow
def test_when_all_collectors_are_lost_for_good_the_training_is_saved_and_told(
    running: None, tmp_path: Path
) -> None:
    marker = tmp_path / "broken"

    class Break(Watch):
        def _on_step(self) -> bool:
            going = super()._on_step()
            if self.num_timesteps >= 100 and not marker.exists():
                marker.touch()
                for pids in self.pids.values():
                    os.kill(pids[-1], signal.SIGKILL)
            return going

    birth = partial(counted_env.die_after, marker)
    model = model_of(counted(2, birth=birth, wait=0.005), collector=collector(max_restarts=1))
    begun = time.monotonic()
    with pytest.raises(AllCollectorsLostError, match="no collector is left of 2") as error:
        model.learn(10_000, Break())
    assert time.monotonic() - begun < SOON
    sentence = str(error.value)
    assert "\n" not in sentence
    assert error.value.__suppress_context__
    found = re.search(r"saved in (\S+\.zip) and (\S+\.pkl)", sentence)
    assert found is not None, sentence
    marker.unlink()
    loaded = SAC.load(found[1], counted(2), device="cpu")
    assert 100 <= loaded.num_timesteps == model.num_timesteps < 10_000
    loaded.load_replay_buffer(found[2])
    check_streams(loaded, model.num_timesteps)
    assert ray.is_initialized()


@pytest.mark.slow
def test_at_most_one_step_of_one_collector_is_taken_beyond_what_was_asked(running: None) -> None:
    settings = {"collectors": 2, "fragment_length": 16, "in_flight": 3}
    model = model_of(counted(6), gradient_steps=0, collector=collector(**settings)).learn(100)
    check_streams(model, 102)


@pytest.mark.slow
def test_a_checkpoint_with_fragments_on_their_way_goes_on_with_the_same_counts(
    running: None, tmp_path: Path
) -> None:
    class Checkpoint(Watch):
        """Saves in the midst of a fragment."""

        on_the_way = 0

        def _on_step(self) -> bool:
            going = super()._on_step()
            if self.num_timesteps == 204:
                assert not self.training._player.empty
                self.on_the_way = self.training.fleet.waiting
                self.model.save(tmp_path / "model")
                self.model.save_replay_buffer(tmp_path / "buffer")
            return going

    watch = Checkpoint()
    settings = collector(fragment_length=30, updates_per_decision=[0.1, 1])
    model_of(counted(2), collector=settings).learn(300, watch)
    assert watch.on_the_way > 0
    loaded = SAC.load(tmp_path / "model", counted(2), device="cpu")
    loaded.load_replay_buffer(tmp_path / "buffer")
    check_streams(loaded, 204)
    loaded.learn(96, reset_num_timesteps=False)
    check_streams(loaded, 300)


@pytest.mark.slow
def test_ray_that_the_user_started_is_left_running_for_the_next_training(running: None) -> None:
    node = ray.get_runtime_context().get_node_id()
    for _ in range(2):
        model = model_of(counted(2)).learn(60)
        check_streams(model, 60)
        assert ray.get_runtime_context().get_node_id() == node
    deadline = time.monotonic() + 10
    while ray.available_resources().get("CPU") != 4 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ray.available_resources()["CPU"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("made", ["unmade", "dummy"])
def test_an_environment_that_cannot_be_made_elsewhere_is_told_with_its_traceback_once(
    running: None, made: str, capfd: pytest.CaptureFixture[str]
) -> None:
    birth = partial(counted_env.fail_elsewhere, os.getpid())
    env = counted(2, birth=birth) if made == "unmade" else DummyVecEnv([lambda: Unpickled()])
    settings = collector(collectors=env.num_envs)
    model = model_of(env, collector=settings)
    with pytest.raises(Sb3ScaleError) as error:
        model.learn(60)
    text = str(error.value)
    assert text.startswith("collector ")
    assert " cannot be made: FileNotFoundError: no such model: robot.xml" in text
    assert text.count("Traceback") == 1
    assert text.count("in fail_elsewhere") == 1
    assert error.value.__suppress_context__
    assert "Traceback" not in capfd.readouterr().err
    assert model.num_timesteps == 0


class Unpickled(Counted):
    """Fails where it is made from what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.pid = os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        counted_env.fail_elsewhere(state["pid"])
        self.__dict__.update(state)


@pytest.mark.slow
def test_an_environment_that_hangs_when_it_is_made_is_told_in_time(running: None) -> None:
    birth = partial(counted_env.hang_elsewhere, os.getpid())
    model = model_of(counted(1, birth=birth), collector=collector(collectors=1, start_timeout=8.0))
    begun = time.monotonic()
    with pytest.raises(Sb3ScaleError, match="collector 0 cannot be made: was not made in 8 s"):
        model.learn(60)
    assert time.monotonic() - begun < 20


@pytest.mark.slow
def test_an_environment_that_fails_once_is_told_once_and_replaced(
    running: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    harm = partial(counted_env.fail_once, tmp_path / "marker")
    model = model_of(counted(2, harmed=0, at=30, harm=harm, wait=0.02)).learn(300)
    assert check_streams(model, 300) == [2, 1]
    told = capfd.readouterr().err
    assert told.count("the simulator slipped") == 1
    assert "collector 0 is replaced: RuntimeError: the simulator slipped" in told


@pytest.mark.slow
def test_a_number_that_is_not_finite_stops_the_training_and_names_the_collector(
    running: None,
) -> None:
    model = model_of(counted(2, harmed=1, at=30, harm=counted_env.give_nan))
    sentence = r"^collector 1: environment 0 \(.*\) gave reward = nan at timestep 30, and nothing"
    with pytest.raises(Sb3ScaleError, match=sentence):
        model.learn(4000)
    check_streams(model, model.num_timesteps)


@pytest.mark.slow
def test_a_training_that_loses_a_collector_every_two_seconds_ends_with_exact_counts(
    running: None,
) -> None:
    class Reap(Watch):
        last, killed = 0.0, 0

        def _on_step(self) -> bool:
            going = super()._on_step()
            if time.monotonic() - self.last > 2 and self.killed < 6 and len(self.pids) == 3:
                pid = self.pids[self.killed % 3][-1]
                if not is_gone(pid):
                    os.kill(pid, signal.SIGKILL)
                    self.killed, self.last = self.killed + 1, time.monotonic()
            return going

    watch = Reap()
    settings = collector(collectors=3, max_restarts=1)
    model = model_of(counted(3, wait=0.02), collector=settings).learn(1501, watch)
    lives = check_streams(model, 1501)
    assert watch.killed == 6
    assert 7 <= sum(lives) <= 3 + watch.killed
    assert watch.logged[-1]["collectors/restarts"] == watch.killed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("needs", "sentence"),
    [
        ({"cpus": 3}, "2 collectors need 6 CPU, and Ray has 4; allowed: fewer collectors, less fo"),
        ({"resources": {"arm": 1}}, "2 collectors need 2 arm, and Ray has 0; allowed: fewer coll"),
    ],
)
def test_no_room_for_collectors_is_told_and_ray_goes_on(
    running: None, needs: dict[str, Any], sentence: str
) -> None:
    model = model_of(counted(2), collector=collector(start_timeout=0.5, **needs))
    with pytest.raises(Sb3ScaleError) as error:
        model.learn(40)
    assert str(error.value).startswith(sentence)
    assert ray.is_initialized()
