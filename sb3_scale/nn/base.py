"""Base classes of the parts of a policy: what the core asks of each, with an answer for most."""

import math
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from sb3_scale.learning.update import Learner
from sb3_scale.nn.linear import linear_layers, orthogonal_
from sb3_scale.nn.norms import norm_parameters
from sb3_scale.parts import build, spec_of
from sb3_scale.protocols import Constraint, PartConfig, TrainedPolicy
from sb3_scale.specs import NormConstraint

Init = Literal["default", "orthogonal", "orthogonal-unit", "orthogonal-output"]
"""
Initialisation: that of ``torch.nn.Linear`` or of the network's own, or orthogonal, of hidden layers
with gain sqrt 2, or of all with the gain of the output layers; or orthogonal in those alone.
"""


class Part(nn.Module):
    """Base of actors, critics, extractors and losses."""

    def __init__(self) -> None:
        # Not that of torch.nn.Module, whose signature takes anything.
        super().__init__()

    def learners(self, policy: TrainedPolicy) -> Iterable[Learner]:
        """
        What the part trains by losses of its own, beside what trains it anyway.

        An extractor that is among the modules of its own learner is left alone by the critic's
        optimiser. Learners of an actor are due when the actor is.

        :param policy: that the part belongs to
        :return: learners, none by default
        """
        return ()

    def project_(self) -> None:
        """Restore the constraint on the weights, called after each change of them."""


class ConstrainedModule(Part):
    """Base of actors and critics: call :meth:`initialize` when all layers exist."""

    def __init__(self) -> None:
        super().__init__()
        self.constraint: Constraint | None = None

    def initialize(
        self, init: Init, constraint: PartConfig | None, output_gain: float = 1.0
    ) -> None:
        """
        Initialise all ensemble linear layers and put the constraint on them. Where none is made as
        an ``output``, the last one is.

        :param init: ``default`` leaves the layers as they are made
        :param constraint: the constraint part, or nothing
        :param output_gain: of the orthogonal initialisation of outputs
        """
        layers = linear_layers(self)
        if layers and not any(layer.output for layer in layers):
            layers[-1].output = True
        hidden_gains = {"orthogonal": math.sqrt(2), "orthogonal-unit": output_gain}
        for layer in layers:
            if layer.output and init != "default":
                orthogonal_(layer, output_gain)
            elif init in hidden_gains:
                orthogonal_(layer, hidden_gains[init])
        if constraint is not None:
            context: list[Any] = [layers]
            if isinstance(spec_of("constraint", constraint), NormConstraint):
                context.append(norm_parameters(self))
            self.constraint = build("constraint", constraint, *context)
            self.project_()

    def project_(self) -> None:
        """Restore the constraint, after each change of the weights."""
        if self.constraint is not None:
            self.constraint.project_()


class Explorer:
    """
    What an actor also derives from that chooses the actions of the training in another way than it
    samples, for instance by what it remembers of its last choice.
    """

    def explore(self, features: Tensor) -> Tensor:
        """
        Called for each decision of the training after the random ones, with the same environment
        in the same row, and never in evaluation or in a loss.

        :param features: shape ``(n_envs, features_dim)``
        :return: actions in [-1, 1], shape ``(n_envs, action_dim)``
        """
        raise NotImplementedError


class Extractor(Part):
    """Base of extractors, made as ``Extractor(observation_space)``."""

    features_dim: int

    hidden_keys: tuple[str, ...] = ()
    """Of a ``Dict`` observation, what only the critic sees: who acts does without."""

    def actor_dim(self) -> int:
        """
        :return: width of :meth:`actor_inputs`
        """
        return self.features_dim

    def actor_inputs(self, features: Tensor) -> Tensor:
        """
        :param features: of observations, ``(b, features_dim)``
        :return: the columns that the actor reads, ``(b, actor_dim)``; all by default
        """
        return features

    def actor_features(self, observations: Any) -> Tensor:
        """
        :param observations: as ``forward`` gets them, without ``hidden_keys`` or with them
        :return: what the actor reads when it acts, ``(b, actor_dim)``
        """
        features: Tensor = self(observations, False)
        return self.actor_inputs(features)

    def critic_dims(self, action_dim: int) -> tuple[int, int]:
        """
        :param action_dim: number of actions
        :return: widths of the two tensors of :meth:`critic_inputs`
        """
        return self.features_dim, action_dim

    def critic_inputs(self, features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """
        :param features: of observations, ``(b, features_dim)``
        :param actions: ``(b, action_dim)``
        :return: what the critic reads in place of features and actions, the same by default
        """
        return features, actions


class ReadsBytes:
    """
    What an extractor also derives from that reads images as they are stored, as uint8, and scales
    them itself: a conversion in small pieces stays in the processor's cache.
    """

    byte_keys: tuple[str, ...] | None = None
    """Of a ``Dict`` observation, the keys that are read so; nothing for the whole observation."""


class CriticLoss(Part):
    """Base of the critic's losses."""

    reads: ClassVar[tuple[str, ...]] = ("scalar",)
    """Kinds of outputs that it can read, see :class:`sb3_scale.protocols.Value`."""

    soft_weight: ClassVar[float] = 1.0
    """What soft actor-critic multiplies it by."""

    calibrated: ClassVar[bool] = False
    """Whether it adjusts itself to the returns of finished episodes."""

    def calibrate(self, values: Tensor, returns: Tensor) -> dict[str, Tensor]:
        """
        Called before a ``train`` call's gradient steps, but for the first, with the latest episode
        that has ended since the one before, if the loss is ``calibrated``.

        :param values: Q of its pairs under the present critic, as the reduction combines the
            members for the actor, shape ``(t,)``
        :param returns: the discounted returns that followed, in the units of Q, shape ``(t,)``
        :return: scalars to log by name
        """
        return {}
