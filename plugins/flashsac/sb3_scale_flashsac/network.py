"""FlashSAC's network: batch-normalised residual blocks."""

from typing import Any

from torch import Tensor, nn

from sb3_scale.errors import check_at_least, check_depth
from sb3_scale.nn.layers import HiddenLayer
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig

BATCH_NORM = {"name": "batch", "eps": 1e-5}
"""That of the released code."""


class FlashBlock(nn.Module):
    """
    ``x + relu(norm(W2 relu(norm(W1 x))))``.

    :param width: of input and output
    :param n_members: size of the ensemble
    :param expansion: width of the hidden layer relative to that
    :param norm: behind each linear layer
    """

    def __init__(self, width: int, n_members: int, expansion: int, norm: PartConfig) -> None:
        super().__init__()
        hidden = expansion * width
        self.inner = HiddenLayer(width, hidden, n_members, "relu", norm, bias=False)
        self.outer = HiddenLayer(hidden, width, n_members, "relu", norm, bias=False)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, width)``
        :param training: whether norms use the statistics of this batch
        :return: the same shape
        """
        update: Tensor = self.outer(self.inner(x, training), training)
        return x + update


class FlashSAC(nn.Module):
    """
    ``x <- W norm(x)``, then ``depth`` residual blocks ``x <- x + relu(norm(W2 relu(norm(W1 x))))``,
    then an RMS norm. No linear layer has a bias.

    The constraint that belongs to it is
    ``{name: unit-norm, bias: false, output_layer: true, norm_params: true}``. Source: Kim et al.,
    "FlashSAC", 2026, arXiv 2604.04539, and its released code, with two blocks in both networks, of
    width 256 in the critic and 128 in the actor.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    :param width: of the features
    :param depth: number of blocks
    :param expansion: width of a block's hidden layer relative to that
    :param norm: of the input and behind each linear layer of a block; if null, batch normalisation
        with the released code's eps of 1e-5
    """

    def __init__(
        self,
        in_features: int,
        n_members: int,
        width: int = 256,
        depth: int = 2,
        expansion: int = 4,
        norm: PartConfig | None = None,
    ) -> None:
        super().__init__()
        check_at_least(1, width=width, expansion=expansion)
        check_depth(0, depth)
        chosen: Any = BATCH_NORM if norm is None else norm
        self.input_norm = build("norm", chosen, in_features, n_members)
        self.first = EnsembleLinear(in_features, width, n_members, bias=False)
        self.blocks = nn.ModuleList(
            FlashBlock(width, n_members, expansion, chosen) for _ in range(depth)
        )
        self.norm = build("norm", "rms", width, n_members)
        self.out_features = width

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_members, batch, width)``
        """
        x = self.first(self.input_norm(x, training))
        for block in self.blocks:
            x = block(x, training)
        y: Tensor = self.norm(x, training)
        return y
