"""
The algorithms and networks that the benchmarks train, by name.

A variant of ours, such as ``compile``, is one more argument of the algorithm.
"""

import inspect
from dataclasses import dataclass, field
from typing import Any

from stable_baselines3.common.logger import Logger

import sb3_scale
from lib.measuring import Spaces, fill
from sb3_scale.recipes import resolve
from sb3_scale_crossq.algorithm import CrossQ

OBSERVATIONS, ACTIONS = 223, 38
"""Sizes of the dog."""

TRANSITIONS = 20_000

VARIANTS: dict[str, dict[str, Any]] = {
    "eager": {"compile": False},
    "compile": {"compile": True},
    "autocast": {"compile": False, "autocast": True},
    "compile+autocast": {"compile": True, "autocast": True},
    "capture": {"compile": False, "capture": True},
    "compile+capture": {"compile": True, "capture": True},
}
"""Arguments of our algorithms, by the name of the variant."""


@dataclass(frozen=True)
class Configuration:
    """
    What is trained.

    :param title: for a table
    :param algorithm: our class
    :param policy_kwargs: of ScalePolicy
    :param others: implementations that have it: ``SB3``, ``sb3-contrib``, ``SBX``, ``LeanRL``
    :param actor: widths of the actor's hidden layers, for the other implementations
    :param critic: widths of the critic's hidden layers, likewise
    :param settings: further arguments of our algorithm
    :param observations: shape of an observation
    :param transitions: in the replay buffer
    """

    title: str
    algorithm: Any
    policy_kwargs: dict[str, Any]
    others: tuple[str, ...] = ()
    actor: tuple[int, ...] = ()
    critic: tuple[int, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    observations: tuple[int, ...] = (OBSERVATIONS,)
    transitions: int = TRANSITIONS


def sac(actor: int, critic: int) -> Configuration:
    """
    :param actor: width of its two hidden layers
    :param critic: likewise
    :return: SAC with two critics
    """
    networks = [{"name": "mlp", "width": width, "depth": 2} for width in (actor, critic)]
    title = f"SAC 2 x {actor}" if actor == critic else f"SAC actor 2 x {actor}, critic 2 x {critic}"
    return Configuration(
        title,
        sb3_scale.SAC,
        {
            "actor": {"name": "squashed-gaussian", "network": networks[0]},
            "critic": {"name": "ensemble", "n_critics": 2, "network": networks[1]},
        },
        ("SB3", "SBX", "LeanRL"),
        (actor,) * 2,
        (critic,) * 2,
    )


def crossq(title: str, norm: str, target: bool, constraint: str | None) -> Configuration:
    """
    :param title: for a table
    :param norm: behind each activation and in front of the first layer
    :param target: whether the critic keeps a target network
    :param constraint: of the weights
    :return: CrossQ with the widths of Palenicek et al., 2025, Table 1, next to CrossQ of others
    """
    actor, critic = 256, 512
    placed = {"norm": norm, "norm_placement": "post-activation", "norm_input": True}
    networks = [{"name": "mlp", "width": width, "depth": 2, **placed} for width in (actor, critic)]
    parts = {
        "actor": {
            "name": "squashed-gaussian",
            "network": networks[0],
            "constraint": constraint,
        },
        "critic": {
            "name": "ensemble",
            "network": networks[1],
            "joint_batch": True,
            "target": target,
            "constraint": constraint,
        },
    }
    return Configuration(title, CrossQ, parts, ("sb3-contrib", "SBX"), (actor,) * 2, (critic,) * 2)


def modern(blocks: int, width: int = 512) -> Configuration:
    """
    :param blocks: of the critic; the actor has two
    :param width: half of that of Bjorck et al., 2021, Table 2, so that an update takes 0.1 s
    :return: SAC with residual networks and spectral normalisation
    """
    networks = [
        {"name": "modern", "width": width, "inner_width": 2 * width, "depth": depth}
        for depth in (2, blocks)
    ]
    return Configuration(
        f"modern{blocks}, width {width}",
        sb3_scale.SAC,
        {
            "actor": {
                "name": "squashed-gaussian",
                "network": networks[0],
                "constraint": "spectral",
            },
            "critic": {"name": "ensemble", "network": networks[1], "constraint": "spectral"},
        },
        settings={"policy_delay": 2, "target_update_interval": 2},
    )


def densenet(width: int, title: str) -> Configuration:
    """
    :param width: of the two layers of each network
    :param title: for a table
    :return: SAC with the networks of Ota et al., 2021, section 4.2, without OFENet
    """
    network = {"name": "densenet", "width": width, "depth": 2}
    return Configuration(
        title,
        sb3_scale.SAC,
        {
            "actor": {"name": "squashed-gaussian", "network": network},
            "critic": {"name": "ensemble", "network": network},
        },
    )


def published(name: str, title: str, **changes: Any) -> Configuration:
    """
    :param name: of a recipe for SAC
    :param title: for a table
    :param changes: of the recipe, by their paths
    :return: SAC with the parts and the policy delay of the recipe
    """
    entry = resolve.plain({"recipe": name, **changes}, "sac", None)
    settings = {"policy_delay": entry.get("policy_delay", 1)}
    return Configuration(title, sb3_scale.SAC, entry["policy_kwargs"], settings=settings)


CONFIGURATIONS: dict[str, Configuration] = {
    "sac-256": sac(256, 256),
    "sac-256-512": sac(256, 512),
    "sac-512": sac(512, 512),
    "sac-1024": sac(1024, 1024),
    "crossq": crossq("CrossQ, batch renorm", "batch-renorm", target=False, constraint=None),
    "crossq-wn": crossq("CrossQ+WN", "batch", target=True, constraint="unit-norm"),
    "modern2": modern(2),
    "modern4": modern(4),
    "densenet-l": densenet(2048, "densenet-L, 2 x 2048"),
    "xqc": published("xqc", "XQC"),
    "simbav2": published("simbav2", "SimbaV2, one critic"),
    "flashsac": published("flashsac", "FlashSAC"),
    "flashsac-512": published(
        "flashsac", "FlashSAC, critic 512", **{"policy_kwargs.critic.network.width": 512}
    ),
}


def known_variants(names: list[str]) -> list[str]:
    """
    :param names: of variants
    :return: those whose arguments this version of sb3_scale has
    """
    known = inspect.signature(sb3_scale.SAC.__init__).parameters
    return [name for name in names if VARIANTS[name].keys() <= known.keys()]


def make(
    configuration: Configuration, batch_size: int, device: str = "cpu", **settings: Any
) -> Any:
    """
    :param configuration: what is trained
    :param batch_size: transitions per gradient step
    :param device: where
    :param settings: arguments of the algorithm
    :return: the algorithm with a full replay buffer of random transitions
    """
    return prepare(
        configuration.algorithm,
        "ScalePolicy",
        configuration.policy_kwargs,
        batch_size,
        configuration.observations,
        device=device,
        **{
            "buffer_size": configuration.transitions,
            **configuration.settings,
            **settings,
        },
    )


def prepare(
    algorithm: Any,
    policy: str,
    policy_kwargs: dict[str, Any],
    batch_size: int,
    observations: tuple[int, ...] = (OBSERVATIONS,),
    buffer_size: int = TRANSITIONS,
    **settings: Any,
) -> Any:
    """
    :param algorithm: a class with the constructor of Stable-Baselines3
    :param policy: name of its policy
    :param policy_kwargs: arguments of the policy
    :param batch_size: transitions per gradient step
    :param observations: shape of an observation
    :param buffer_size: transitions in the replay buffer
    :param settings: further arguments
    :return: the algorithm with a full replay buffer of random transitions
    """
    model = algorithm(
        policy,
        Spaces(observations, ACTIONS),
        policy_kwargs=policy_kwargs,
        buffer_size=buffer_size,
        batch_size=batch_size,
        seed=0,
        **settings,
    )
    model.set_logger(Logger(None, []))
    fill(model.replay_buffer)
    return model
