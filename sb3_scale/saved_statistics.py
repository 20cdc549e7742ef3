"""Where the statistics are with which a saved model sees observations."""

import re
from pathlib import Path

STATISTICS = "vecnormalize.pkl"
"""RL-Zoo's name of those at the end of a run, among its settings."""


def statistics_of(model: Path, *settings: Path) -> Path | None:
    """
    :param model: zip file of a run, also a checkpoint ``rl_model_60_steps.zip``
    :param settings: folders that may have the statistics of the run, the first goes first
    :return: those that were saved with the checkpoint, else those of the run, else nothing
    """
    own = re.sub(r"_(?=\d+_steps$)", "_vecnormalize_", model.stem)
    places = [model.with_name(f"{own}.pkl")] if own != model.stem else []
    places += [folder / STATISTICS for folder in settings]
    return next((path for path in places if path.is_file()), None)
