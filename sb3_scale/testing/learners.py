"""Checks of what a part trains by losses of its own."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from sb3_scale.learning.batch import Step
from sb3_scale.learning.update import Learner
from sb3_scale.testing.part_under_test import BATCH, Subject
from sb3_scale.testing.training import STARTS


def prepared_step(subject: Subject, model: Any) -> Step:
    """
    :param subject: the part
    :param model: an algorithm that trains with it
    :return: a batch after the losses of critic and actor
    :raises AssertionError: if one of them fails
    """
    subject.call("the first steps of an environment", model.learn, STARTS)
    step = Step(model.sample(BATCH))
    subject.call("the critic's loss", model.learners.critic.gradients, step)
    subject.call("the actor's loss", model.learners.actor.gradients, step)
    return step


def trained_by(subject: Subject, learners: Iterable[Learner], step: Step) -> set[int]:
    """
    :param subject: the part
    :param learners: that it brings
    :param step: a batch
    :return: ids of the parameters that they change
    :raises AssertionError: if a metric is no scalar, or a learner changes nothing
    """
    found: set[int] = set()
    for learner in learners:
        what = f"the gradients of its learner '{learner.name}'"
        metrics, gradients = subject.call(what, learner.gradients, step)
        for name, value in metrics.items():
            subject.tensor(f"{what}, as '{name}'", value, ())
        reached = {
            id(parameter)
            for parameter, gradient in zip(learner.parameters, gradients, strict=True)
            if isinstance(gradient, Tensor) and bool(gradient.isfinite().all())
        }
        subject.require(bool(reached), f"has {what} all missing or not finite")
        found |= reached
    return found
