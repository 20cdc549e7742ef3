"""What a full disk does."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from stable_baselines3.common.callbacks import BaseCallback


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """
    Within it no file gets larger.

    :param room: bytes of a file
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class FullLog(BaseCallback):
    """Writes a log where there is no room."""

    def _on_step(self) -> bool:
        with open("/dev/full", "w") as log:
            log.write("a line")
        return True
