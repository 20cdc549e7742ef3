"""
What a plugin offers: frozen descriptions of parts, which name code without importing it.

Each part kind has a protocol in :mod:`sb3_scale.protocols` that says what the code must be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Spec:
    """
    A part under a name.

    :param name: the name that a YAML file uses
    :param target: ``"module:attribute"`` of the class or function, imported on first use
    :param summary: one sentence for the catalogue
    :param reference: the paper, section and equation that it implements
    :param equation: the formula in plain text
    """

    kind: ClassVar[str]
    context: ClassVar[tuple[str, ...]] = ()
    """Names of the leading arguments that the core passes; the others are the user's parameters."""
    methods: ClassVar[tuple[str, ...]] = ()
    """What every part of the kind must have, see :mod:`sb3_scale.protocols`."""
    attributes: ClassVar[tuple[str, ...]] = ()
    """The same of attributes that are no methods."""
    takes_training: ClassVar[bool] = False
    """Whether ``forward`` must have the argument ``training``."""
    second: ClassVar[str] = ""
    """Name of the argument of ``forward`` that is given second, without its name."""
    base: ClassVar[str] = ""
    """A class that has all of it but for what is new in each part."""
    plain: ClassVar[str] = ""
    """``"module:attribute"`` of what completes a module that lacks what it could have of the kind;
    without it such a module is refused."""
    plain_needs: ClassVar[tuple[str, ...]] = ()
    """Attributes that no such module may lack."""

    name: str
    target: str
    summary: str = ""
    reference: str = ""
    equation: str = ""


@dataclass(frozen=True)
class Network(Spec):
    """Hidden layers of an actor or critic, see :class:`sb3_scale.protocols.Network`."""

    kind: ClassVar[str] = "network"
    context: ClassVar[tuple[str, ...]] = ("in_features", "n_members")
    methods: ClassVar[tuple[str, ...]] = ("forward", "state_dict")
    attributes: ClassVar[tuple[str, ...]] = ("out_features",)
    takes_training: ClassVar[bool] = True
    second: ClassVar[str] = "training"


@dataclass(frozen=True)
class Norm(Spec):
    """A normalisation layer, see :class:`sb3_scale.protocols.Norm`."""

    kind: ClassVar[str] = "norm"
    context: ClassVar[tuple[str, ...]] = ("num_features", "n_members")
    methods: ClassVar[tuple[str, ...]] = ("forward", "state_dict")
    takes_training: ClassVar[bool] = True
    second: ClassVar[str] = "training"


@dataclass(frozen=True)
class Constraint(Spec):
    """A rule that weights obey after each update, see :class:`sb3_scale.protocols.Constraint`."""

    kind: ClassVar[str] = "constraint"
    context: ClassVar[tuple[str, ...]] = ("layers",)
    methods: ClassVar[tuple[str, ...]] = ("project_",)


@dataclass(frozen=True)
class NormConstraint(Constraint):
    """
    A rule that the parameters of norms obey too, see :class:`sb3_scale.protocols.Constraint`;
    chosen as any constraint.
    """

    context: ClassVar[tuple[str, ...]] = ("layers", "norms")


@dataclass(frozen=True)
class Actor(Spec):
    """A policy head with its network, see :class:`sb3_scale.protocols.Actor`."""

    kind: ClassVar[str] = "actor"
    context: ClassVar[tuple[str, ...]] = ("features_dim", "action_dim")
    methods: ClassVar[tuple[str, ...]] = ("forward", "learners", "project_", "state_dict")
    attributes: ClassVar[tuple[str, ...]] = ("stochastic", "target")
    takes_training: ClassVar[bool] = True
    second: ClassVar[str] = "deterministic"
    base: ClassVar[str] = "sb3_scale.nn.base.ConstrainedModule"


@dataclass(frozen=True)
class DiscreteActor(Actor):
    """
    A policy head over discrete actions, see :class:`sb3_scale.protocols.DiscreteActor`; chosen as
    any actor, and only where actions are discrete.
    """

    context: ClassVar[tuple[str, ...]] = ("features_dim", "n_actions")
    methods: ClassVar[tuple[str, ...]] = (*Actor.methods, "action_log_prob", "log_probs")
    base: ClassVar[str] = "sb3_scale.nn.discrete.CategoricalActor"


@dataclass(frozen=True)
class Critic(Spec):
    """Action values, see :class:`sb3_scale.protocols.Critic`."""

    kind: ClassVar[str] = "critic"
    context: ClassVar[tuple[str, ...]] = ("features_dim", "action_dim")
    methods: ClassVar[tuple[str, ...]] = (
        "forward",
        "mean",
        "judge",
        "bootstrap",
        "td_errors",
        "learners",
        "project_",
        "state_dict",
    )
    attributes: ClassVar[tuple[str, ...]] = ("joint_batch", "target", "value")
    takes_training: ClassVar[bool] = True
    base: ClassVar[str] = "sb3_scale.nn.critics.EnsembleCritic"


@dataclass(frozen=True)
class DiscreteCritic(Critic):
    """
    Values of all discrete actions, see :class:`sb3_scale.protocols.DiscreteCritic`; chosen as any
    critic, and only where actions are discrete.
    """

    context: ClassVar[tuple[str, ...]] = ("features_dim", "n_actions")
    methods: ClassVar[tuple[str, ...]] = (
        *Critic.methods,
        "all_outputs",
        "taken",
        "judge_all",
        "bootstrap_all",
    )
    base: ClassVar[str] = "sb3_scale.nn.discrete.DiscreteEnsembleCritic"


@dataclass(frozen=True)
class Extractor(Spec):
    """Features of an observation, see :class:`sb3_scale.protocols.Extractor`."""

    kind: ClassVar[str] = "extractor"
    context: ClassVar[tuple[str, ...]] = ("observation_space",)
    methods: ClassVar[tuple[str, ...]] = (
        "forward",
        "actor_dim",
        "actor_inputs",
        "actor_features",
        "critic_dims",
        "critic_inputs",
        "learners",
        "project_",
        "state_dict",
    )
    attributes: ClassVar[tuple[str, ...]] = ("features_dim", "hidden_keys")
    takes_training: ClassVar[bool] = True
    second: ClassVar[str] = "training"
    base: ClassVar[str] = "sb3_scale.nn.base.Extractor"
    plain: ClassVar[str] = "sb3_scale.nn.plain:PlainExtractor"
    plain_needs: ClassVar[tuple[str, ...]] = ("forward", "state_dict", "features_dim")


@dataclass(frozen=True)
class StateActionExtractor(Extractor):
    """
    Features of an observation and of pairs with an action, see
    :class:`sb3_scale.protocols.Extractor`; chosen as any extractor.
    """

    context: ClassVar[tuple[str, ...]] = ("observation_space", "action_dim")


@dataclass(frozen=True)
class ExtractorClass(Extractor):
    """
    An extractor of Stable-Baselines3's kind that no plugin offers: the user gives its class.

    :param code: the class
    """

    code: type | None = None


@dataclass(frozen=True)
class Value(Spec):
    """What the outputs of a critic mean, see :class:`sb3_scale.protocols.Value`."""

    kind: ClassVar[str] = "value"
    methods: ClassVar[tuple[str, ...]] = (
        "mean",
        "distribution",
        "expectation",
        "bootstrap",
        "errors",
        "state_dict",
    )
    attributes: ClassVar[tuple[str, ...]] = ("outputs", "n_outputs", "loss", "value_range")
    base: ClassVar[str] = "sb3_scale.nn.values.CriticValue"


@dataclass(frozen=True)
class Reduction(Spec):
    """
    How the members of a critic become one estimate, see :class:`sb3_scale.protocols.Reduction`.
    """

    kind: ClassVar[str] = "reduction"
    context: ClassVar[tuple[str, ...]] = ("n_members",)
    methods: ClassVar[tuple[str, ...]] = ("check", "target", "actor", "state_dict")
    attributes: ClassVar[tuple[str, ...]] = ("reads",)
    base: ClassVar[str] = "sb3_scale.nn.reductions.CriticReduction"


@dataclass(frozen=True)
class Loss(Spec):
    """The critic's loss, see :class:`sb3_scale.protocols.Loss`."""

    kind: ClassVar[str] = "loss"
    methods: ClassVar[tuple[str, ...]] = (
        "forward",
        "calibrate",
        "learners",
        "project_",
        "state_dict",
    )
    attributes: ClassVar[tuple[str, ...]] = ("reads", "soft_weight", "calibrated")
    base: ClassVar[str] = "sb3_scale.nn.base.CriticLoss"
    plain: ClassVar[str] = "sb3_scale.nn.plain:PlainLoss"


@dataclass(frozen=True)
class Optimizer(Spec):
    """A maker of optimisers, see :class:`sb3_scale.protocols.Optimizer`."""

    kind: ClassVar[str] = "optimizer"
    context: ClassVar[tuple[str, ...]] = ("module", "lr")
    methods: ClassVar[tuple[str, ...]] = ("step", "state_dict")
    attributes: ClassVar[tuple[str, ...]] = ("param_groups",)
    base: ClassVar[str] = "torch.optim.Optimizer"


@dataclass(frozen=True)
class ReplayBuffer(Spec):
    """Where transitions are kept and drawn, see :class:`sb3_scale.protocols.ReplayBuffer`."""

    kind: ClassVar[str] = "replay-buffer"
    context: ClassVar[tuple[str, ...]] = (
        "buffer_size",
        "observation_space",
        "action_space",
        "device",
        "n_envs",
        "optimize_memory_usage",
    )


@dataclass(frozen=True)
class Transform(Spec):
    """A change of each batch before the update, see :class:`sb3_scale.protocols.Transform`."""

    kind: ClassVar[str] = "transform"
    methods: ClassVar[tuple[str, ...]] = (
        "forward",
        "bind",
        "observe",
        "restart",
        "scaled_rewards",
        "state_dict",
    )
    attributes: ClassVar[tuple[str, ...]] = ("scales_rewards",)
    base: ClassVar[str] = "sb3_scale.learning.transforms.Transform"


@dataclass(frozen=True)
class Collector(Spec):
    """Who acts while the networks learn, see :class:`sb3_scale.protocols.Collector`."""

    kind: ClassVar[str] = "collector"
    methods: ClassVar[tuple[str, ...]] = (
        "bind",
        "start",
        "stop",
        "collect",
        "choose",
        "update",
        "count_environments",
        "decisions_per_rollout",
    )
    attributes: ClassVar[tuple[str, ...]] = ("own_environments",)
    base: ClassVar[str] = "sb3_scale.collection.local.LocalCollector"


@dataclass(frozen=True)
class Callback(Spec):
    """A callback of Stable-Baselines3: a diagnostic, or an intervention such as a reset."""

    kind: ClassVar[str] = "callback"


@dataclass(frozen=True)
class Algorithm(Spec):
    """A ``stable_baselines3`` algorithm that RL-Zoo knows as ``--algo NAME``."""

    kind: ClassVar[str] = "algorithm"


@dataclass(frozen=True)
class Env(Spec):
    """
    An environment that ``gymnasium.make(name)`` and ``--env NAME`` know.

    :param kwargs: arguments of the entry point
    :param vector_target: ``"module:attribute"`` of a ``gymnasium.vector.VectorEnv`` for
        ``gymnasium.make_vec``, which takes ``num_envs`` beside the same arguments
    """

    kind: ClassVar[str] = "env"

    kwargs: Mapping[str, Any] = field(default_factory=dict)
    vector_target: str = ""


@dataclass(frozen=True)
class EnvBackend(Spec):
    """
    What makes the training environments, see :class:`sb3_scale.protocols.EnvBackend`.

    :param example_env: id of an environment that it has, for the catalogue's example
    """

    kind: ClassVar[str] = "env-backend"
    context: ClassVar[tuple[str, ...]] = ("env_id", "n_envs", "env_kwargs")

    example_env: str = "dog-run"


@dataclass(frozen=True)
class ZooConfig(Spec):
    """
    A file of hyperparameters for RL-Zoo; ``target`` is ``"package:folder/file.yml"``.

    :param algo: name of the algorithm, as in ``--algo``
    """

    kind: ClassVar[str] = "zoo-config"

    algo: str = ""


@dataclass(frozen=True)
class Recipe(Spec):
    """
    Complete settings for any environment with their kind of spaces, asked for by name.

    ``target`` is ``"package:folder/file.yml"``, a file of RL-Zoo's settings with a ``default``;
    tasks beside it are exceptions.

    :param algo: name of the algorithm, as in ``--algo``
    """

    kind: ClassVar[str] = "recipe"

    algo: str = ""


KINDS: dict[str, type[Spec]] = {
    cls.kind: cls
    for cls in (
        Network,
        Norm,
        Constraint,
        Actor,
        Critic,
        Value,
        Reduction,
        Extractor,
        Loss,
        Optimizer,
        ReplayBuffer,
        Transform,
        Collector,
        Callback,
        Algorithm,
        Env,
        EnvBackend,
        ZooConfig,
        Recipe,
    )
}
"""Spec class of each part kind."""
