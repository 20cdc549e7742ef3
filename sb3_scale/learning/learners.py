"""What is trained, and how one step of it is taken."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch as th
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from sb3_scale.learning.batch import Step

Metrics = dict[str, th.Tensor]
"""Scalars to log by name, without gradient."""

Gradients = Sequence[th.Tensor | None]
"""One per parameter that an optimiser trains; nothing where the loss does not depend on it."""


class Trained(Protocol):
    """A module that a learner changes."""

    def project_(self) -> None:
        """Restore the constraint on the weights, called after each change of them."""


def always(n_updates: int) -> bool:
    """
    :param n_updates: number of the gradient step, from 1
    :return: that every step is due
    """
    return True


def parameters_of(optimizer: th.optim.Optimizer) -> list[th.Tensor]:
    """
    :param optimizer: of any kind
    :return: all that it trains, in the order of its groups
    """
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def gradients_of(loss: th.Tensor, parameters: Sequence[th.Tensor]) -> Gradients:
    """
    :param loss: a scalar
    :param parameters: of one optimiser; nobody else's gradients are computed
    :return: one per parameter
    """
    return th.autograd.grad(loss, parameters, allow_unused=True)


@dataclass
class Learner:
    """
    Something that is trained: modules, their optimiser, their loss, and when it is due.

    The learners of a policy are the one list of what is trained. Checkpoints, learning rates,
    resets, diagnostics, targets, compilation and CUDA graphs follow from it. A part brings its own
    with its method ``learners``.

    :param name: of it, unique within a policy, for figures and messages
    :param modules: what the optimiser changes, by name of the part, projected after each step
    :param optimizer: may be that of another learner, whose other parameters then get no gradient
    :param gradients: the loss from first to last: metrics, and a gradient per parameter of the
        optimiser. It is compiled as a whole, so it reads neither learning rates nor counters
    :param due: whether a gradient step takes it, a function of that step's number alone
    :param targets: Polyak copies by the names of ``modules``, moved together with all others
    :param schedule: its own learning rate by the remaining progress; without one actor, critic and
        temperature have the algorithm's, and others that of their optimiser
    :param clipped: whether the algorithm's ``max_grad_norm`` counts
    :param reads_transitions: whether the batch must have ``transitions``
    :param pretraining_steps: steps that it takes alone before the first gradient step
    """

    name: str
    modules: Mapping[str, Trained]
    optimizer: th.optim.Optimizer
    gradients: Callable[[Step], tuple[Metrics, Gradients]]
    due: Callable[[int], bool] = always
    targets: Mapping[str, nn.Module] = field(default_factory=dict)
    schedule: Schedule | None = None
    clipped: bool = False
    reads_transitions: bool = False
    pretraining_steps: int = 0

    unclipped_norm: th.Tensor | None = None
    """Of the last gradients that were clipped."""

    def __post_init__(self) -> None:
        self.parameters = parameters_of(self.optimizer)

    def step(self, step: Step, metrics: "MetricsLog", max_grad_norm: float | None) -> None:
        """
        Change the modules by one step of the optimiser, and restore their constraints.

        :param step: the batch on its way
        :param metrics: where to add the loss and what comes with it
        :param max_grad_norm: norm that the gradients are clipped to, if they are
        """
        found, gradients = self.gradients(step)
        metrics.add(found)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        if self.clipped and max_grad_norm is not None:
            self.unclipped_norm = nn.utils.clip_grad_norm_(self.parameters, max_grad_norm)
        self.optimizer.step()
        for module in self.modules.values():
            module.project_()


class MetricsLog:
    """Collects the scalars of gradient steps, which stay on the device until they are read."""

    def __init__(self) -> None:
        self.values: dict[str, list[th.Tensor]] = {}

    def add(self, metrics: Mapping[str, th.Tensor]) -> None:
        """
        :param metrics: scalars by name, on any device
        """
        for name, value in metrics.items():
            self.values.setdefault(name, []).append(value)

    def means(self) -> dict[str, float]:
        """
        :return: mean of each scalar over the steps, read from the device at once
        """
        if not self.values:
            return {}
        steps = [value for values in self.values.values() for value in values]
        numbers = iter(th.stack(steps).tolist())
        return {
            name: sum(next(numbers) for _ in values) / len(values)
            for name, values in self.values.items()
        }


def unique_names(learners: Iterable[Learner]) -> dict[str, Learner]:
    """
    :param learners: of one policy
    :return: the same by name, in their order
    :raises ValueError: if two have one name
    """
    found: dict[str, Learner] = {}
    for learner in learners:
        if learner.name in found:
            raise ValueError(f"two learners are named '{learner.name}'; allowed: one")
        found[learner.name] = learner
    return found
