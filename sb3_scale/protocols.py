"""
What the code behind each part kind must be.

``sb3_scale.testing.check_component`` checks a part against its protocol. The leading arguments of
each constructor are the *context* that the core passes (see :attr:`sb3_scale.specs.Spec.context`);
the arguments after them are the part's parameters, which a YAML file sets by name.

Shapes use ``m`` for the members of an ensemble and ``b`` for the batch; an actor is an ensemble of
one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn

if TYPE_CHECKING:
    import numpy as np
    from gymnasium import spaces
    from stable_baselines3.common.type_aliases import ReplayBufferSamples
    from stable_baselines3.common.vec_env import VecNormalize
    from torch.optim import Optimizer as TorchOptimizer

    from sb3_scale.policies import ScalePolicy


PartConfig = str | dict[str, Any]
"""A part in a YAML file: its name, or a mapping with ``name`` and parameters."""


class Network(Protocol):
    """
    Hidden layers. Made as ``Network(in_features, n_members, **params)``.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    """

    out_features: int

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: inputs, shape ``(m, b, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: features, shape ``(m, b, out_features)``
        """


class Norm(Protocol):
    """
    Normalises features per member. Made as ``Norm(num_features, n_members, **params)``.

    A norm that cannot be trained with a batch of one has an attribute ``batch_statistics = True``.
    """

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(m, b, num_features)``
        :param training: whether to use, and remember, the statistics of this batch
        :return: shape ``(m, b, num_features)``
        """


class Constraint(Protocol):
    """
    Keeps weights in a set. Made as ``Constraint(layers, **params)``.

    :param layers: all ensemble linear layers of one actor or critic, input first, output last
    """

    def project_(self) -> None:
        """Restore the constraint, called at initialisation and after each change of the weights."""


class Actor(Protocol):
    """
    A policy head with its network. Made as ``Actor(features_dim, action_dim, **params)``.

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

    def project_(self) -> None:
        """Restore the constraint on the weights, called after each optimiser step."""


class ExploringActor(Actor, Protocol):
    """
    An actor with weights that only choose actions in training, and that have a loss of their own.

    :meth:`forward` uses them where it is not deterministic, :meth:`action_log_prob` does not. They
    are parameters of the actor, so that its optimiser holds them too.
    """

    exploration_optimizer: "TorchOptimizer"
    """Of those among them that the actor's optimiser does not step; saved in checkpoints."""

    def train_exploration(
        self, features: Tensor, policy: "ScalePolicy", optimize: Callable[[Tensor], None]
    ) -> dict[str, Tensor]:
        """
        Change those weights and no others, called after each step of the actor.

        :param features: without gradient, shape ``(b, features_dim)``
        :param policy: after the critic's step; its ``critic_outputs`` and ``critic.value`` judge
            actions
        :param optimize: steps the actor's optimiser with a loss; a parameter that the loss does not
            depend on is not changed
        :return: scalars to log by name
        """


class Critic(Protocol):
    """
    Action values of ``n_critics`` independent members.

    Made as ``Critic(features_dim, action_dim, **params)``.

    :param features_dim: width of the features
    :param action_dim: number of actions
    """

    joint_batch: bool
    """Whether the update passes [s, a ; s', a'] through the critic at once, in training mode."""

    target: bool
    """Whether the update keeps a Polyak copy for the bootstrap target."""

    def forward(self, features: Tensor, actions: Tensor, training: bool = False) -> Tensor:
        """
        :param features: shape ``(b, features_dim)``
        :param actions: shape ``(b, action_dim)``
        :param training: whether norms use the statistics of this batch
        :return: outputs, shape ``(n_critics, b, n_outputs)``
        """

    def value(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: shape ``(n_critics, b, n_outputs)``
        :return: expected return per member, shape ``(n_critics, b, 1)``
        """

    def reduce(self, values: Tensor) -> Tensor:
        """
        Combine the members' estimates, for the bootstrap target and for SAC's actor.

        :param values: shape ``(n_critics, b, k)``
        :return: shape ``(b, k)``, or ``(n_critics, b, k)`` where each member has its own target
        """

    def project_(self) -> None:
        """Restore the constraint on the weights, called after each optimiser step."""


class Extractor(Protocol):
    """
    Features of an observation, for actor and critic. Made as ``Extractor(observation_space)``.

    The critic's loss trains it, the actor sees detached features.

    :param observation_space: the environment's space
    """

    features_dim: int

    def __init__(self, observation_space: "spaces.Space[Any]") -> None: ...

    def forward(self, observations: Any, training: bool = False) -> Tensor:
        """
        :param observations: tensors as Stable-Baselines3 preprocesses them (images scaled to
            [0, 1], discrete values one-hot), a mapping of them for ``Dict`` spaces
        :param training: whether norms use the statistics of this batch
        :return: shape ``(b, features_dim)``
        """


class PairExtractor(Extractor, Protocol):
    """
    An extractor that also has features of pairs, which the critic then reads instead of features
    and actions. Made as ``PairExtractor(observation_space, action_dim)``.

    :param observation_space: the environment's space
    :param action_dim: number of actions
    """

    pair_dim: int

    def __init__(self, observation_space: "spaces.Space[Any]", action_dim: int) -> None: ...

    def pair(self, features: Tensor, actions: Tensor) -> Tensor:
        """
        :param features: of observations, shape ``(b, features_dim)``
        :param actions: shape ``(b, action_dim)``
        :return: shape ``(b, pair_dim)``
        """


class AuxiliaryExtractor(Extractor, Protocol):
    """
    An extractor that learns from transitions by a loss of its own, and not by the critic's.

    Each gradient step trains it first, on a batch of its own.
    """

    optimizer: "TorchOptimizer"
    """Of its parameters; saved in checkpoints."""

    pretraining_steps: int
    """Steps before the first gradient step of actor and critic."""

    def auxiliary_loss(self, observations: Any, actions: Tensor, next_observations: Any) -> Tensor:
        """
        :param observations: as :meth:`forward` gets them, ``b`` of them
        :param actions: shape ``(b, action_dim)``
        :param next_observations: those one step later
        :return: a scalar
        """

    def project_(self) -> None:
        """Restore the constraint on the weights, called after each of its steps."""


class Loss(Protocol):
    """The critic's loss. A module, so that state of an adapting loss is saved with the policy."""

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: of the critic, shape ``(n_critics, b, n_outputs)``
        :param target: bootstrap target, broadcastable to ``outputs``
        :return: a scalar
        """


class CalibratedLoss(Loss, Protocol):
    """A loss that adjusts itself to how far Q is from the returns of finished episodes."""

    def calibrate(self, values: Tensor, returns: Tensor) -> dict[str, Tensor]:
        """
        Called before a ``train`` call's gradient steps, but for the first, with the latest episode
        that has ended since the one before.

        :param values: Q of its pairs under the present critic, as the bootstrap target combines the
            members, shape ``(t,)``
        :param returns: the discounted returns that followed, in the units of Q, shape ``(t,)``
        :return: scalars to log by name
        """


class Optimizer(Protocol):
    """
    Makes the optimiser of one module, called as ``optimizer(module, lr, **params)``.

    The algorithm sets one learning rate for all parameter groups, as Stable-Baselines3 does.
    """

    def __call__(self, module: nn.Module, lr: float) -> "TorchOptimizer":
        """
        :param module: the actor, or the critic with its extractor
        :param lr: learning rate at the start
        :return: an optimiser over the module's parameters
        """


class ReplayBuffer(Protocol):
    """
    A ``stable_baselines3.common.buffers.ReplayBuffer``, named under ``replay_buffer_class``.

    Made by Stable-Baselines3 as ``ReplayBuffer(buffer_size, observation_space, action_space,
    device=..., n_envs=..., optimize_memory_usage=..., **params)``, with the parameters that
    ``replay_buffer_kwargs`` has.
    """

    def add(
        self,
        obs: "np.ndarray",
        next_obs: "np.ndarray",
        action: "np.ndarray",
        reward: "np.ndarray",
        done: "np.ndarray",
        infos: list[dict[str, Any]],
    ) -> None:
        """
        :param obs: ``(n_envs, *shape)``
        :param next_obs: ``(n_envs, *shape)``, the last one of the episode where ``done``
        :param action: ``(n_envs, *action shape)``
        :param reward: ``(n_envs,)``
        :param done: ``(n_envs,)``
        :param infos: of each environment
        """

    def sample(self, batch_size: int, env: "VecNormalize | None" = None) -> "ReplayBufferSamples":
        """
        :param batch_size: transitions to draw
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``batch_size`` rows on the buffer's device
        """


class Callback(Protocol):
    """
    A diagnostic or an intervention: a ``stable_baselines3.common.callbacks.BaseCallback``.

    Made as ``Callback(**params)``, by a YAML file under RL-Zoo's key ``callback`` or by the user
    for ``learn(callback=...)``. A parameter ``folder`` is the run's folder, where RL-Zoo has one.
    """


class EnvBackend(Protocol):
    """
    Makes the training environments as one ``stable_baselines3.common.vec_env.VecEnv``.

    Made as ``EnvBackend(env_id, n_envs, env_kwargs, **params)``, by a YAML file under the key
    ``env_backend``. Spaces, rewards and ends of episodes are those of ``n_envs`` times
    ``gymnasium.make(env_id, **env_kwargs)`` in a ``DummyVecEnv``, which evaluates the agent. It
    keeps the promises of that class: a finished environment begins again by itself, its last
    observation is ``infos[i]["terminal_observation"]``, ``infos[i]["TimeLimit.truncated"]`` tells
    a truncation, and ``seed(s)`` counts from the next ``reset``. The bridge into RL-Zoo puts a
    ``VecMonitor`` around it.

    :param env_id: the id that ``gymnasium.make`` knows
    :param n_envs: number of environments
    :param env_kwargs: arguments of ``gymnasium.make``; those that it cannot keep are an error
    """
