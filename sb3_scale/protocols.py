"""
What the code behind each part kind must be.

``sb3_scale.testing.check_component`` checks a part against its protocol. The leading arguments of
each constructor are the *context* that the core passes (see :attr:`sb3_scale.specs.Spec.context`);
the arguments after them are the part's parameters, which a YAML file sets by name.

Shapes use ``m`` for the members of an ensemble and ``b`` for the batch; an actor is an ensemble of
one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from torch import Tensor, nn

from sb3_scale.learning.update import Learner

if TYPE_CHECKING:
    import numpy as np
    from gymnasium import spaces
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
    from stable_baselines3.common.type_aliases import ReplayBufferSamples, RolloutReturn
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize
    from torch.optim import Optimizer as TorchOptimizer

    from sb3_scale.learning.batch import Batch

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


class TrainedPolicy(Protocol):
    """What a part that brings learners may use of the policy that it belongs to."""

    actor: Any
    critic: Any

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
        For the actor.

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
        :param outputs: shape ``(m, b, n_outputs)``
        :return: one estimate, for the actor, shape ``(b, 1)``
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

    def __init__(self, observation_space: "spaces.Space[Any]") -> None: ...

    def forward(self, observations: Any, training: bool = False) -> Tensor:
        """
        :param observations: tensors as Stable-Baselines3 preprocesses them (images scaled to
            [0, 1], discrete values one-hot), a mapping of them for ``Dict`` spaces
        :param training: whether norms use the statistics of this batch
        :return: shape ``(b, features_dim)``
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

        :param values: Q of its pairs under the present critic, as the actor's loss combines the
            members, shape ``(t,)``
        :param returns: the discounted returns that followed, in the units of Q, shape ``(t,)``
        :return: scalars to log by name
        """


class Transform(Protocol):
    """
    Changes a batch before the learners see it, inside the compiled function. A module, made as
    ``Transform(**params)``; :class:`sb3_scale.learning.transforms.Transform` has all but
    ``forward``.
    """

    scales_rewards: ClassVar[bool]
    """Whether rewards leave it in other units, which no second one may change again."""

    def forward(self, batch: "Batch") -> "Batch":
        """
        :param batch: as it was sampled, ``s``, ``s'`` and rewards among it
        :return: what the losses see
        """

    def bind(self, gamma: float, value_range: tuple[float, float] | None) -> None:
        """
        :param gamma: discount of a step
        :param value_range: bounds of the critic's values, nothing where they have none
        :raises ValueError: if the transform does not go with them
        """

    def observe(self, rewards: "np.ndarray", dones: "np.ndarray") -> None:
        """
        :param rewards: as the environments gave them, ``(n_envs,)``
        :param dones: whether each episode ended, ``(n_envs,)``
        """

    def restart(self) -> None:
        """Called when the environments begin anew."""

    def scaled_rewards(self, rewards: Any) -> Any:
        """
        :param rewards: in units of the replay buffer, an array or a tensor
        :return: in units of the critic
        """


class Collector(Protocol):
    """
    Who acts in training, and when gradient steps run. Made as ``Collector(**params)``, named by the
    algorithm's argument ``collector``; :class:`sb3_scale.collection.local.LocalCollector` is one.
    """

    def bind(self, model: "OffPolicyAlgorithm", optimizers: "Sequence[TorchOptimizer]") -> None:
        """
        :param model: the algorithm, once its policy exists
        :param optimizers: of the policy
        """

    def start(self, model: "OffPolicyAlgorithm", callback: "BaseCallback") -> None:
        """
        :param model: the algorithm, whose ``learn`` begins
        :param callback: all callbacks of the training
        """

    def stop(self, model: "OffPolicyAlgorithm") -> None:
        """
        :param model: the algorithm, whose ``learn`` ends, however it ends
        """

    def collect(
        self, model: "OffPolicyAlgorithm", env: "VecEnv", *args: Any, **kwargs: Any
    ) -> "RolloutReturn":
        """
        :param model: the algorithm, whose ``_store_transition`` takes what is collected
        :param env: the environments
        :param args: of ``collect_rollouts`` in Stable-Baselines3, whose callbacks are called
        :param kwargs: of the same
        :return: how much was collected
        """

    def choose(
        self, predict: Callable[..., Any], observation: Any, deterministic: bool
    ) -> "tuple[np.ndarray, tuple[np.ndarray, ...] | None]":
        """
        :param predict: of the policy
        :param observation: of all environments
        :param deterministic: whether to take the mode instead of a sample
        :return: the actions of the next environment step, and the state
        """

    def update(
        self,
        model: "OffPolicyAlgorithm",
        gradient_steps: "Callable[[Iterable[Batch]], None]",
        batches: "Iterable[Batch]",
    ) -> None:
        """
        :param model: the algorithm
        :param gradient_steps: takes the gradient steps of a ``train`` call, here or later
        :param batches: one per step, each drawn when it is asked for
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
