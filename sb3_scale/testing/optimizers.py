"""Checks of optimisers."""

from copy import deepcopy

import torch
from torch import nn

from sb3_scale.parts import build
from sb3_scale.testing.modules import same
from sb3_scale.testing.part_under_test import ACTIONS, BATCH, FEATURES, Subject


def check_optimizer(subject: Subject) -> None:
    """
    :param subject: an optimiser
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Optimizer`
    """
    rate = 1e-2
    module = build(
        "critic", {"name": "ensemble", "network": {"name": "mlp", "width": 8}}, FEATURES, ACTIONS
    )
    optimizer = subject.build(module, rate)
    subject.require(isinstance(optimizer, torch.optim.Optimizer), "is no torch.optim.Optimizer")
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    subject.require(len(held) == len(set(held)), "holds a parameter twice")
    for name, parameter in module.named_parameters():
        subject.require(id(parameter) in held, f"misses the parameter '{name}' of its module")
    subject.require(
        all(group["lr"] == rate for group in optimizer.param_groups),
        "changes the learning rate of a group, which Stable-Baselines3 sets back",
    )
    features, actions = torch.randn(BATCH, FEATURES), torch.rand(BATCH, ACTIONS)

    def step(critic: nn.Module, its_optimizer: torch.optim.Optimizer) -> float:
        its_optimizer.zero_grad()
        error = (critic(features, actions) - 1).square().mean()
        error.backward()
        subject.call("step", its_optimizer.step)
        return float(error.detach())

    first = step(module, optimizer)
    last = [step(module, optimizer) for _ in range(100)][-1]
    subject.require(last < first, "does not lower a squared error in 100 steps")

    copy = deepcopy(module)
    other = subject.build(copy, rate)
    subject.call("load_state_dict", other.load_state_dict, deepcopy(optimizer.state_dict()))
    step(module, optimizer)
    step(copy, other)
    subject.require(
        all(map(same, copy.parameters(), module.parameters())),
        "goes on differently after load_state_dict: a part of its state is missing there",
    )
