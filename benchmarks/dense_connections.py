r"""
Three ways to give each layer of a DenseNet the outputs of all layers before it.

``concatenate`` is that of ``densenet``. ``split`` multiplies each output with its own rows of the
weight and adds up, so nothing is copied, but products are smaller. ``buffer`` writes each output
next to the earlier ones, in memory made beforehand, and adds up gradients in such memory too; it
needs a gradient written by hand for the whole network and so fits neither norms nor constraints.
All give the same outputs and gradients, which is checked first. Run it on an idle machine:

    python benchmarks/dense_connections.py

It prints the median milliseconds of a forward and backward pass, the three taking turns, and the
time of the other two to that of ``concatenate``.
"""

import argparse
import platform
import time
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np
import torch as th
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from sb3_scale.execution.matmul_precision import exact_fast_matmul
from sb3_scale.nn.linear import linear_layers
from sb3_scale_densenet.networks import DenseNet

SHAPES = {
    "critic, 2 x 128": (2, 261, 128, 2),
    "critic, 2 x 512": (2, 261, 512, 2),
    "critic, 2 x 2048": (2, 261, 2048, 2),
    "critic, 8 x 256": (2, 261, 256, 8),
    "OFENet z_s, 8 x 256": (1, 223, 256, 8),
}
"""Members, inputs, width, depth."""


class _Split(th.autograd.Function):
    """``sum_j x_j W_j + b`` where W_j are rows of one weight."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(weight, *inputs)
        rows = th.split(weight, [x.shape[-1] for x in inputs], dim=1)
        out = bias.expand(-1, inputs[0].shape[1], -1).clone()
        for x, part in zip(inputs, rows, strict=True):
            out.baddbmm_(x, part)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        weight, *inputs = ctx.saved_tensors
        sizes = [x.shape[-1] for x in inputs]
        grad_weight = th.empty_like(weight)
        parts = zip(
            inputs, *(th.split(w, sizes, dim=1) for w in (weight, grad_weight)), strict=True
        )
        grad_inputs: list[Tensor | None] = []
        for i, (x, part, grad_part) in enumerate(parts):
            th.bmm(x.mT, grad, out=grad_part)
            grad_inputs.append(grad @ part.mT if ctx.needs_input_grad[2 + i] else None)
        return grad_weight, grad.sum(1, keepdim=True), *grad_inputs


def split(network: DenseNet, x: Tensor) -> Tensor:
    """
    :param network: without norms
    :param x: shape ``(m, b, in)``
    :return: its output
    """
    outputs = [x]
    for linear in linear_layers(network):
        y = _Split.apply(linear.weight, linear.bias, *outputs)  # type: ignore[no-untyped-call]
        outputs.append(th.nn.functional.silu(y))
    return th.cat(outputs, dim=-1)


class _Buffer(th.autograd.Function):
    """The whole network, with one array for all outputs and one for all of their gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        weights, biases = parameters[::2], parameters[1::2]
        ends = list(accumulate([x.shape[-1], *(w.shape[-1] for w in weights)]))
        buffer = x.new_empty(*x.shape[:2], ends[-1])
        buffer[..., : ends[0]] = x
        before = []
        for weight, bias, start, end in zip(weights, biases, ends, ends[1:], strict=False):
            pre = th.bmm(buffer[..., :start], weight).add_(bias)
            th.ops.aten.silu.out(pre, out=buffer[..., start:end])
            before.append(pre)
        ctx.save_for_backward(buffer, *weights, *before)
        ctx.ends = ends
        return buffer

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        buffer, *saved = ctx.saved_tensors
        count = len(saved) // 2
        weights, before, total = saved[:count], saved[count:], grads[0].clone()
        found: list[Tensor | None] = []
        for i in reversed(range(count)):
            start, end = ctx.ends[i], ctx.ends[i + 1]
            grad = th.ops.aten.silu_backward(total[..., start:end], before[i])
            found[:0] = [buffer[..., :start].mT @ grad, grad.sum(1, keepdim=True)]
            # The input's own columns are wanted by nobody here.
            first = 0 if ctx.needs_input_grad[0] else ctx.ends[0]
            if start > first:
                total[..., first:start].baddbmm_(grad, weights[i][:, first:].mT)
        return total[..., : ctx.ends[0]] if ctx.needs_input_grad[0] else None, *found


def buffered(network: DenseNet, x: Tensor) -> Tensor:
    """
    :param network: without norms
    :param x: shape ``(m, b, in)``
    :return: its output
    """
    pairs = [(linear.weight, linear.bias) for linear in linear_layers(network)]
    flat = [tensor for pair in pairs for tensor in pair]
    out: Tensor = _Buffer.apply(x, *flat)  # type: ignore[no-untyped-call]
    return out


WAYS: dict[str, Callable[[DenseNet, Tensor], Tensor]] = {
    "concatenate": lambda network, x: network(x),
    "split": split,
    "buffer": buffered,
}


def gradients(way: Callable[[DenseNet, Tensor], Tensor], network: DenseNet, x: Tensor) -> Any:
    """
    :param way: one of :data:`WAYS`
    :param network: without norms
    :param x: shape ``(m, b, in)``
    :return: of a fixed function of the output, by all parameters
    """
    out = way(network, x)
    return th.autograd.grad(out, list(network.parameters()), th.ones_like(out))


def measure(shape: tuple[int, int, int, int], batch: int, rounds: int) -> dict[str, list[float]]:
    """
    :param shape: members, inputs, width, depth
    :param batch: samples
    :param rounds: each times every way once
    :return: milliseconds by the way
    """
    members, inputs, width, depth = shape
    network = DenseNet(inputs, members, width, depth)
    x = th.randn(members, batch, inputs)
    expected = gradients(WAYS["concatenate"], network, x)
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for name, way in WAYS.items():
        for ours, theirs in zip(gradients(way, network, x), expected, strict=True):
            th.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3, msg=name)
    for _ in range(rounds):
        for name, way in WAYS.items():
            start = time.perf_counter()
            gradients(way, network, x)
            times[name].append((time.perf_counter() - start) * 1e3)
    return times


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description="Three ways to connect a DenseNet.")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=60)
    args = parser.parse_args()
    th.manual_seed(0)
    console = Console()
    table = Table("milliseconds", *WAYS, "split / concatenate", "buffer / concatenate")
    with exact_fast_matmul(th.device("cpu")):
        for name, shape in track(SHAPES.items(), "networks", console=console):
            median = {
                way: float(np.median(t))
                for way, t in measure(shape, args.batch_size, args.rounds).items()
            }
            base = median["concatenate"]
            ratios = (f"{median[way] / base:.2f}" for way in ("split", "buffer"))
            table.add_row(name, *(f"{value:.2f}" for value in median.values()), *ratios)
    console.print(table)
    console.print(
        f"batch {args.batch_size}, {args.rounds} rounds; {platform.machine()}, "
        f"{th.get_num_threads()} threads, PyTorch {th.__version__}"
    )


if __name__ == "__main__":
    main()
