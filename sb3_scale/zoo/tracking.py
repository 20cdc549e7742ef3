"""``--track``: what Weights & Biases is told of a run beside what RL-Zoo tells it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sb3_scale.algorithms import ScaleAlgorithm
from sb3_scale.algorithms.resolved import resolved
from sb3_scale.errors import Sb3ScaleError

KEY = "resolved"
"""Of the run's config."""


def check_installed() -> None:
    """
    :raises Sb3ScaleError: if the package of Weights & Biases is not installed
    """
    try:
        import wandb  # noqa: F401
    except ImportError as error:
        raise Sb3ScaleError(
            f'--track needs Weights & Biases: {error}: pip install "sb3-scale[track]"'
        ) from None


def tell(manager: Any, model: Any) -> None:
    """
    Add what was built to the config of a run that RL-Zoo began.

    :param manager: RL-Zoo's ``ExperimentManager``
    :param model: that is about to learn
    """
    if not _tracks(manager) or not isinstance(model, ScaleAlgorithm):
        return
    if model.scaled:
        import wandb

        wandb.config.update({KEY: resolved(model)}, allow_val_change=True)


@contextmanager
def told_once(manager: Any, speak: Any) -> Iterator[None]:
    """
    Weights & Biases prints a traceback of whatever ends the process: not of our errors.

    :param manager: RL-Zoo's ``ExperimentManager``
    :param speak: what prints an error that ends the process
    """
    try:
        yield
    except Sb3ScaleError:
        if _tracks(manager):
            import wandb

            wandb.finish(exit_code=1)
            sys.excepthook = speak
        raise


def _tracks(manager: Any) -> bool:
    return bool(vars(manager.args).get("track"))
