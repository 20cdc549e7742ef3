"""Random numbers of diagnostics, apart from those of the training."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch as th

from sb3_scale.generators import kept_generators


@contextmanager
def own_random_numbers(seed: int, device: th.device) -> Iterator[None]:
    """
    Seed the global generators for the block and put them back as they were.

    :param seed: of Python, NumPy and PyTorch inside the block
    :param device: of the model, whose generator is put back as well as the CPU's
    """
    devices = [device] if device.type != "cpu" else []
    # The first knows the CPU and CUDA, the second any device.
    with (
        kept_generators(),
        th.random.fork_rng(devices, device_type=device.type if devices else "cuda"),
    ):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        th.manual_seed(seed)
        yield
