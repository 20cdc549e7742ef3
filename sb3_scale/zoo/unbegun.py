"""A run that never began: what is said of it, and its folder."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sb3_scale.errors import Sb3ScaleError

BEFORE = ("*.monitor.csv", "progress*.csv")
SETTINGS = ("config.yml", "args.yml", "command.txt")


@contextmanager
def guard(manager: Any, has_begun: Callable[[], bool]) -> Iterator[None]:
    """
    Leave no folder of a run that one of our errors stops before its first step.

    With ScalePolicy, errors of an environment, of a wrapper or of an argument that the library
    checks itself become one sentence, too.

    :param manager: RL-Zoo's ``ExperimentManager``
    :param has_begun: whether it trains already
    :raises Sb3ScaleError: in place of such an error
    """
    try:
        yield
    # An environment may raise anything.
    except Exception as error:
        ours = isinstance(error, Sb3ScaleError)
        if has_begun() or not (ours or vars(manager).get("uses_scale_policy")):
            raise
        remove(manager)
        if ours:
            raise
        raise told(manager, error) from error


def remove(manager: Any) -> None:
    """
    Remove what RL-Zoo makes before it trains; a folder with anything else stays, and one that may
    be another run's.

    :param manager: RL-Zoo's ``ExperimentManager``
    """
    if not vars(manager).get("has_claimed"):
        return
    folder, settings = Path(manager.save_path), Path(manager.params_path)
    for where, names in ((settings, SETTINGS), (folder, BEFORE)):
        if not where.is_dir():
            continue
        for name in names:
            for path in where.glob(name):
                path.unlink()
        if not any(where.iterdir()):
            where.rmdir()


def told(manager: Any, error: Exception) -> Sb3ScaleError:
    """
    :param manager: RL-Zoo's ``ExperimentManager``
    :param error: that stopped it before it trained
    :return: the same in one sentence, with the place that raised it
    """
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    return Sb3ScaleError(
        f"{manager.algo} does not start on '{manager.env_name.gym_id}' with these settings: "
        f"{type(error).__name__} in {place.filename}:{place.lineno}: {text:.300}"
    )
