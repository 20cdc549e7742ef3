"""Makes the plugins' environments known to Gymnasium."""

import gymnasium

from sb3_scale.plugins import manager
from sb3_scale.specs import Env


def register_envs() -> None:
    """Register each plugin's environments under their plain ids; ids that exist are left alone."""
    for _, spec in manager().specs("env"):
        if isinstance(spec, Env) and spec.name not in gymnasium.registry:
            gymnasium.register(
                spec.name,
                entry_point=spec.target,
                vector_entry_point=spec.vector_target or None,
                kwargs=dict(spec.kwargs),
            )
