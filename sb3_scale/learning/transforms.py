"""What is done to a batch before the learners see it, inside the compiled function."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch as th
from torch import nn

from sb3_scale.errors import check_above
from sb3_scale.learning.batch import Batch


class Transform(nn.Module):
    """
    Base of transforms. A module, so that what it has learned is saved with the policy.

    A subclass has ``forward(batch)``, which gives the batch that the losses see, on the device and
    without a Python branch on a tensor.
    """

    scales_rewards: ClassVar[bool] = False
    """Whether rewards leave it in other units, which no second one may change again."""

    def bind(self, gamma: float, value_range: tuple[float, float] | None) -> None:
        """
        Called before training, and anew where ``gamma`` has changed.

        :param gamma: discount of a step
        :param value_range: bounds of the critic's values, nothing where they have none
        :raises ValueError: if the transform does not go with them
        """

    def observe(
        self, rewards: np.ndarray, dones: np.ndarray, streams: np.ndarray | None = None
    ) -> None:
        """
        Called with each step of the environments, before it is stored.

        :param rewards: as the environments gave them, ``(k,)``
        :param dones: whether each episode ended, ``(k,)``
        :param streams: which environments, ``(k,)``; nothing for all of them
        """

    def restart(self, streams: np.ndarray | None = None) -> None:
        """
        Called when environments begin anew.

        :param streams: which, ``(k,)``; nothing for all of them
        """

    def scaled_rewards(self, rewards: Any) -> Any:
        """
        :param rewards: in units of the replay buffer, an array or a tensor
        :return: in units of the critic
        """
        return rewards


class RewardScale(Transform):
    """
    Divides rewards by a running size of the return, so that values are of the order of one.

    With ``G <- gamma G + r`` along each environment, from zero after the end of an episode, and its
    variance over all steps of all environments, a batch's rewards are divided by
    ``std(G) + epsilon``, as it is when the batch is used (``deviation``: Palenicek et al., "XQC:
    Well-Conditioned Optimization Accelerates Deep Reinforcement Learning", 2025), or by the larger
    of ``sqrt(var(G) + epsilon)`` and ``max |G| / v_max``, which keeps each ``G`` that was seen
    within the range of a categorical value (``greatest``: Lee et al., "Hyperspherical Normalization
    for Scalable Deep Reinforcement Learning", 2025, section 4.3). ``G`` looks back: a return, which
    looks ahead, is larger where rewards fall over an episode, and may be clipped.

    :param by: ``deviation`` or ``greatest``
    :param epsilon: keeps the divisor above zero
    """

    scales_rewards = True

    variance: th.Tensor
    greatest: th.Tensor
    mean: th.Tensor
    count: th.Tensor
    divisor: th.Tensor

    def __init__(
        self, by: Literal["deviation", "greatest"] = "deviation", epsilon: float = 1e-8
    ) -> None:
        super().__init__()
        check_above(0, epsilon=epsilon)
        self.by = by
        self.epsilon = epsilon
        for name, value in (("count", 0.0), ("mean", 0.0), ("variance", 1.0), ("greatest", 0.0)):
            self.register_buffer(name, th.tensor(value, dtype=th.float64))
        self.register_buffer("divisor", th.tensor(1.0))
        self._gamma, self._bound = 1.0, 1.0
        self._returns: th.Tensor | None = None

    def _apply(self, fn: Callable[[th.Tensor], th.Tensor], recurse: bool = True) -> "RewardScale":
        # They have as many rows as environments, so that they are no buffer, and move with them.
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self._returns is not None:
            self._returns = fn(self._returns)
        return self

    def bind(self, gamma: float, value_range: tuple[float, float] | None) -> None:
        """
        :param gamma: discount of a step
        :param value_range: bounds of the critic's values, which ``greatest`` needs
        :raises ValueError: if it needs them and there are none
        """
        self._gamma = gamma
        if self.by == "greatest":
            self._bound = min(-value_range[0], value_range[1]) if value_range else 0.0
            if not self._bound > 0:
                raise ValueError(
                    f"by is 'greatest', and the range of the critic's values is {value_range}; "
                    "allowed: critics with a value that has a range around 0, such as "
                    "'categorical', or by: deviation"
                )

    @th.no_grad()
    def observe(
        self, rewards: np.ndarray, dones: np.ndarray, streams: np.ndarray | None = None
    ) -> None:
        """
        Count a step of environments.

        :param rewards: as the environments gave them, ``(k,)``
        :param dones: whether each episode ended, ``(k,)``
        :param streams: which environments, ``(k,)``; nothing for all of them
        """
        given = th.as_tensor(rewards, dtype=th.float64, device=self.mean.device)
        of = slice(None) if streams is None else th.as_tensor(streams, device=given.device)
        returns = self._running(given, streams)[of].mul_(self._gamma).add_(given)
        self._count(returns)
        returns.masked_fill_(th.as_tensor(dones, dtype=th.bool, device=returns.device), 0.0)
        if streams is not None:
            self._running(given, streams)[of] = returns

    def _running(self, given: th.Tensor, streams: np.ndarray | None) -> th.Tensor:
        """The present G of all environments."""
        found = self._returns
        if streams is None:
            if found is None or len(found) != len(given):
                found = th.zeros_like(given)
        else:
            known = given.new_zeros(0) if found is None else found
            more = int(streams.max()) + 1 - len(known)
            found = th.cat((known, known.new_zeros(more))) if more > 0 else known
        self._returns = found
        return found

    def _count(self, returns: th.Tensor) -> None:
        """Merge the moments of these returns into the running ones (Chan et al., 1979)."""
        new = len(returns)
        total = self.count + new
        difference = returns.mean() - self.mean
        squares = th.where(self.count > 0, self.variance * self.count, 0.0)
        squares = squares + returns.var(correction=0) * new
        squares = squares + difference.square() * self.count * new / total
        self.mean.add_(difference * new / total)
        self.variance.copy_(squares / total)
        self.count.copy_(total)
        self.greatest.copy_(th.maximum(self.greatest, returns.abs().max()))
        self.divisor.copy_(self._size())

    def _size(self) -> th.Tensor:
        if self.by == "deviation":
            return self.variance.sqrt() + self.epsilon
        return th.maximum((self.variance + self.epsilon).sqrt(), self.greatest / self._bound)

    def restart(self, streams: np.ndarray | None = None) -> None:
        """
        The next step is the first of an episode.

        :param streams: of which environments, ``(k,)``; nothing for all of them
        """
        if streams is None:
            self._returns = None
        elif self._returns is not None:
            self._returns[th.as_tensor(streams[streams < len(self._returns)])] = 0.0

    def forward(self, batch: Batch) -> Batch:
        """
        :param batch: what was sampled
        :return: the same with scaled rewards
        """
        return replace(batch, rewards=batch.rewards / self.divisor)

    def scaled_rewards(self, rewards: Any) -> Any:
        """
        :param rewards: in units of the replay buffer, an array or a tensor
        :return: divided by the present divisor
        """
        return rewards / float(self.divisor)
