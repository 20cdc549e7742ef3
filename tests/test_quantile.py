"""The quantile Huber loss against sb3-contrib, numpy and known quantiles."""

import numpy as np
import pytest
import torch
from sb3_contrib.common.utils import quantile_huber_loss

from sb3_scale import Sb3ScaleError
from sb3_scale.parts import build
from sb3_scale.testing import check_component


@pytest.mark.parametrize("n_critics", [1, 2, 5])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (7, 7), (7, 3)])
@pytest.mark.parametrize("own_targets", [False, True])
def test_is_that_of_sb3_contrib_summed_over_critics(
    n_critics: int, n: int, k: int, own_targets: bool
) -> None:
    torch.manual_seed(0)
    outputs = (3 * torch.randn(n_critics, 11, n)).requires_grad_()
    target = 3 * torch.randn(n_critics, 11, k) if own_targets else 3 * torch.randn(11, k)
    loss = build("loss", "quantile")(outputs, target)
    (grad,) = torch.autograd.grad(loss, outputs)

    theirs = target.expand(n_critics, 11, k).transpose(0, 1)
    wanted = n_critics * quantile_huber_loss(outputs.transpose(0, 1), theirs)
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(grad, torch.autograd.grad(wanted, outputs)[0])


@pytest.mark.parametrize("kappa", [0.25, 1.0, 4.0])
def test_is_the_equation_number_by_number(kappa: float) -> None:
    rng = np.random.default_rng(0)
    outputs, target = rng.normal(0, 3, (2, 5, 4)), rng.normal(0, 3, (5, 3))
    total = 0.0
    for critic in range(2):
        for sample in range(5):
            for i in range(4):
                tau = (i + 0.5) / 4
                for j in range(3):
                    d = target[sample, j] - outputs[critic, sample, i]
                    huber = d**2 / 2 if abs(d) <= kappa else kappa * (abs(d) - kappa / 2)
                    total += abs(tau - (d < 0)) * huber / kappa / 3 / 5
    loss = build("loss", {"name": "quantile", "kappa": kappa})
    found = loss(torch.tensor(outputs), torch.tensor(target))
    assert found.item() == pytest.approx(total, rel=1e-12)


def test_minimum_is_at_the_quantiles() -> None:
    """With a small kappa the loss is that of quantile regression."""
    samples = torch.from_numpy(np.random.default_rng(0).gamma(2.0, 1.0, (1, 2001))).float()
    outputs = torch.zeros(1, 1, 5, requires_grad=True)
    loss = build("loss", {"name": "quantile", "kappa": 0.01})
    optimizer = torch.optim.Adam([outputs], 0.02)
    for _ in range(1000):
        optimizer.zero_grad()
        loss(outputs, samples).backward()
        optimizer.step()
    wanted = np.quantile(samples.numpy(), [0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(outputs.detach().flatten().numpy(), wanted, atol=0.03)


def test_bad_kappa() -> None:
    with pytest.raises(Sb3ScaleError, match=r"kappa is 0\.0; allowed: above 0, and finite"):
        build("loss", {"name": "quantile", "kappa": 0.0})


def test_keeps_the_contract() -> None:
    check_component("loss", "quantile")
