"""The multilayer perceptron, and an adapter for networks without an ensemble dimension."""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sb3_scale.errors import check_at_least, check_depth
from sb3_scale.nn.activations import Activation, make_activation
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.protocols import Network, PartConfig


class MLP(nn.Module):
    """
    ``depth`` times: linear, norm, activation; or linear, activation, norm.

    CrossQ (Bhatt et al., 2024) normalises the input and the output of each activation; XQC
    (Palenicek et al., 2026) the input and between linear layer and activation.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    :param width: of each hidden layer
    :param depth: number of hidden layers
    :param activation: after each layer
    :param norm: of each hidden layer, nothing by default
    :param norm_placement: ``pre-activation``, between each linear layer and its activation, or
        ``post-activation``
    :param norm_input: whether the norm comes before the first linear layer too
    :param bias: whether the linear layers have one; a norm before the activation has its own
    """

    def __init__(
        self,
        in_features: int,
        n_members: int,
        width: int = 256,
        depth: int = 2,
        activation: Activation = "relu",
        norm: PartConfig | None = None,
        norm_placement: Literal["pre-activation", "post-activation"] = "pre-activation",
        norm_input: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_at_least(1, width=width)
        check_depth(0, depth)
        if norm_input and norm is None:
            raise ValueError("norm_input needs a norm")
        sizes = [in_features] + [width] * depth
        self.linears = nn.ModuleList(
            EnsembleLinear(i, o, n_members, bias=bias) for i, o in pairwise(sizes)
        )
        self.input_norm = None
        if norm is not None and norm_input:
            self.input_norm = build("norm", norm, in_features, n_members)
        self.norms = nn.ModuleList(
            nn.Module() if norm is None else build("norm", norm, size, n_members)
            for size in sizes[1:]
        )
        self.normalized = norm is not None
        self.norm_placement = norm_placement
        self.activation = make_activation(activation)
        self.out_features = sizes[-1]

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_members, batch, width)``
        """
        if self.input_norm is not None:
            x = self.input_norm(x, training)
        post = self.norm_placement == "post-activation"
        for linear, norm in zip(self.linears, self.norms, strict=True):
            x = linear(x)
            if self.normalized and not post:
                x = norm(x, training)
            x = self.activation(x)
            if self.normalized and post:
                x = norm(x, training)
        return x


class EnsembleOf(nn.Module):
    """
    Runs one plain module per member; see :func:`ensemble_of`.

    :param members: modules from ``(batch, in)`` to ``(batch, out_features)``
    :param out_features: width of their output
    """

    def __init__(self, members: list[nn.Module], out_features: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.out_features = out_features

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: the mode that the modules are put in
        :return: shape ``(n_members, batch, out_features)``
        """
        if self.training != training:
            self.train(training)
        call = _forgetting if training and not torch.is_grad_enabled() else nn.Module.__call__
        return torch.stack([call(*each) for each in zip(self.members, x, strict=True)])


def _forgetting(module: nn.Module, x: Tensor) -> Tensor:
    """Where nothing is trained, nothing is remembered: running statistics move in copies."""
    copies = {name: buffer.clone() for name, buffer in module.named_buffers()}
    output: Tensor = functional_call(module, copies, (x,))
    return output


def ensemble_of(factory: Callable[[int], nn.Module], in_features: int, n_members: int) -> Network:
    """
    Make a network part of plain modules, for authors who do not want the ensemble dimension.

    It runs the members one after another, and constraints do not reach their layers.

    :param factory: makes one module that maps ``(batch, in_features)`` to ``(batch, out)``
    :param in_features: width of the input, given to ``factory``
    :param n_members: size of the ensemble
    :return: the ensemble
    """
    members = [factory(in_features) for _ in range(n_members)]
    with torch.no_grad():
        width = members[0].eval()(torch.zeros(2, in_features)).shape[-1]
    for member in members:
        member.train()
    return EnsembleOf(members, width)
