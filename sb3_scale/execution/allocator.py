"""Freed memory: that it stays with the process, and that it goes."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of ``mallopt``, from glibc's ``malloc.h``."""

LARGEST_KEPT = 1 << 25
"""Bytes of the largest block that is kept; activations of a gradient step are smaller."""

SMALLEST_FRESH = 1 << 17
"""Bytes of the smallest block that is new pages of the system where those are asked for."""


@contextmanager
def fresh_pages() -> Iterator[None]:
    """
    Within it, memory comes from the system, afterwards glibc keeps what is freed, for the next
    allocation, instead of giving it back.

    A gradient step frees and allocates the same megabytes of activations again and again. Given
    back, each of their pages costs a fault the next time: a tenth of a step of CrossQ's. A replay
    buffer is made in the block: memory that was in use must be filled with zeros, all of it at
    once, where pages of the system are taken as transitions are stored. Other C libraries are left
    alone.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, SMALLEST_FRESH)
    try:
        yield
    finally:
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def return_freed_memory() -> None:
    """Have glibc give back what is freed by now, whatever it was told to keep."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
