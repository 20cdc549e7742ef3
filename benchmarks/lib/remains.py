"""What a training that was killed left in its folder."""

import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lib.kill_moments import ENV, SAVE_FREQ
from lib.killing import Killed
from sb3_scale import SAC


@dataclass(frozen=True)
class Remains:
    """
    :param files: that are whole
    :param lost: sentences about those that are not, or that were there before
    :param checkpoint: the newest
    :param loss: decisions made since then
    :param buffer_behind: transitions that its replay buffer lacks, or has too many
    :param inside: whether a file was being written
    """

    files: int
    lost: list[str]
    checkpoint: Path | None
    loss: int
    buffer_behind: int
    inside: bool


def examine(one: Killed) -> Remains:
    """
    Load every file that has its own name.

    :param one: a training that was killed
    :return: what it left
    """
    paths = [path for path in sorted(one.run.rglob("*")) if path.is_file() and _is_named(path)]
    lost = [f"{path.name} is gone" for path in sorted(one.placed - set(paths))]
    inside = any(one.run.rglob(".unfinished-*"))
    whole: set[Path] = set()
    models: dict[Path, Any] = {}
    for path in paths:
        try:
            if path.suffix == ".zip":
                models[path] = SAC.load(path, device="cpu")
            else:
                _read(path)
            whole.add(path)
        # Whatever a broken file raises is what the campaign looks for.
        except Exception as error:
            lost.append(f"{path.name}: {type(error).__name__}: {error}")
    saved = {path: model for path, model in models.items() if path.name != "best_model.zip"}
    newest = max(saved, key=lambda path: int(saved[path].num_timesteps), default=None)
    if newest is None:
        return Remains(len(whole), lost, None, one.decisions, 0, inside)
    decisions = saved[newest].num_timesteps
    buffer = one.run / "replay_buffer.pkl"
    behind = 0
    if buffer in whole:
        model = saved[newest]
        model.load_replay_buffer(buffer)
        # Stable-Baselines3 stores a transition after its callbacks.
        behind = decisions - model.replay_buffer.size() - (newest.name != f"{ENV}.zip")
    elif decisions >= SAVE_FREQ and not buffer.exists():
        lost.append("a checkpoint has no replay buffer")
    return Remains(len(whole), lost, newest, one.decisions - decisions, abs(behind), inside)


def _is_named(path: Path) -> bool:
    return not any(part.startswith(".unfinished-") for part in path.parts)


def _read(path: Path) -> None:
    if path.name == "replay_buffer.pkl":
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
    elif path.suffix == ".pkl":
        pickle.loads(path.read_bytes())
    elif path.suffix == ".npz":
        with np.load(path) as data:
            assert len(data["timesteps"]) == len(data["results"]) > 0
    elif path.suffix == ".yml":
        assert yaml.unsafe_load(path.read_text())
    else:
        assert path.read_text() or path.suffix == ".csv"
