"""What critics, their values and their reductions must be."""

from typing import ClassVar, Protocol

from torch import Tensor

from sb3_scale.protocols.heads import Trainable
from sb3_scale.protocols.layers import PartConfig


class Value(Protocol):
    """What the outputs of a critic's member mean. A module, made as ``Value(**params)``."""

    outputs: ClassVar[str]
    """Their kind: ``scalar``, ``quantiles``, ``categorical``, or a name of your own."""

    n_outputs: int
    """Per member."""

    loss: PartConfig
    """What goes with it where ``policy_kwargs`` names no loss."""

    value_range: tuple[float, float] | None
    """Bounds of the expected return, nothing where it has none."""

    def mean(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: shape ``(m, b, n_outputs)``
        :return: expected return of each member, shape ``(m, b, 1)``
        """

    def distribution(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: shape ``(m, b, n_outputs)``
        :return: what a reduction combines, such as probabilities, same shape
        """

    def expectation(self, distribution: Tensor) -> Tensor:
        """
        :param distribution: of :meth:`distribution`, or a target, shape ``(..., k)``
        :return: its mean, shape ``(..., 1)``; :meth:`mean` is that of the outputs' distribution
        """

    def bootstrap(
        self, distribution: Tensor, rewards: Tensor, discounts: Tensor, entropy_term: Tensor | None
    ) -> Tensor:
        """
        :param distribution: of the next state and action, reduced, shape ``(b, k)`` or ``(m, b,
            k)``
        :param rewards: shape ``(b, 1)``
        :param discounts: 0 where the episode terminated, shape ``(b, 1)``
        :param entropy_term: what to subtract from the next value, shape ``(b, 1)``, or nothing
        :return: the target that the loss reads, same leading dimensions
        """

    def errors(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: shape ``(m, b, n_outputs)``
        :param target: of :meth:`bootstrap`
        :return: expected return minus that of the target, shape ``(m, b, 1)``
        """


class Reduction(Protocol):
    """
    Combines the members of a critic. A module, made as ``Reduction(n_members, **params)``.

    :param n_members: size of the ensemble
    """

    reads: ClassVar[tuple[str, ...] | None]
    """Kinds of outputs that it can combine, nothing for any, see :attr:`Value.outputs`."""

    def check(self, n_outputs: int) -> None:
        """
        :param n_outputs: of each member
        :raises ValueError: if there are too few for it
        """

    def target(self, distributions: Tensor, means: Tensor) -> Tensor:
        """
        For the bootstrap target. Where a member is chosen, its distribution is chosen whole.

        :param distributions: of the value, shape ``(m, b, n_outputs)``
        :param means: expected returns, shape ``(m, b, 1)``
        :return: shape ``(b, k)``, or ``(m, b, k)`` where each member has its own target
        """

    def actor(self, means: Tensor) -> Tensor:
        """
        For the actor of a soft algorithm; TD3, TD2 and DDPG take the first member instead.

        :param means: expected returns, shape ``(m, b, 1)``
        :return: shape ``(b, 1)``
        """


class Critic(Trainable, Protocol):
    """
    Action values of an ensemble. Made as ``Critic(features_dim, action_dim, **params)``.

    :class:`sb3_scale.nn.critics.EnsembleCritic` has all of it; a critic derived from it overrides
    what is new.

    :param features_dim: width of the features
    :param action_dim: number of actions
    """

    joint_batch: bool
    """Whether the update passes [s, a ; s', a'] through the critic at once, in training mode."""

    target: bool
    """Whether the update keeps a Polyak copy for the bootstrap target."""

    value: Value
    """What the outputs mean; the loss must read their kind."""

    def forward(self, features: Tensor, actions: Tensor, training: bool = False) -> Tensor:
        """
        :param features: shape ``(b, features_dim)``
        :param actions: shape ``(b, action_dim)``
        :param training: whether norms use the statistics of this batch
        :return: outputs, shape ``(m, b, n_outputs)``
        """

    def mean(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: shape ``(m, b, n_outputs)``
        :return: expected return of each member, shape ``(m, b, 1)``
        """

    def judge(self, outputs: Tensor) -> Tensor:
        """
        The actor of a soft algorithm climbs it; under TD3, TD2 and DDPG it climbs the :meth:`mean`
        of the first member instead.

        :param outputs: shape ``(m, b, n_outputs)``
        :return: one estimate, shape ``(b, 1)``
        """

    def bootstrap(
        self, next_outputs: Tensor, rewards: Tensor, discounts: Tensor, entropy_term: Tensor | None
    ) -> Tensor:
        """
        :param next_outputs: of the target critic, shape ``(m, b, n_outputs)``
        :param rewards: shape ``(b, 1)``
        :param discounts: 0 where the episode terminated, shape ``(b, 1)``
        :param entropy_term: what to subtract from the next value, shape ``(b, 1)``, or nothing
        :return: what the loss reads beside the outputs, shape ``(b, k)`` or ``(m, b, k)``
        """

    def td_errors(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: shape ``(m, b, n_outputs)``
        :param target: of :meth:`bootstrap`
        :return: priorities of the transitions, not negative, shape ``(b,)``
        """


class DiscreteCritic(Critic, Protocol):
    """
    Values of all joint actions. Made as ``DiscreteCritic(features_dim, n_actions, **params)``.

    :class:`sb3_scale.nn.discrete.DiscreteEnsembleCritic` has all of it. As a :class:`Critic` it
    gets the index of an action as ``actions``, shape ``(b, 1)``.

    :param features_dim: width of the features
    :param n_actions: number of joint actions
    """

    def all_outputs(self, features: Tensor, training: bool = False) -> Tensor:
        """
        :param features: shape ``(b, features_dim)``
        :param training: whether norms use the statistics of this batch
        :return: outputs of all actions, shape ``(m, b, n_actions, n_outputs)``
        """

    def taken(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """
        :param outputs: of :meth:`all_outputs`
        :param actions: indices, shape ``(b, 1)``
        :return: outputs of these actions, shape ``(m, b, n_outputs)``
        """

    def judge_all(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: of :meth:`all_outputs`
        :return: one estimate of each action, for the actor, shape ``(b, n_actions)``
        """

    def bootstrap_all(
        self,
        next_outputs: Tensor,
        probabilities: Tensor,
        rewards: Tensor,
        discounts: Tensor,
        entropy_term: Tensor | None,
    ) -> Tensor:
        """
        :param next_outputs: of the target critic for all actions, shape ``(m, b, n_actions,
            n_outputs)``
        :param probabilities: of the next actions, shape ``(b, n_actions)``
        :param rewards: shape ``(b, 1)``
        :param discounts: 0 where the episode terminated, shape ``(b, 1)``
        :param entropy_term: what to subtract from the next value, shape ``(b, 1)``, or nothing
        :return: what the loss reads beside the outputs, shape ``(b, k)`` or ``(m, b, k)``
        """
