"""Random generators of the process: saved with a checkpoint, put back, or kept as they were."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces


def random_states(action_space: spaces.Space[Any]) -> dict[str, Any]:
    """
    :param action_space: whose generator draws the first actions
    :return: states of all generators that training uses
    """
    # Asking for states would start CUDA.
    cuda = th.cuda.get_rng_state_all() if th.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": th.get_rng_state().numpy(),
        "cuda": [state.numpy() for state in cuda],
        "actions": action_space.np_random.bit_generator.state,
    }


def set_random_states(states: dict[str, Any], action_space: spaces.Space[Any]) -> None:
    """
    :param states: of :func:`random_states`
    :param action_space: whose generator draws the first actions
    """
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    th.set_rng_state(th.as_tensor(states["torch"]))
    if len(states["cuda"]) == th.cuda.device_count():
        th.cuda.set_rng_state_all([th.as_tensor(state) for state in states["cuda"]])
    action_space.np_random.bit_generator.state = states["actions"]


def check_random_states(states: Any, action_space: spaces.Space[Any]) -> None:
    """
    :param states: of a file
    :param action_space: of the same
    :raises KeyError: if one is missing
    :raises TypeError: if one is of another kind
    :raises ValueError: if one is no state
    :raises RuntimeError: if PyTorch's is none
    """
    random.Random().setstate(states["python"])
    np.random.RandomState().set_state(states["numpy"])
    th.Generator().set_state(th.as_tensor(states["torch"]))
    for state in states["cuda"]:
        th.as_tensor(state)
    type(action_space.np_random.bit_generator)().state = states["actions"]


@contextmanager
def kept_generators() -> Iterator[None]:
    """Whatever is drawn within it, the generators of the process are as before."""
    python, numpy, torch = random.getstate(), np.random.get_state(), th.get_rng_state()
    # Asking for states would start CUDA.
    cuda = th.cuda.get_rng_state_all() if th.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        th.set_rng_state(torch)
        if cuda is not None:
            th.cuda.set_rng_state_all(cuda)
