"""Whether a device is there."""

import torch as th

from sb3_scale.errors import Sb3ScaleError, nearest, shown


def check_device(name: str, device: th.device | str, allowed: str) -> None:
    """
    Stable-Baselines3 falls back to the CPU without a word; a long run deserves better.

    :param name: of the argument
    :param device: its value
    :param allowed: what it may be on any machine
    :raises Sb3ScaleError: if PyTorch cannot use the device
    """
    try:
        th.empty(0, device=th.device(device))
    except (AssertionError, RuntimeError, TypeError, ValueError):
        raise Sb3ScaleError(
            f"{name} is {shown(str(device))}, and PyTorch {th.__version__} finds no such device "
            f"here; allowed: {allowed}"
        ) from None


def check_device_name(name: str, device: th.device | str) -> None:
    """
    For stock policies, with which Stable-Baselines3 falls back to the CPU.

    :param name: of the argument
    :param device: its value
    :raises Sb3ScaleError: if PyTorch knows no device of that name on any machine
    """
    try:
        if not (isinstance(device, str) and device == "auto"):
            th.device(device)
    except (RuntimeError, TypeError, ValueError):
        raise Sb3ScaleError(
            f"{name} is {shown(device)}; allowed: auto, cpu, cuda, cuda:1 or the like"
            + nearest(str(device), ("auto", "cpu", "cuda"))
        ) from None
