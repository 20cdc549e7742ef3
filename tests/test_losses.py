"""What losses declare, and the cross-entropy against numpy."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from sb3_scale.parts import build

MEMBERS, BATCH, N = 3, 5, 4


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


@pytest.mark.parametrize("own_targets", [False, True])
def test_cross_entropy_is_the_equation_number_by_number(own_targets: bool) -> None:
    outputs = random(MEMBERS, BATCH, N)
    shape = (MEMBERS, BATCH, N) if own_targets else (BATCH, N)
    target = random(*shape, seed=1).softmax(-1)
    logits, y = outputs.double().numpy(), target.double().expand_as(outputs).numpy()
    total = 0.0
    for m in range(MEMBERS):
        for b in range(BATCH):
            whole = sum(math.exp(logit) for logit in logits[m, b])
            for k in range(N):
                total -= y[m, b, k] * math.log(math.exp(logits[m, b, k]) / whole) / BATCH
    found = build("loss", "cross-entropy")(outputs, target)
    assert found.item() == pytest.approx(total, rel=1e-6)


def test_cross_entropy_pulls_probabilities_to_the_target() -> None:
    outputs = random(MEMBERS, BATCH, N).requires_grad_()
    target = random(BATCH, N, seed=1).softmax(-1)
    (grad,) = torch.autograd.grad(build("loss", "cross-entropy")(outputs, target), outputs)
    torch.testing.assert_close(grad, (outputs.softmax(-1) - target) / BATCH)


@pytest.mark.parametrize(
    ("name", "reads", "soft_weight"),
    [
        ("mse", ("scalar",), 0.5),
        ("huber", ("scalar",), 1.0),
        ("quantile", ("scalar", "quantiles"), 1.0),
        ("cross-entropy", ("categorical",), 1.0),
    ],
)
def test_what_losses_declare(name: str, reads: tuple[str, ...], soft_weight: float) -> None:
    loss = build("loss", name)
    assert (loss.reads, loss.soft_weight, loss.calibrated) == (reads, soft_weight, False)
    assert list(loss.learners(None)) == []


@pytest.mark.parametrize(
    ("value", "reads"),
    [("scalar", "mse"), ("quantiles", "quantile"), ("categorical", "cross-entropy")],
)
def test_a_value_names_a_loss_that_reads_its_outputs(value: str, reads: str) -> None:
    part = build("value", value)
    assert part.loss == reads
    assert part.outputs in build("loss", part.loss).reads


@pytest.mark.parametrize("name", ["mse", "huber", "quantile", "cross-entropy"])
def test_losses_compile_as_a_whole(name: str) -> None:
    loss = build("loss", name)
    n = 1 if name in ("mse", "huber") else N
    outputs, target = random(MEMBERS, BATCH, n), random(BATCH, n, seed=1).softmax(-1)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(outputs, target), loss(outputs, target))
