"""What is saved beside a model: its replay buffer, and the statistics with which it sees."""

import re
from pathlib import Path

STATISTICS = "vecnormalize.pkl"
"""RL-Zoo's name of those at the end of a run, among its settings."""
REPLAY_BUFFER = "replay_buffer.pkl"
"""RL-Zoo's name of the one that belongs to the newest checkpoint."""


def statistics_beside(checkpoint: Path) -> Path:
    """
    :param checkpoint: zip file, such as ``rl_model_60_steps.zip``
    :return: of the statistics that are saved with it, ``rl_model_vecnormalize_60_steps.pkl``
    """
    own = re.sub(r"_(?=\d+_steps$)", "_vecnormalize_", checkpoint.stem)
    return checkpoint.with_name(f"{own}.pkl")


def statistics_of(model: Path, *settings: Path) -> Path | None:
    """
    :param model: zip file of a run, also a checkpoint ``rl_model_60_steps.zip``
    :param settings: folders that may have the statistics of the run, the first goes first
    :return: those that were saved with the checkpoint, else those of the run, else nothing
    """
    own = statistics_beside(model)
    places = [own] if own.stem != model.stem else []
    places += [folder / STATISTICS for folder in settings]
    return next((path for path in places if path.is_file()), None)
