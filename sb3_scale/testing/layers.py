"""Checks of networks and norms, which have a leading ensemble dimension."""

from copy import deepcopy

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
)
from sb3_scale.testing.subject import BATCH, MEMBERS, Subject

IN_FEATURES = 5

NORMALIZED = 32
"""Width for norms, which 16 groups divide."""


def check_network(subject: Subject) -> None:
    """
    :param subject: a network
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Network`
    """
    for n_members in (1, MEMBERS):
        module = subject.build_module(IN_FEATURES, n_members)
        width = getattr(module, "out_features", None)
        subject.require(type(width) is int, "has no whole number 'out_features'")
        _check_layer(subject, module, IN_FEATURES, n_members, int(width or 0))


def check_norm(subject: Subject) -> None:
    """
    :param subject: a norm
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Norm`
    """
    for n_members in (1, MEMBERS):
        module = subject.build_module(NORMALIZED, n_members)
        _check_layer(subject, module, NORMALIZED, n_members, NORMALIZED)
        for training in (True, False):
            what = f"forward of a constant input with training={training}"
            constant = torch.ones(n_members, BATCH, NORMALIZED)
            output = subject.call(what, module, constant, training)
            subject.tensor(what, output, (n_members, BATCH, NORMALIZED))


def _check_layer(
    subject: Subject, module: nn.Module, in_features: int, n_members: int, out_features: int
) -> None:
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
    check_rows(subject, run(x), run(x[:, :1]))
    leaf = x.clone().requires_grad_()
    check_gradients(subject, module, module(leaf, True), {"input": leaf})
    if n_members > 1:
        check_members(subject, module, evaluate)
        check_inputs_of_members(subject, run, x)
        check_inputs_of_members(subject, lambda inputs: run(inputs, True), x)
    check_copies(subject, module, lambda: subject.build_module(in_features, n_members), evaluate)
