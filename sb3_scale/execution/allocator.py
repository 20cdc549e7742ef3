"""Freed memory: that it stays with the process, and that it goes."""

import ctypes
import functools
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of ``mallopt``, from glibc's ``malloc.h``."""


@functools.cache
def keep_freed_memory() -> None:
    """
    Have glibc keep what is freed, for the next allocation, instead of giving it back.

    A gradient step frees and allocates the same megabytes of activations again and again. Given
    back, each of their pages costs a fault the next time: a tenth of a step of CrossQ's. Other C
    libraries are left alone.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def return_freed_memory() -> None:
    """Have glibc give back what is freed by now, whatever it was told to keep."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
