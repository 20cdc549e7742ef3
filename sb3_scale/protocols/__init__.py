"""
What the code behind each part kind must be.

``sb3_scale.testing.check_component`` checks a part against its protocol. The leading arguments of
each constructor are the *context* that the core passes (see :attr:`sb3_scale.specs.Spec.context`);
the arguments after them are the part's parameters, which a YAML file sets by name.

Shapes use ``m`` for the members of an ensemble and ``b`` for the batch; an actor is an ensemble of
one.
"""

from sb3_scale.protocols.critics import Critic, DiscreteCritic, Reduction, Value
from sb3_scale.protocols.heads import (
    Actor,
    DiscreteActor,
    Extractor,
    Loss,
    Trainable,
    TrainedPolicy,
)
from sb3_scale.protocols.layers import Constraint, ExtractorConfig, Network, Norm, PartConfig
from sb3_scale.protocols.training import (
    Callback,
    Collector,
    EnvBackend,
    Optimizer,
    ReplayBuffer,
    Transform,
)

__all__ = [
    "Actor",
    "Callback",
    "Collector",
    "Constraint",
    "Critic",
    "DiscreteActor",
    "DiscreteCritic",
    "EnvBackend",
    "Extractor",
    "ExtractorConfig",
    "Loss",
    "Network",
    "Norm",
    "Optimizer",
    "PartConfig",
    "Reduction",
    "ReplayBuffer",
    "Trainable",
    "TrainedPolicy",
    "Transform",
    "Value",
]
