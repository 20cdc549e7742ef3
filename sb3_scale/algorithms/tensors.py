"""Copies of many tensors at once."""

from collections.abc import Iterable

import torch as th


def copy_all(targets: Iterable[th.Tensor], sources: Iterable[th.Tensor]) -> None:
    """
    Copy tensors in place.

    :param targets: tensors to overwrite
    :param sources: tensors to read, in the same order
    """
    pairs = list(zip(targets, sources, strict=True))
    if pairs:
        th._foreach_copy_([target for target, _ in pairs], [source for _, source in pairs])
