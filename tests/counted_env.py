"""An environment that says who it is and counts its steps, and comes to harm when it is told to."""

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from sb3_scale.collection.unmade import UnmadeVecEnv

EPISODE = 25


class Counted(gymnasium.Env[Any, Any]):
    """
    Its observation is its number, a random number of its life, and the steps of that life.

    The reward is the action, and ``info["pid"]`` its process.
    """

    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(
        self,
        number: int = 0,
        at: int | None = None,
        harm: Callable[["Counted"], None] | None = None,
        birth: Callable[[], None] | None = None,
        wait: float = 0.0,
    ) -> None:
        if birth is not None:
            birth()
        self.number, self.at, self.harm, self.wait = number, at, harm, wait
        # Exact as a float32.
        self.life = int.from_bytes(os.urandom(3), "big")
        self.count = 0
        self.reward_offset = 0.0

    def _observe(self) -> np.ndarray:
        return np.array([self.number, self.life, self.count], np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1
        time.sleep(self.wait)
        if self.harm is not None and self.count == self.at:
            self.harm(self)
        reward = float(action[0]) + self.reward_offset
        ended = self.count % EPISODE == 0
        return self._observe(), reward, False, ended, {"pid": os.getpid()}


def counted(n_envs: int, harmed: int | None = None, wait: float = 0.0, **harm: Any) -> UnmadeVecEnv:
    """Environments for collectors to make; ``harmed`` is which of them comes to harm, else all."""
    return UnmadeVecEnv(
        [
            partial(Counted, number, wait=wait, **(harm if harmed in (None, number) else {}))
            for number in range(n_envs)
        ]
    )


def once(marker: Path) -> bool:
    """Whether this is the first call of all processes."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def die(env: Counted) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(marker: Path, env: Counted) -> None:
    if once(marker):
        die(env)


def hang_once(marker: Path, env: Counted) -> None:
    if once(marker):
        time.sleep(3600)


def fail_once(marker: Path, env: Counted) -> None:
    if once(marker):
        raise RuntimeError("the simulator slipped")


def give_nan(env: Counted) -> None:
    env.reward_offset = float("nan")


def fail_elsewhere(pid: int) -> None:
    """A constructor that fails in all processes but one."""
    if os.getpid() != pid:
        raise FileNotFoundError("no such model: robot.xml")


def hang_elsewhere(pid: int) -> None:
    if os.getpid() != pid:
        time.sleep(3600)


def die_after(marker: Path) -> None:
    """A constructor that kills its process once the marker is there."""
    if marker.exists():
        os.kill(os.getpid(), signal.SIGKILL)


def check_streams(model: Any, decisions: int) -> list[int]:
    """
    No transition is there twice, none is half or missing in between, and all are counted.

    :return: lives of each environment
    """
    buffer = model.replay_buffer
    assert not buffer.full, "a test needs a larger buffer"
    written = buffer.streams.written.tolist()
    assert model.num_timesteps == decisions == sum(written)
    lives = []
    for number, rows in enumerate(written):
        now, then = buffer.observations[:rows, number], buffer.next_observations[:rows, number]
        np.testing.assert_array_equal(now[:, 0], number)
        np.testing.assert_array_equal(then[:, :2], now[:, :2])
        np.testing.assert_array_equal(then[:, 2], now[:, 2] + 1)
        begins = np.append(True, now[1:, 1] != now[:-1, 1])
        assert len(np.unique(now[begins, 1])) == begins.sum(), "a life goes on after another"
        np.testing.assert_array_equal(now[begins, 2], 0)
        inside = ~begins[1:]
        np.testing.assert_array_equal(now[1:][inside, 2], now[:-1][inside, 2] + 1)
        np.testing.assert_allclose(buffer.rewards[:rows, number], buffer.actions[:rows, number, 0])
        np.testing.assert_array_equal(buffer.timeouts[:rows, number], then[:, 2] % EPISODE == 0)
        lives.append(int(begins.sum()))
    return lives
