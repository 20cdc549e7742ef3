"""One gradient step: each learner that is due, then the targets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch as th
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.learning.batch import Batch, Step
from sb3_scale.learning.target import Target

Metrics = dict[str, th.Tensor]
"""Scalars to log by name, without gradient."""

Gradients = Sequence[th.Tensor | None]
"""One per parameter that an optimiser trains; nothing where the loss does not depend on it."""


def always(n_updates: int) -> bool:
    """
    :param n_updates: number of the gradient step, from 1
    :return: that every step is due
    """
    return True


@dataclass(frozen=True)
class Every:
    """
    Whether the number of a gradient step is a multiple of an algorithm's setting, read anew.

    :param settings: the algorithm
    :param interval: name of its attribute
    """

    settings: object
    interval: str

    def __call__(self, n_updates: int) -> bool:
        """
        :param n_updates: number of the gradient step, from 1
        :return: whether it is due
        """
        due: bool = n_updates % getattr(self.settings, self.interval) == 0
        return due


@dataclass(frozen=True)
class Both:
    """
    Whether a gradient step is due by two rules.

    :param first: a function of the step's number
    :param second: another
    """

    first: Callable[[int], bool]
    second: Callable[[int], bool]

    def __call__(self, n_updates: int) -> bool:
        """
        :param n_updates: number of the gradient step, from 1
        :return: whether it is due by both
        """
        return self.first(n_updates) and self.second(n_updates)


@dataclass
class Learner:
    """
    Something that is trained: modules, their optimiser, their loss, and when it is due.

    The learners of a policy are the one list of what is trained. Checkpoints, learning rates,
    resets, diagnostics, targets, compilation and CUDA graphs follow from it. A part brings its own
    with its method ``learners``.

    :param name: of it, unique within a policy, for metrics and messages
    :param modules: what the optimiser changes, by name of the part, projected after each step
    :param optimizer: may be that of another learner, whose other parameters then get no gradient
    :param loss: a scalar and what else to log, from a batch on its way. It is compiled as a whole,
        with its gradients, so it reads neither learning rates nor counters
    :param due: whether a gradient step takes it, a function of that step's number alone
    :param targets: Polyak copies by the names of ``modules``, moved together with all others
    :param schedule: its own learning rate by the remaining progress; without one actor, critic and
        temperature have the algorithm's, and others that of their optimiser
    :param compiled: whether compilation is for it; a loss of a few numbers gains nothing
    :param clipped: whether the algorithm's ``max_grad_norm`` counts
    :param reads_transitions: whether the batch must have ``transitions``
    :param pretraining_steps: steps that it takes alone before the first gradient step
    """

    name: str
    modules: Mapping[str, nn.Module]
    optimizer: th.optim.Optimizer
    loss: Callable[[Step], tuple[th.Tensor, Metrics]]
    due: Callable[[int], bool] = always
    targets: Mapping[str, nn.Module] = field(default_factory=dict)
    schedule: Schedule | None = None
    compiled: bool = True
    clipped: bool = False
    reads_transitions: bool = False
    pretraining_steps: int = 0

    unclipped_norm: th.Tensor | None = field(default=None, init=False)
    """Of the last gradients that were clipped."""

    parameters: list[th.Tensor] = field(init=False)
    """What the optimiser changes."""

    frozen: list[th.Tensor] = field(init=False)
    """Of the modules, what has no gradient and stays, whatever their constraint."""

    def __post_init__(self) -> None:
        self.bind()

    def bind(self) -> None:
        """
        Read anew what the optimiser trains: its parameters, but for those that are frozen.

        Not read with the loss: what is compiled must not hold a learning rate.
        """
        held = self.held_parameters()
        self.parameters = [each for each in held if each.requires_grad]
        self.frozen = [
            each
            for module in self.modules.values()
            for each in module.parameters()
            if not each.requires_grad
        ]
        for each in held:
            if not each.requires_grad:
                each.grad = None
        self.compute: Callable[[Step], tuple[Metrics, Gradients]] = self.gradients

    def held_parameters(self) -> list[th.Tensor]:
        """
        :return: what the optimiser holds, frozen or not
        """
        return [each for group in self.optimizer.param_groups for each in group["params"]]

    def gradients(self, step: Step) -> tuple[Metrics, Gradients]:
        """
        The loss from first to last; :attr:`compute` is this, or its compiled form.

        :param step: the batch on its way
        :return: the loss and what else to log, and a gradient per parameter; nobody else's are
            computed, and with all parameters frozen nothing that norms would remember
        """
        with th.set_grad_enabled(bool(self.parameters)):
            loss, metrics = self.loss(step)
        metrics[f"{self.name}_loss"] = loss.detach()
        if not loss.requires_grad:
            return metrics, [None] * len(self.parameters)
        return metrics, th.autograd.grad(loss, self.parameters, allow_unused=True)

    def step(self, step: Step, metrics: "MetricsLog", max_grad_norm: float | None) -> None:
        """
        Change the modules by one step of the optimiser, and restore their constraints.

        :param step: the batch on its way
        :param metrics: where to add the loss and what comes with it
        :param max_grad_norm: norm that the gradients are clipped to, if they are
        """
        found, gradients = self.compute(step)
        metrics.add(found)
        if not self.parameters:
            return
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        if self.clipped and max_grad_norm is not None:
            self.unclipped_norm = nn.utils.clip_grad_norm_(self.parameters, max_grad_norm)
        self.optimizer.step()
        kept = [each.clone() for each in self.frozen]
        for module in self.modules.values():
            module.project_()  # type: ignore[operator]
        if kept:
            # A projection of what was projected changes its last bits.
            th._foreach_copy_(self.frozen, kept)


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
    :raises Sb3ScaleError: if two have one name
    """
    found: dict[str, Learner] = {}
    for learner in learners:
        if learner.name in found:
            raise Sb3ScaleError(
                f"two learners of the policy are named '{learner.name}'; allowed: one"
            )
        found[learner.name] = learner
    return found


class UpdateSettings(Protocol):
    """What an algorithm says of its gradient steps."""

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
    :param settings: ``tau`` and ``max_grad_norm``, read anew at each step
    """

    def __init__(
        self,
        learners: Sequence[Learner],
        targets: Iterable[Target],
        targets_due: Callable[[int], bool],
        settings: UpdateSettings,
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
        step = Step(batch)
        for learner in self.learners:
            if learner.due(n_updates):
                learner.step(step, metrics, self.settings.max_grad_norm)
        if self.targets_due(n_updates):
            for target in self.targets:
                target.follow(self.settings.tau)
        return step

    def pattern(self, n_updates: int) -> tuple[bool, ...]:
        """
        :param n_updates: number of a gradient step
        :return: what is due in it, which decides the operators that run
        """
        due = [learner.due(n_updates) for learner in self.learners]
        return (*due, self.targets_due(n_updates))
