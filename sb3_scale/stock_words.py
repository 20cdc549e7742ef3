"""Arguments of Stable-Baselines3's policies, in the words of ScalePolicy."""

from collections.abc import Mapping
from typing import Any

import yaml
from torch import nn

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.nn.activations import ACTIVATIONS

STOCK_KEYS = ("net_arch", "activation_fn", "n_critics", "optimizer_class", "optimizer_kwargs")
"""What has the same meaning here, under other names."""

EXTRACTOR_KEYS = (
    "features_extractor_class",
    "features_extractor_kwargs",
    "share_features_extractor",
)
"""What an ``extractor`` stands for, which actor and critic always share."""

SDE_KEYS = ("log_std_init", "use_expln", "clip_mean", "sde_net_arch")
"""What goes with ``use_sde``."""

EXAMPLE = "parts, such as critic: {name: ensemble, network: {name: mlp, width: 256, depth: 2}}"

NO_SDE = (
    "use_sde is true, and ScalePolicy has no state-dependent exploration; allowed: false, and for "
    "noise that lasts over several steps action_noise=OrnsteinUhlenbeckActionNoise(...), in a YAML "
    "file of RL-Zoo noise_type: ornstein-uhlenbeck, noise_std: 0.2"
)


def check_stock_words(policy_kwargs: Mapping[str, Any]) -> None:
    """
    :param policy_kwargs: for a ScalePolicy
    :raises Sb3ScaleError: if a key is one of Stable-Baselines3's policies, with the same in ours
    """
    if policy_kwargs.get("use_sde"):
        raise Sb3ScaleError(NO_SDE)
    stock = (*STOCK_KEYS, *EXTRACTOR_KEYS, *SDE_KEYS)
    found = [key for key in stock if key in policy_kwargs]
    if not found:
        return
    instead = "nothing, these belong to use_sde"
    if found[0] in EXTRACTOR_KEYS:
        instead = (
            "extractor: flatten, extractor: symlog or one of your own, which actor and critic share"
        )
    if found[0] in STOCK_KEYS:
        text = yaml.safe_dump(
            in_our_words(policy_kwargs), default_flow_style=True, sort_keys=False, width=10**6
        )
        # Nothing is left of values that no policy takes.
        instead = text.strip().removeprefix("{").removesuffix("}") or EXAMPLE
    raise Sb3ScaleError(
        f"policy_kwargs: {found[0]} is {_shown(policy_kwargs[found[0]])}, which is for policies of "
        f"Stable-Baselines3; allowed with ScalePolicy: {instead}"
    )


def in_our_words(policy_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """
    :param policy_kwargs: with keys of Stable-Baselines3
    :return: the same parts as arguments of ScalePolicy; hidden layers get the largest width, and
        what no part of ours does is left out
    """
    parts: dict[str, Any] = {}
    for part, name, side in (("actor", "squashed-gaussian", "pi"), ("critic", "ensemble", "qf")):
        network = _network(policy_kwargs, side)
        given = policy_kwargs.get(part, name)
        words = dict(given) if isinstance(given, Mapping) else {"name": given}
        if network:
            words["network"] = network
        if part == "critic" and "n_critics" in policy_kwargs:
            words["n_critics"] = policy_kwargs["n_critics"]
        if len(words) > 1:
            parts[part] = words
    if "optimizer_class" in policy_kwargs or "optimizer_kwargs" in policy_kwargs:
        name = getattr(policy_kwargs.get("optimizer_class"), "__name__", "Adam").lower()
        given = policy_kwargs.get("optimizer_kwargs")
        parts["optimizer"] = {"name": name, **(given if isinstance(given, Mapping) else {})}
        if len(parts["optimizer"]) == 1:
            parts["optimizer"] = name
    return parts


def _network(policy_kwargs: Mapping[str, Any], side: str) -> dict[str, Any]:
    widths = policy_kwargs.get("net_arch")
    if isinstance(widths, Mapping):
        widths = widths.get(side)
    words: dict[str, Any] = {}
    if isinstance(widths, (list, tuple)) and all(isinstance(width, int) for width in widths):
        words = {"width": max(widths)} if widths else {}
        words["depth"] = len(widths)
    for name, kind in ACTIVATIONS.items():
        if kind is policy_kwargs.get("activation_fn"):
            words["activation"] = name
    return {"name": "mlp", **words} if words else {}


def _shown(value: Any) -> str:
    known = isinstance(value, type) and issubclass(value, nn.Module)
    text = value.__name__ if known else repr(value)
    return text if len(text) < 80 else f"{text[:80]}..."
