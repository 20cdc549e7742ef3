"""Numbers of NumPy and PyTorch as Python's own, which any file of a checkpoint can hold."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch as th


def plain(value: Any) -> Any:
    """
    A number that came from an array goes into optimisers and files as a number.

    :param value: a setting; mappings, lists and tuples are looked into
    :return: the same with the numbers and arrays of NumPy, and tensors, as Python's numbers and
        lists of them; everything else as it is
    """
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, th.Tensor):
        return value.detach().tolist()
    if type(value) is dict:
        return {key: plain(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    return value


def plain_groups(state: Mapping[str, Any]) -> dict[str, Any]:
    """
    :param state: of an optimiser
    :return: the same, with plain numbers in its groups of parameters; its tensors are left alone
    """
    return {**state, "param_groups": plain(state["param_groups"])}
