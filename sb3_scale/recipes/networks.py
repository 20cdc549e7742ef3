"""The networks of a recipe in a few words."""

from collections.abc import Mapping
from typing import Any

from sb3_scale.errors import Sb3ScaleError, shown


def described(settings: Mapping[str, Any]) -> str:
    """
    :param settings: of a recipe, plain
    :return: its networks in a few words
    :raises Sb3ScaleError: if a part is neither a name nor a mapping
    """
    kwargs = settings.get("policy_kwargs") or {}
    critic, actor = (_mapping(kwargs.get(key)) for key in ("critic", "actor"))
    extractor = _mapping(kwargs.get("extractor"))
    n_critics = critic.get("n_critics", 2)
    words = [
        f"{n_critics} critic{'s' if n_critics != 1 else ''} {_network(critic.get('network'))}",
        f"actor {_network(actor.get('network'))}",
    ]
    return ", ".join([*words, *([extractor["name"]] if "name" in extractor else [])])


def _network(part: Any) -> str:
    given = {"name": "mlp", **_mapping(part)}
    size = [str(given[key]) for key in ("depth", "width") if key in given]
    return " ".join([given["name"], " x ".join(size)]).strip()


def _mapping(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"name": part}
    if part is None or (isinstance(part, Mapping) and isinstance(part.get("name", ""), str)):
        return dict(part or {})
    raise Sb3ScaleError(f"a part is {shown(part)}; allowed: its name, or a mapping with it")
