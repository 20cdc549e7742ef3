"""Checks of networks, and of what they share with norms: a leading ensemble dimension."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from sb3_scale.testing.modules import (
    check_copies,
    check_evaluation,
    check_gradients,
    check_inputs_of_members,
    check_members,
    check_rows,
    check_training_argument,
    check_training_without_gradients,
)
from sb3_scale.testing.part_under_test import BATCH, MEMBERS, Subject

IN_FEATURES = 5


def check_network(subject: Subject) -> None:
    """
    :param subject: a network
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Network`
    """
    for n_members in (1, MEMBERS):
        module = subject.build_module(IN_FEATURES, n_members)
        width: Any = module.out_features
        subject.require(type(width) is int, "has no whole number 'out_features'")
        check_layer(subject, module, IN_FEATURES, n_members, width)


def check_layer(
    subject: Subject, module: nn.Module, in_features: int, n_members: int, out_features: int
) -> None:
    """
    :param subject: a network or a norm
    :param module: an instance
    :param in_features: width of its input
    :param n_members: size of its ensemble
    :param out_features: width of its output
    :raises AssertionError: if it is no ensemble of independent members
    """
    check_training_argument(subject, module)
    x = torch.randn(n_members, BATCH, in_features)
    shape = (n_members, BATCH, out_features)
    what = f"forward of shape {tuple(x.shape)}"
    for training in (True, False):
        subject.tensor(what, subject.call(what, module, x, training), shape)
    subject.tensor(what, subject.call(what, module, x), shape)

    def evaluate(any_module: nn.Module) -> Tensor:
        output: Tensor = any_module(x)
        return output

    def run(inputs: Tensor, training: bool = False) -> Tensor:
        # Dropout must draw the same numbers each time.
        torch.manual_seed(0)
        output: Tensor = deepcopy(module)(inputs, training)
        return output

    check_evaluation(subject, module, evaluate)
    check_training_without_gradients(subject, module, x)
    check_rows(subject, run(x), run(x[:, :1]))
    leaf = x.clone().requires_grad_()
    check_gradients(subject, module, module(leaf, True), {"input": leaf})
    if n_members > 1:
        check_members(subject, module, evaluate)
        check_inputs_of_members(subject, run, x)
        check_inputs_of_members(subject, lambda inputs: run(inputs, True), x)
    check_copies(subject, module, lambda: subject.build_module(in_features, n_members), evaluate)
