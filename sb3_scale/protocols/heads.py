"""What actors, extractors and losses must be."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from torch import Tensor, nn

from sb3_scale.learning.update import Learner

if TYPE_CHECKING:
    from gymnasium import spaces


class TrainedPolicy(Protocol):
    """What a part that brings learners may use of the policy that it belongs to."""

    actor: Any
    critic: Any

    def actor_inputs(self, features: Tensor) -> Tensor:
        """
        :param features: shape ``(b, features_dim)``
        :return: what of them the actor reads, shape ``(b, actor_dim)``
        """

    def critic_outputs(self, features: Tensor, actions: Tensor, training: bool = False) -> Tensor:
        """
        :param features: shape ``(b, features_dim)``
        :param actions: shape ``(b, action_dim)``
        :param training: whether the critic's norms use the statistics of this batch
        :return: outputs of the critic, shape ``(m, b, n_outputs)``
        """

    def targets_of(self, modules: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """
        :param modules: of a learner, by name
        :return: the Polyak copies of those that have one, by the same names
        """

    def prepare(self, observations: Any) -> Any:
        """
        :param observations: as the replay buffer gives them
        :return: as extractors get them
        """


class Trainable(Protocol):
    """What actors, critics, extractors and losses have; :class:`sb3_scale.nn.base.Part` does."""

    def learners(self, policy: TrainedPolicy) -> Iterable[Learner]:
        """
        :param policy: that the part belongs to
        :return: what the part trains by losses of its own, beside what trains it anyway
        """

    def project_(self) -> None:
        """Restore the constraint on the weights, called after each optimiser step."""


class Actor(Trainable, Protocol):
    """
    A policy head with its network. Made as ``Actor(features_dim, action_dim, **params)``.

    An actor whose loss passes ``[s ; s']`` through it has an attribute ``joint_batch = True``; one
    that explores in another way than it samples derives from :class:`sb3_scale.nn.base.Explorer`.

    :param features_dim: width of the features
    :param action_dim: number of actions, each in [-1, 1]
    """

    stochastic: bool
    """Whether :meth:`action_log_prob` exists."""

    target: bool
    """Whether the algorithm keeps a Polyak copy of this actor."""

    def forward(
        self, features: Tensor, deterministic: bool = False, training: bool = False
    ) -> Tensor:
        """
        :param features: shape ``(b, features_dim)``
        :param deterministic: whether to return the mode instead of a sample
        :param training: whether norms use the statistics of this batch
        :return: actions in [-1, 1], shape ``(b, action_dim)``
        """

    def action_log_prob(self, features: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """
        Sample with the reparametrisation trick; stochastic actors only.

        :param features: shape ``(b, features_dim)``
        :param training: whether norms use the statistics of this batch
        :return: actions ``(b, action_dim)`` and log-probabilities ``(b, 1)``
        """


class DiscreteActor(Actor, Protocol):
    """
    Probabilities of joint actions. Made as ``DiscreteActor(features_dim, n_actions, **params)``.

    As an :class:`Actor` it gives indices of actions, shape ``(b, 1)``, and is stochastic.

    :param features_dim: width of the features
    :param n_actions: number of joint actions
    """

    def log_probs(self, features: Tensor, training: bool = False) -> Tensor:
        """
        :param features: shape ``(b, features_dim)``
        :param training: whether norms use the statistics of this batch
        :return: logarithm of each action's probability, shape ``(b, n_actions)``
        """


class Extractor(Trainable, Protocol):
    """
    Features of an observation, for actor and critic. Made as ``Extractor(observation_space)``, or
    as ``Extractor(observation_space, action_dim)`` by a
    :class:`sb3_scale.specs.StateActionExtractor`. :class:`sb3_scale.nn.base.Extractor` has all but
    ``forward`` and ``features_dim``.

    The critic's loss trains it, unless it is among the modules of a learner of its own. The actor
    sees detached features.

    :param observation_space: the environment's space
    """

    features_dim: int

    hidden_keys: tuple[str, ...]
    """Of a ``Dict`` observation, what only the critic sees: who acts does without."""

    def __init__(self, observation_space: "spaces.Space[Any]") -> None: ...

    def forward(self, observations: Any, training: bool = False) -> Tensor:
        """
        :param observations: tensors as Stable-Baselines3 preprocesses them (images scaled to
            [0, 1], discrete values one-hot), a mapping of them for ``Dict`` spaces
        :param training: whether norms use the statistics of this batch
        :return: shape ``(b, features_dim)``
        """

    def actor_dim(self) -> int:
        """
        :return: width of :meth:`actor_inputs`
        """

    def actor_inputs(self, features: Tensor) -> Tensor:
        """
        :param features: of observations, shape ``(b, features_dim)``
        :return: the columns that the actor reads, shape ``(b, actor_dim)``
        """

    def actor_features(self, observations: Any) -> Tensor:
        """
        :param observations: as ``forward`` gets them, without ``hidden_keys`` or with them
        :return: what the actor reads when it acts, shape ``(b, actor_dim)``
        """

    def critic_dims(self, action_dim: int) -> tuple[int, int]:
        """
        :param action_dim: number of actions
        :return: widths of the two tensors of :meth:`critic_inputs`
        """

    def critic_inputs(self, features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """
        :param features: of observations, shape ``(b, features_dim)``
        :param actions: shape ``(b, action_dim)``
        :return: what the critic reads in place of features and actions
        """


class Loss(Trainable, Protocol):
    """
    The critic's loss. A module, so that state of an adapting loss is saved with the policy;
    :class:`sb3_scale.nn.base.CriticLoss` has all but ``forward``.
    """

    reads: ClassVar[tuple[str, ...]]
    """Kinds of outputs that it can read, see :class:`Value`."""

    soft_weight: ClassVar[float]
    """What soft actor-critic multiplies it by: a half for the squared error."""

    calibrated: ClassVar[bool]
    """Whether :meth:`calibrate` is told of finished episodes."""

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: of the critic, shape ``(m, b, n_outputs)``
        :param target: of the critic's ``bootstrap``, shape ``(b, k)`` or ``(m, b, k)``
        :return: a scalar
        """

    def calibrate(self, values: Tensor, returns: Tensor) -> dict[str, Tensor]:
        """
        Called before a ``train`` call's gradient steps, but for the first, with the latest episode
        that has ended since the one before.

        :param values: Q of its pairs under the present critic, as the reduction combines the
            members for the actor, shape ``(t,)``
        :param returns: the discounted returns that followed, in the units of Q, shape ``(t,)``
        :return: scalars to log by name
        """
