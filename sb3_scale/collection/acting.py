"""The actor that chooses actions in training, on a device of its own."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import numpy as np
import torch as th
from torch import nn

from sb3_scale.policies import ScalePolicy

FOLLOWED = ("extractor", "actor")
"""Of a policy, what the copy has."""


class ActingCopy:
    """
    A copy of a policy's extractor and actor that has their weights whenever it chooses. What they
    remember beside them, their extra state, stays the policy's, which checkpoints have.

    :param policy: the policy that is trained
    :param optimizers: of the policy, which the copy goes without
    :param device: where the copy is
    """

    def __init__(
        self, policy: ScalePolicy, optimizers: Iterable[th.optim.Optimizer], device: str
    ) -> None:
        copied = (policy.extractor, policy.actor, policy.action_code)
        others = [module for module in policy.children() if module not in copied]
        absent = {id(each): nn.Identity() for each in (*others, *optimizers)}
        self._policy = policy
        self._copy = deepcopy(policy, absent).requires_grad_(False).to(device)
        self._remembering = [
            (ours, theirs)
            for name in FOLLOWED
            for ours, theirs in zip(
                getattr(self._copy, name).modules(), getattr(policy, name).modules(), strict=True
            )
            if type(ours).get_extra_state is not nn.Module.get_extra_state
        ]

    def explore(
        self, *args: Any, **kwargs: Any
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """
        :param args: of :meth:`sb3_scale.policies.ScalePolicy.explore`
        :param kwargs: of the same
        :return: actions and state, as from the policy itself
        """
        self._refresh()
        for ours, theirs in self._remembering:
            ours.set_extra_state(theirs.get_extra_state())
        found = self._copy.explore(*args, **kwargs)
        for ours, theirs in self._remembering:
            theirs.set_extra_state(ours.get_extra_state())
        return found

    @th.no_grad()
    def _refresh(self) -> None:
        for name in FOLLOWED:
            ours, theirs = getattr(self._copy, name), getattr(self._policy, name)
            if pairs := _tensors(ours):
                th._foreach_copy_(pairs, _tensors(theirs))


def _tensors(module: nn.Module) -> list[th.Tensor]:
    return [*module.parameters(), *module.buffers()]
