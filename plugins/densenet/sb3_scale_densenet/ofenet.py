"""Features that learn to predict the next observation."""

from collections.abc import Iterator

import torch
from gymnasium import spaces
from torch import Tensor

from sb3_scale.errors import check_at_least
from sb3_scale.learning.batch import Step
from sb3_scale.learning.update import Learner, Metrics
from sb3_scale.nn.activations import Activation
from sb3_scale.nn.base import ConstrainedModule, Extractor, Init
from sb3_scale.nn.extractors import FlattenExtractor
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig, TrainedPolicy
from sb3_scale_densenet.networks import DenseNet


class OFENet(ConstrainedModule, Extractor):
    """
    ``z_s = phi_s(s)`` for the actor and ``z_sa = phi_sa(z_s, a)`` for the critic, two DenseNets
    that learn by ``mean |W z_sa + b - s'|^2`` and by nothing else.

    In the loss, norms use the statistics of the batch and remember them; features for actor and
    critic are made with what is remembered. Source: Ota et al., "Training Larger Networks for Deep
    Reinforcement Learning", 2021, section 3.1, equation 1, and appendix A.2, after Ota et al., "Can
    Increasing Input Dimensionality Improve Deep Reinforcement Learning?", 2020.

    :param observation_space: the environment's space
    :param action_dim: number of actions
    :param width: of each layer
    :param depth: layers of each of the two networks
    :param activation: of each layer; ``silu`` is the paper's swish
    :param norm: of each layer, nothing if null
    :param predicted: which numbers of the next observation to predict: the first so many, a list
        that counts from 0, or all if null; for instance without contact forces
    :param learning_rate: of its own optimiser, which does not change
    :param optimizer: the optimiser
    :param pretraining_steps: steps on the first transitions, before actor and critic learn
    :param constraint: rule that the weights of all layers obey
    :param init: initialisation of the linear layers
    """

    predicted: Tensor

    def __init__(
        self,
        observation_space: "spaces.Space[object]",
        action_dim: int,
        width: int = 256,
        depth: int = 8,
        activation: Activation = "silu",
        norm: PartConfig | None = "batch",
        predicted: int | list[int] | None = None,
        learning_rate: float = 3e-4,
        optimizer: PartConfig = "adam",
        pretraining_steps: int = 10_000,
        constraint: PartConfig | None = None,
        init: Init = "default",
    ) -> None:
        super().__init__()
        check_at_least(0, pretraining_steps=pretraining_steps, learning_rate=learning_rate)
        self.flatten = FlattenExtractor(observation_space)
        size = self.flatten.features_dim
        chosen = size if predicted is None else predicted
        columns = list(range(min(chosen, size + 1))) if isinstance(chosen, int) else chosen
        within = bool(columns) and set(columns) <= set(range(size))
        if not within or isinstance(chosen, bool) or len(set(columns)) < len(columns):
            raise ValueError(
                f"predicted is {predicted}; allowed: 1 to {size}, or a list of numbers from 0 to "
                f"{size - 1}, each once"
            )
        self.state = DenseNet(size, 1, width, depth, activation, norm)
        self.features_dim = self.state.out_features
        self.state_action = DenseNet(
            self.features_dim + action_dim, 1, width, depth, activation, norm
        )
        self.state_action_dim = self.state_action.out_features
        # On the device: an index of Python numbers would be copied there in each step.
        self.register_buffer("predicted", torch.tensor(columns), persistent=False)
        self.output = EnsembleLinear(self.state_action_dim, len(columns), 1, output=True)
        self.initialize(init, constraint)
        self.pretraining_steps = pretraining_steps
        self.optimizer = build("optimizer", optimizer, self, learning_rate)

    def forward(self, observations: object, training: bool = False) -> Tensor:
        """
        :param observations: a tensor, or a mapping of tensors, with the batch first
        :param training: without effect: features are read, not learned
        :return: shape ``(batch, features_dim)``
        """
        return self._state(observations, training=False)

    def critic_dims(self, action_dim: int) -> tuple[int, int]:
        """
        :param action_dim: number of actions
        :return: width of ``z_sa``, and no actions
        """
        return self.state_action_dim, 0

    def critic_inputs(self, features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """
        :param features: of observations, shape ``(batch, features_dim)``
        :param actions: shape ``(batch, action_dim)``
        :return: ``z_sa``, shape ``(batch, state_action_dim)``, with a gradient for the actions if
            they want one, and no actions
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and actions.requires_grad):
            return self._state_action(features, actions, training=False), actions[:, :0]

    def learners(self, policy: TrainedPolicy) -> Iterator[Learner]:
        """
        :param policy: that this is the extractor of
        :return: one learner, of equation 1
        """
        modules = {"extractor": self}

        def loss(step: Step) -> tuple[Tensor, Metrics]:
            assert step.batch.transitions is not None
            observations, actions, next_observations = step.batch.transitions
            before, after = policy.prepare(observations), policy.prepare(next_observations)
            return self.auxiliary_loss(before, actions, after), {}

        yield Learner(
            "extractor",
            modules,
            self.optimizer,
            loss,
            targets=policy.targets_of(modules),
            reads_transitions=True,
            pretraining_steps=self.pretraining_steps,
        )

    def auxiliary_loss(
        self, observations: object, actions: Tensor, next_observations: object
    ) -> Tensor:
        """
        Equation 1, and the mean over the batch.

        :param observations: a tensor, or a mapping of tensors, with the batch first
        :param actions: shape ``(batch, action_dim)``
        :param next_observations: those one step later
        :return: a scalar
        """
        features = self._state(observations, training=True)
        joint = self._state_action(features, actions, training=True)
        expected = self.flatten(next_observations).index_select(1, self.predicted)
        error: Tensor = self.output(joint.unsqueeze(0))[0] - expected
        return error.square().sum(dim=1).mean()

    def _state(self, observations: object, training: bool) -> Tensor:
        found: Tensor = self.state(self.flatten(observations).unsqueeze(0), training)[0]
        return found

    def _state_action(self, features: Tensor, actions: Tensor, training: bool) -> Tensor:
        both = torch.cat((features, actions), dim=-1).unsqueeze(0)
        found: Tensor = self.state_action(both, training)[0]
        return found
