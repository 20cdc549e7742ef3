"""What gradient steps were bound to: optimisers, and which parameters were frozen."""

import operator
from collections.abc import Iterable, Sequence

import torch as th

from sb3_scale.learning.update import Learner


class Bound:
    """
    Optimisers and frozen parameters as they are now, to notice when a user changes them.

    :param learners: which read them again
    :param optimizers: that the algorithm names, and learners use
    """

    def __init__(
        self, learners: Sequence[Learner], optimizers: Sequence[th.optim.Optimizer]
    ) -> None:
        self.named = list(optimizers)
        for learner in learners:
            learner.bind()
        self._learners = learners
        self._used = [learner.optimizer for learner in learners]
        held = {id(each): each for learner in learners for each in _parameters(learner)}
        self._parameters = list(held.values())
        self._trained = [each.requires_grad for each in self._parameters]

    def still_holds(self, optimizers: Sequence[th.optim.Optimizer]) -> bool:
        """
        :param optimizers: that the algorithm names now
        :return: whether they are the same, those of the learners too, and the same is frozen
        """
        return (
            all(map(operator.is_, optimizers, self.named))
            and all(map(operator.is_, (each.optimizer for each in self._learners), self._used))
            and [each.requires_grad for each in self._parameters] == self._trained
        )

    def replaced(self, optimizers: Sequence[th.optim.Optimizer]) -> "Bound":
        """
        Give learners the optimisers that stand in the place of theirs.

        :param optimizers: that the algorithm names now
        :return: the same learners, bound to them
        """
        new = {id(old): each for old, each in zip(self.named, optimizers, strict=False)}
        for learner in self._learners:
            learner.optimizer = new.get(id(learner.optimizer), learner.optimizer)
        return Bound(self._learners, optimizers)


def _parameters(learner: Learner) -> Iterable[th.Tensor]:
    yield from learner.held_parameters()
    for module in learner.modules.values():
        yield from module.parameters()
