"""One gradient step: each learner that is due, then the targets."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import torch as th
from torch import nn

from sb3_scale.learning.batch import Batch, Step
from sb3_scale.learning.learners import Learner, MetricsLog


class Settings(Protocol):
    """Numbers that may change during a training, so each gradient step reads them anew."""

    tau: float
    """Share of a part in its target at each move."""

    max_grad_norm: float | None
    """Norm that gradients are clipped to, if they are."""


class Update:
    """
    Passes batches through the learners in their order.

    :param learners: all that is trained
    :param targets: how each part's target follows it
    :param targets_due: whether a gradient step moves the targets, a function of its number alone
    :param settings: read at each step
    """

    def __init__(
        self,
        learners: Sequence[Learner],
        targets: Iterable["Target"],
        targets_due: Callable[[int], bool],
        settings: Settings,
    ) -> None:
        self.learners = learners
        self.targets = list(targets)
        self.targets_due = targets_due
        self.settings = settings

    def step(self, batch: Batch, n_updates: int, metrics: MetricsLog) -> Step:
        """
        :param batch: what was sampled
        :param n_updates: number of this gradient step, from 1
        :param metrics: where to add what is logged
        :return: the batch with what was computed on its way
        """
        step, settings = Step(batch), self.settings
        for learner in self.learners:
            if learner.due(n_updates):
                learner.step(step, metrics, settings.max_grad_norm)
        if self.targets_due(n_updates):
            for target in self.targets:
                target.follow(settings.tau)
        return step

    def pattern(self, n_updates: int) -> tuple[bool, ...]:
        """
        :param n_updates: number of a gradient step
        :return: what is due in it, which decides the operators that run
        """
        due = [learner.due(n_updates) for learner in self.learners]
        return (*due, self.targets_due(n_updates))


class Target:
    """
    A part and its Polyak copy.

    :param online: the part
    :param copy: made of it
    :param buffers: of a module, those that a copy takes over, such as running statistics
    """

    def __init__(
        self,
        online: nn.Module,
        copy: nn.Module,
        buffers: Callable[[nn.Module], list[th.Tensor]],
    ) -> None:
        self.online, self.copy = online, copy
        self.weights = list(copy.parameters()), list(online.parameters())
        self.buffers = buffers(copy), buffers(online)

    @th.no_grad()
    def follow(self, tau: float) -> None:
        """
        Move the copy's parameters by ``tau``, and take over the buffers.

        :param tau: share of the part
        """
        th._foreach_lerp_(*self.weights, tau)
        if self.buffers[0]:
            th._foreach_copy_(*self.buffers)
        self.copy.project_()  # type: ignore[operator]
