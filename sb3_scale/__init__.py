"""
Large networks for Stable-Baselines3, as plugins chosen by name.

The import is light: torch and Stable-Baselines3 load when :class:`SAC`, :class:`TD3` or
:class:`ScalePolicy` is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.hookspecs import hookimpl
from sb3_scale.specs import (
    Actor,
    Algorithm,
    Callback,
    Collector,
    Constraint,
    Critic,
    DiscreteActor,
    DiscreteCritic,
    Env,
    EnvBackend,
    Extractor,
    Loss,
    Network,
    Norm,
    NormConstraint,
    Optimizer,
    Recipe,
    Reduction,
    ReplayBuffer,
    Spec,
    StateActionExtractor,
    Transform,
    Value,
    ZooConfig,
)

if TYPE_CHECKING:
    from sb3_scale.algorithms import SAC, TD3
    from sb3_scale.policies import ScalePolicy
    from sb3_scale.recipes.model import recipe
    from sb3_scale.registration import register_envs

_LAZY = {
    "SAC": "sb3_scale.algorithms",
    "TD3": "sb3_scale.algorithms",
    "ScalePolicy": "sb3_scale.policies",
    "recipe": "sb3_scale.recipes.model",
    "register_envs": "sb3_scale.registration",
}

__all__ = [
    "SAC",
    "TD3",
    "Actor",
    "Algorithm",
    "Callback",
    "Collector",
    "Constraint",
    "Critic",
    "DiscreteActor",
    "DiscreteCritic",
    "Env",
    "EnvBackend",
    "Extractor",
    "Loss",
    "Network",
    "Norm",
    "NormConstraint",
    "Optimizer",
    "Recipe",
    "Reduction",
    "ReplayBuffer",
    "Sb3ScaleError",
    "ScalePolicy",
    "Spec",
    "StateActionExtractor",
    "Transform",
    "Value",
    "ZooConfig",
    "hookimpl",
    "recipe",
    "register_envs",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        # A third of the time that the import took, for what few ask.
        from importlib.metadata import version

        return version("sb3-scale")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'sb3_scale' has no attribute '{name}'")
