"""The folder of a run, which is this run's alone."""

from pathlib import Path
from typing import Any

from sb3_scale.files import UnwritableError, make_folder


def claim(manager: Any) -> None:
    """
    Make the folder of a run now, under the next number that no other run has taken meanwhile.

    RL-Zoo reads which numbers there are long before it makes a folder, so that runs that start
    together would share one.

    :param manager: RL-Zoo's ``ExperimentManager``, whose paths may change
    :raises UnwritableError: if no folder can be made
    """
    path = Path(manager.save_path)
    make_folder(path.parent)
    # A run with --uuid has a name of its own.
    name, _, number = path.name.rpartition("_")
    free = int(number) if number.isdecimal() else None
    while True:
        try:
            path.mkdir()
            break
        except FileExistsError:
            if free is None:
                break
            free += 1
            path = path.with_name(f"{name}_{free}")
        except OSError as error:
            raise UnwritableError(f"folder '{path}' cannot be made: {error.strerror}") from error
    manager.has_claimed = True
    manager.save_path = str(path)
    manager.params_path = f"{manager.save_path}/{manager.env_name}"
