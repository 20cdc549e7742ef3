"""Arguments of Stable-Baselines3's policies, in the words of ScalePolicy."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from stable_baselines3.common.torch_layers import CombinedExtractor, NatureCNN
from torch import nn

from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.extractor_classes import named
from sb3_scale.nn.activations import ACTIVATIONS

NONE: Mapping[str, Any] = MappingProxyType({})

NETWORK_KEYS = ("net_arch", "activation_fn")
"""What a ``network`` of actor and critic stands for."""

OPTIMIZER_KEYS = ("optimizer_class", "optimizer_kwargs")
"""What an ``optimizer`` stands for."""

EXTRACTOR_KEYS = (
    "features_extractor_class",
    "features_extractor_kwargs",
    "share_features_extractor",
)
"""What an ``extractor`` stands for, which actor and critic always share."""

DEFAULT_EXTRACTORS = {"features_dim": NatureCNN, "cnn_output_dim": CombinedExtractor}
"""Those that CnnPolicy and MultiInputPolicy have, by the argument that only they take."""

SDE_KEYS = ("log_std_init", "use_expln", "clip_mean", "sde_net_arch")
"""What goes with ``use_sde``."""

KWARGS = ("optimizer_kwargs", "features_extractor_kwargs")

SIDES = (("actor", "squashed-gaussian", "pi"), ("critic", "ensemble", "qf"))
"""Parts with a network, their defaults, and their names in ``net_arch``."""

NO_SDE = (
    "use_sde is true, and ScalePolicy has no state-dependent exploration; allowed: false, and for "
    "noise that lasts over several steps action_noise=OrnsteinUhlenbeckActionNoise(...), in a YAML "
    "file of RL-Zoo noise_type: ornstein-uhlenbeck, noise_std: 0.2"
)


def in_our_words(
    policy_kwargs: Mapping[str, Any], defaults: Mapping[str, Any] = NONE
) -> dict[str, Any]:
    """
    :param policy_kwargs: for a ScalePolicy, with keys of Stable-Baselines3's policies among them
    :param defaults: parts that need not be named
    :return: the same parts as arguments of ScalePolicy alone
    :raises Sb3ScaleError: if no part does what a key asks for
    """
    if policy_kwargs.get("use_sde"):
        raise Sb3ScaleError(NO_SDE)
    for key in SDE_KEYS:
        if key in policy_kwargs:
            raise _refusal(policy_kwargs, key, "nothing, this belongs to use_sde")
    for key in KWARGS:
        if not isinstance(policy_kwargs.get(key), Mapping | None):
            raise _refusal(policy_kwargs, key, "a mapping of arguments")
    words = {**defaults, **policy_kwargs}
    _networks(words)
    if "n_critics" in words:
        _set(words, "critic", "ensemble", n_critics=words.pop("n_critics"))
    _optimizer(words, policy_kwargs)
    _extractor(words)
    if "extractor" in words:
        words["extractor"] = named(words["extractor"])
    return words


def _networks(words: dict[str, Any]) -> None:
    given = dict(words)
    for part, name, side in SIDES:
        layers = _layers(given, side)
        if not layers:
            continue
        network = _mapping(_mapping(given.get(part, name)).get("network", "mlp"))
        if network.get("name") != "mlp":
            key = next(key for key in NETWORK_KEYS if key in given)
            raise _refusal(given, key, f"it or the network of the {part}, {shown(network)}")
        _set(words, part, name, network={**network, **layers})
    for key in NETWORK_KEYS:
        words.pop(key, None)


def _layers(given: Mapping[str, Any], side: str) -> dict[str, Any]:
    layers: dict[str, Any] = {}
    widths = given.get("net_arch")
    if isinstance(widths, Mapping) and side in widths:
        widths = widths[side]
    if widths is not None:
        if not isinstance(widths, (list, tuple)) or not all(type(each) is int for each in widths):
            raise _refusal(given, "net_arch", "widths of hidden layers, such as [256, 256]")
        if len(set(widths)) > 1:
            raise _refusal(
                given,
                "net_arch",
                f"hidden layers of one width, such as {[max(widths)] * len(widths)}",
            )
        layers = {"width": widths[0]} if widths else {}
        layers["depth"] = len(widths)
    kind = given.get("activation_fn")
    if kind is not None:
        names = [name for name, each in ACTIVATIONS.items() if each is kind]
        if not names:
            known = ", ".join(f"torch.nn.{each.__name__}" for each in ACTIVATIONS.values())
            raise _refusal(given, "activation_fn", known)
        layers["activation"] = names[0]
    return layers


def _optimizer(words: dict[str, Any], given: Mapping[str, Any]) -> None:
    cls, options = (words.pop(key, None) for key in OPTIMIZER_KEYS)
    if cls is None and options is None:
        return
    part = _mapping(words.get("optimizer", "adam"))
    name = getattr(cls, "__name__", shown(cls)).lower() if cls is not None else part["name"]
    if "optimizer" in given and name != part["name"]:
        raise _refusal(given, "optimizer_class", "it or optimizer, not both")
    # Options replace those of a default, and join those of an optimiser that the user names.
    own = part if options is None or "optimizer" in given else {}
    lists = {k: list(each) if type(each) is tuple else each for k, each in (options or {}).items()}
    words["optimizer"] = {**own, **lists, "name": name}


def _extractor(words: dict[str, Any]) -> None:
    given = dict(words)
    cls, options, shared = (words.pop(key, None) for key in EXTRACTOR_KEYS)
    if shared not in (None, True):
        raise _refusal(
            given,
            "share_features_extractor",
            "True: actor and critic share an extractor, which the critic's loss trains",
        )
    if cls is None and not options:
        return
    if cls is None:
        cls = next((each for key, each in DEFAULT_EXTRACTORS.items() if key in options), None)
    if cls is None:
        allowed = f"with features_extractor_class, or with {', '.join(DEFAULT_EXTRACTORS)}"
        raise _refusal(given, "features_extractor_kwargs", allowed)
    if "extractor" in given:
        key = next(key for key in EXTRACTOR_KEYS if given.get(key))
        raise _refusal(given, key, "it or extractor, not both")
    options = dict(options or {})
    # As policies of Stable-Baselines3 do it for these two.
    if given.get("normalize_images") is False and cls in DEFAULT_EXTRACTORS.values():
        options.setdefault("normalized_image", True)
    words["extractor"] = {"name": cls, **options}


def _mapping(part: Any) -> dict[str, Any]:
    return dict(part) if isinstance(part, Mapping) else {"name": part}


def _set(words: dict[str, Any], part: str, name: str, **values: Any) -> None:
    words[part] = {**_mapping(words.get(part, name)), **values}


def _refusal(given: Mapping[str, Any], key: str, allowed: str) -> Sb3ScaleError:
    value = given[key]
    known = isinstance(value, type) and issubclass(value, nn.Module)
    return Sb3ScaleError(
        f"policy_kwargs: {key} is {value.__name__ if known else shown(value)}, as for policies of "
        f"Stable-Baselines3; allowed with ScalePolicy: {allowed}"
    )
