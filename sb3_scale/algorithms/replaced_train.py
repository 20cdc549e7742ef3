"""A training whose gradient steps were given to a callback, and that never took one."""

from typing import Any

import torch as th

from sb3_scale.errors import Sb3ScaleError


class ReplacedTrain:
    """
    Remembers the actor where a callback replaced the algorithm's ``train``.

    Such a callback takes the gradient steps itself, on a copy. Where it cannot, as in a thread that
    has died, the training would end like any other.

    :param model: the algorithm, at the start of ``learn``
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._n_updates = model._n_updates
        self._actor = [parameter.detach().clone() for parameter in model.policy.actor.parameters()]

    def check(self) -> None:
        """
        :raises Sb3ScaleError: if gradient steps were due, and the actor is what it was
        """
        model = self._model
        due = model.num_timesteps > model.learning_starts and model.gradient_steps != 0
        if not due or model._n_updates > self._n_updates:
            return
        pairs = zip(model.policy.actor.parameters(), self._actor, strict=True)
        if all(th.equal(now, before) for now, before in pairs):
            raise Sb3ScaleError(
                "a callback replaced the algorithm's train, and no gradient step was taken in "
                f"{model.num_timesteps} decisions; allowed with ScalePolicy: callbacks that leave "
                "train alone, such as those with collector: overlapped"
            )
