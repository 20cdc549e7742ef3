"""Files of finished episodes, as Stable-Baselines3 writes them, of all collectors."""

import json
import time
from pathlib import Path
from typing import Any, Protocol

from stable_baselines3.common.monitor import Monitor, ResultsWriter
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor

from sb3_scale.collection.unmade import UnmadeVecEnv
from sb3_scale.errors import Sb3ScaleError


class EpisodeFile(Protocol):
    """What gets finished episodes."""

    def write(self, info: dict[str, Any]) -> None:
        """
        :param info: of the last step of an episode, with the ``episode`` of a monitor
        """

    def close(self) -> None:
        """Write no more in this ``learn``."""


def episode_files(env: VecEnv) -> list[EpisodeFile]:
    """
    :param env: of the learner
    :return: those that it names
    :raises Sb3ScaleError: if one is there and cannot be gone on with
    """
    found: list[EpisodeFile] = []
    while isinstance(env, VecEnvWrapper):
        if isinstance(env, VecMonitor) and env.results_writer is not None:
            found.append(FileOfVecMonitor(env, env.results_writer))
        env = env.venv
    if isinstance(env, UnmadeVecEnv) and env.monitor_path is not None:
        found.append(FileOfMonitor(env.monitor_path))
    return found


class FileOfMonitor:
    """
    The file that ``Monitor`` writes.

    :param path: of the file, without ``.monitor.csv``; what is there is kept, and its clock too
    :raises Sb3ScaleError: if what is there does not say when it began
    """

    def __init__(self, path: str) -> None:
        self._path = path
        file = Path(f"{path}.{Monitor.EXT}")
        self._exists = file.exists()
        self._begun = _beginning(file) if self._exists else time.time()
        self._writer: ResultsWriter | None = None

    def write(self, info: dict[str, Any]) -> None:
        """
        :param info: of the last step of an episode, with the ``episode`` of a monitor
        """
        episode = info["episode"]
        # The collector's own clock began when it was made.
        self._open(episode).write_row({**episode, "t": _seconds_since(self._begun)})

    def close(self) -> None:
        """Write no more. A training without an episode leaves a file too, as ``Monitor`` does."""
        self._open({}).close()

    def _open(self, episode: dict[str, Any]) -> ResultsWriter:
        if self._writer is None:
            more = tuple(key for key in episode if key not in ("r", "l", "t"))
            header: dict[str, float | str] = {"t_start": self._begun}
            self._writer = ResultsWriter(
                self._path, header, more, override_existing=not self._exists
            )
        return self._writer


class FileOfVecMonitor:
    """
    The file that the learner's ``VecMonitor`` opened, and closes.

    :param monitor: around environments that collectors make
    :param writer: its own
    """

    def __init__(self, monitor: VecMonitor, writer: ResultsWriter) -> None:
        self._monitor = monitor
        self._writer = writer

    def write(self, info: dict[str, Any]) -> None:
        """
        :param info: of the last step of an episode, with the ``episode`` of a monitor
        """
        # What is in it beside the keywords may be of another monitor.
        row = {key: info["episode"][key] for key in ("r", "l")}
        row |= {key: info[key] for key in self._monitor.info_keywords}
        self._writer.write_row({**row, "t": _seconds_since(self._monitor.t_start)})

    def close(self) -> None:
        """Nothing: it is open as long as the environments."""


def _beginning(file: Path) -> float:
    try:
        with file.open() as lines:
            return float(json.loads(lines.readline().removeprefix("#"))["t_start"])
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise Sb3ScaleError(
            f"'{file}' cannot be gone on with, its first line does not say when it began: {error}; "
            "allowed: a file that Monitor wrote, or another monitor_path"
        ) from None


def _seconds_since(beginning: float) -> float:
    return round(time.time() - beginning, 6)
