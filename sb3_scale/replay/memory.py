"""Where a replay buffer finds room, decided before training starts."""

from typing import Literal, get_args

import torch as th

from sb3_scale.errors import Sb3ScaleError, shown, suggestion
from sb3_scale.memory import LIMIT, free_bytes

Storage = Literal["auto", "host", "device"]

DEVICE_SHARE = 0.5
"""Share of a GPU's free memory that a buffer takes unasked; the rest is for the networks."""


def choose_place(
    storage: Storage, device: th.device, transitions: int, transition_bytes: int
) -> th.device:
    """
    Decide where the transitions are kept.

    :param storage: ``host``; ``device``, where the networks are; ``auto`` for a GPU if at most half
        of its free memory is needed, else the host
    :param device: where the networks are
    :param transitions: capacity
    :param transition_bytes: of one transition
    :return: the device, or the CPU
    :raises Sb3ScaleError: if there is not enough memory
    """
    if storage not in get_args(Storage):
        raise Sb3ScaleError(
            f"storage is {shown(storage)}{suggestion(str(storage), get_args(Storage))}"
        )
    if fits_on_device(storage, device, transitions, transition_bytes):
        return device
    check_host("buffer_size", transitions, transition_bytes)
    return th.device("cpu")


def fits_on_device(
    storage: Storage, device: th.device, transitions: int, transition_bytes: int
) -> bool:
    """
    Decide for or against a GPU; arguments as of :func:`choose_place`.

    :param storage: what was asked for
    :param device: where the networks are
    :param transitions: capacity
    :param transition_bytes: of one transition
    :return: whether the transitions go to a GPU
    :raises Sb3ScaleError: if they were asked to and there is not enough memory
    """
    if storage == "device" and device.type not in ("cpu", "cuda"):
        raise Sb3ScaleError(f"storage is 'device', and the device is '{device}'; allowed: host")
    if storage == "host" or device.type != "cuda":
        return False
    if storage == "device":
        _check("buffer_size", "device", device, transitions, transition_bytes)
        return True
    return transitions * transition_bytes <= DEVICE_SHARE * free_bytes(device)


def check_host(name: str, transitions: int, transition_bytes: int) -> None:
    """
    :param name: of the argument
    :param transitions: capacity
    :param transition_bytes: of one transition
    :raises Sb3ScaleError: if the host has not enough memory
    """
    _check(name, "host", th.device("cpu"), transitions, transition_bytes)


def check_file(what: str, size: int) -> None:
    """
    :param what: of a file needs memory
    :param size: how much, in bytes
    :raises Sb3ScaleError: if the host has not enough
    """
    free = free_bytes(th.device("cpu"))
    if size > LIMIT * free:
        raise Sb3ScaleError(
            f"{what} needs {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB of the host's memory are "
            "free"
        )


def check_growth(place: th.device, size: int) -> None:
    """
    :param place: that holds the frames of a replay buffer
    :param size: bytes that it needs more
    :raises Sb3ScaleError: if there is not enough memory
    """
    free = free_bytes(place)
    if size > LIMIT * free:
        raise Sb3ScaleError(
            f"the frames of the replay buffer need {size / 1e9:.1f} GB more, as episodes are short "
            f"or observations bring more than one new frame, and {free / 1e9:.1f} GB are free; "
            "allowed: a smaller buffer_size"
        )


def _check(
    name: str, storage: str, device: th.device, transitions: int, transition_bytes: int
) -> None:
    free = free_bytes(device)
    needed = transitions * transition_bytes
    if needed > LIMIT * free:
        raise Sb3ScaleError(
            f"{name} is {shown(transitions)}: {needed / 1e9:.1f} GB are needed, and "
            f"{free / 1e9:.1f} GB of the {storage}'s memory are free; allowed: at most "
            f"{int(LIMIT * free / transition_bytes)}"
        )
