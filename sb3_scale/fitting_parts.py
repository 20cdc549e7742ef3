"""Whether actor, critic and extractor are for the kind of actions that an environment takes."""

from collections.abc import Mapping
from typing import Any

from gymnasium import spaces

from sb3_scale.actions import is_discrete
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.parts import spec_of
from sb3_scale.plugins import manager
from sb3_scale.specs import DiscreteActor, DiscreteCritic, StateActionExtractor

FIRST: Mapping[str, tuple[type, str, str]] = {
    "actor": (DiscreteActor, "categorical", "squashed-gaussian"),
    "critic": (DiscreteCritic, "discrete-ensemble", "ensemble"),
}
"""By kind: the specs of parts for discrete actions, and which parts are probably meant."""


def check_fit_to_actions(parts: Mapping[str, Any], action_space: spaces.Space[Any]) -> None:
    """
    :param parts: of a policy, by argument
    :param action_space: of the environment
    :raises Sb3ScaleError: if one is for other actions
    """
    discrete = is_discrete(action_space)
    for kind, (theirs, for_discrete, for_box) in FIRST.items():
        if isinstance(spec_of(kind, parts[kind]), theirs) == discrete:
            continue
        fitting = [
            spec.name for _, spec in manager().specs(kind) if isinstance(spec, theirs) == discrete
        ]
        raise Sb3ScaleError(
            f"{kind} {shown(parts[kind])} is for {'continuous' if discrete else 'discrete'} "
            f"actions, and the action space is {shown(action_space)}; allowed: "
            f"{', '.join(fitting)}; did you mean '{for_discrete if discrete else for_box}'?"
        )
    if discrete and isinstance(spec_of("extractor", parts["extractor"]), StateActionExtractor):
        raise Sb3ScaleError(
            f"extractor {shown(parts['extractor'])} reads actions as numbers, and the action space "
            f"is {shown(action_space)}; allowed: extractors of observations alone"
        )
