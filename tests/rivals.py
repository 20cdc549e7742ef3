"""Models of the settings of other papers, made narrow, for the tests of their plugins."""

from copy import deepcopy
from typing import Any

import torch
from gymnasium import spaces
from torch import nn

from sb3_scale import SAC
from sb3_scale.policies import ScalePolicy
from sb3_scale.recipes import files, resolve
from sb3_scale.zoo import configs

DOG = spaces.Box(-1, 1, (223,)), spaces.Box(-1, 1, (38,))
"""Observations and actions of the dog."""

OF_RL_ZOO = ("n_timesteps", "policy", "normalize")


def settings(name: str) -> dict[str, Any]:
    """A recipe, for an environment that takes no action_repeat."""
    path = files.path_of(name, "sac")
    found = configs.read(path)
    assert set(found) - {"discrete"} == {"default"}
    entry = resolve.anywhere(files.settings_for(path), "sac", max_episode_steps=500)
    assert (entry["policy"], entry["gamma"]) == ("ScalePolicy", 0.99)
    # All are published over a million environment steps.
    assert entry["n_timesteps"] * found["default"].get("action_repeat", 1) == 1e6
    return entry


def narrow(name: str, **changes: Any) -> SAC:
    """SAC on Pendulum-v1 by these settings with networks of width 8."""
    given = {key: value for key, value in settings(name).items() if key not in OF_RL_ZOO}
    given = deepcopy(given)
    for part in ("actor", "critic"):
        given["policy_kwargs"][part]["network"]["width"] = 8
    given |= {"learning_starts": 30, "buffer_size": 500, "batch_size": 16, "seed": 0}
    return SAC(
        "ScalePolicy", changes.pop("env", "Pendulum-v1"), device="cpu", **{**given, **changes}
    )


def sizes_for_the_dog(name: str, **critic_network: Any) -> tuple[int, int]:
    """Parameters of critic and actor, without memory for them."""
    parts = deepcopy(settings(name)["policy_kwargs"])
    parts["critic"]["network"].update(critic_network)
    with torch.device("meta"):
        policy = ScalePolicy(*DOG, lambda _: 1e-3, **parts)
    return count(policy.critic), count(policy.actor)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def neurons(module: nn.Module) -> list[torch.Tensor]:
    """Norms of the weights of each neuron, layer by layer, in double precision."""
    weights = [
        each.double()
        for name, each in module.named_parameters()
        if each.dim() == 3 and each.shape[1] > 1
    ]
    return [torch.linalg.vector_norm(weight, dim=1).detach() for weight in weights]


def trained(name: str, **changes: Any) -> SAC:
    """After 60 gradient steps, all of which left finite numbers."""
    model = narrow(name, **changes)
    steps = changes.get("gradient_steps", settings(name)["gradient_steps"])
    before = [parameter.clone() for parameter in model.policy.parameters()]
    model.learn(30 + 60 // steps)
    assert model._n_updates == 60
    for old, new in zip(before, model.policy.parameters(), strict=True):
        assert new.isfinite().all()
        assert not new.equal(old)
    return model
