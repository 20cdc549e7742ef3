"""Batch norms against PyTorch's, numpy and sb3-contrib's."""

import numpy as np
import pytest
import torch
from sb3_contrib.common.torch_layers import BatchRenorm1d

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.parts import build
from sb3_scale.testing import check_component


def randomize(norm: torch.nn.Module) -> None:
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("momentum", [0.01, 0.3])
def test_batch_is_pytorchs_per_member(n_members: int, momentum: float) -> None:
    torch.manual_seed(0)
    norm = build("norm", {"name": "batch", "momentum": momentum}, 5, n_members).double()
    randomize(norm)
    x = torch.randn(n_members, 9, 5, dtype=torch.double, requires_grad=True)
    grad = torch.randn(n_members, 9, 5, dtype=torch.double)
    references = []
    for member in range(n_members):
        reference = torch.nn.BatchNorm1d(5, norm.eps, momentum).double()
        reference.weight.data = norm.weight[member, 0].detach().clone()
        reference.bias.data = norm.bias[member, 0].detach().clone()
        reference.running_mean.copy_(norm.running_mean[member, 0])
        reference.running_var.copy_(norm.running_var[member, 0])
        references.append(reference)
    y = norm(x, training=True)
    ours = torch.autograd.grad(y, [x, norm.weight, norm.bias], grad)
    for member, reference in enumerate(references):
        before = reference.running_var.clone()
        row = x[member].detach().requires_grad_()
        expected = reference(row)
        torch.testing.assert_close(y[member], expected)
        theirs = torch.autograd.grad(
            expected, [row, reference.weight, reference.bias], grad[member]
        )
        torch.testing.assert_close(ours[0][member], theirs[0])
        torch.testing.assert_close(ours[1][member, 0], theirs[1])
        torch.testing.assert_close(ours[2][member, 0], theirs[2])
        torch.testing.assert_close(norm.running_mean[member, 0], reference.running_mean)
        # PyTorch averages the unbiased variance, although it divides by the biased one.
        unbiased = (reference.running_var - (1 - momentum) * before) / momentum
        torch.testing.assert_close(
            norm.running_var[member, 0], (1 - momentum) * before + momentum * unbiased * 8 / 9
        )
        reference.eval()
        with torch.no_grad():
            reference.running_var.copy_(norm.running_var[member, 0])
        torch.testing.assert_close(norm(x)[member], reference(row))


def contrib(norm: torch.nn.Module, member: int, steps: int) -> BatchRenorm1d:
    reference = BatchRenorm1d(
        5, norm.eps, norm.momentum, warmup_steps=getattr(norm, "warmup_steps", 10**9)
    ).double()
    reference.scale.data = norm.weight[member, 0].detach().clone()
    reference.bias.data = norm.bias[member, 0].detach().clone()
    reference.ra_mean = norm.running_mean[member, 0].clone()
    reference.ra_var = norm.running_var[member, 0].clone()
    reference.steps = torch.tensor(steps)
    return reference


@pytest.mark.parametrize("steps", [0, 4, 5])
def test_batch_renorm_is_contribs(steps: int) -> None:
    """Before, at and behind the end of the warm-up; some r and d are at their bounds."""
    torch.manual_seed(0)
    config = {"name": "batch-renorm", "unbiased": True, "warmup_steps": 4}
    norm = build("norm", config, 5, 2).double()
    randomize(norm)
    norm.steps.fill_(steps)
    references = [contrib(norm, member, steps) for member in range(2)]
    scale = torch.tensor([0.1, 1.0, 1.0, 8.0, 1.0], dtype=torch.double)
    shift = torch.tensor([0.0, 0.0, 20.0, 0.0, -0.5], dtype=torch.double)
    x = (torch.randn(2, 9, 5, dtype=torch.double) * scale + shift).requires_grad_()
    grad = torch.randn(2, 9, 5, dtype=torch.double)
    y = norm(x, training=True)
    ours = torch.autograd.grad(y, [x, norm.weight, norm.bias], grad)
    for member, reference in enumerate(references):
        row = x[member].detach().requires_grad_()
        expected = reference(row)
        torch.testing.assert_close(y[member], expected)
        theirs = torch.autograd.grad(expected, [row, reference.scale, reference.bias], grad[member])
        for left, right in zip(
            (ours[0][member], ours[1][member, 0], ours[2][member, 0]), theirs, strict=True
        ):
            torch.testing.assert_close(left, right)
        torch.testing.assert_close(norm.running_mean[member, 0], reference.ra_mean)
        torch.testing.assert_close(norm.running_var[member, 0], reference.ra_var)
        assert int(norm.steps) == int(reference.steps)


def test_renorm_beyond_the_warm_up_by_hand() -> None:
    """One feature, two samples: mean 3, variance 1; running mean 1, running variance 4."""
    norm = build("norm", {"name": "batch-renorm", "warmup_steps": 0, "eps": 1e-12}, 1, 1)
    norm.running_mean.fill_(1.0)
    norm.running_var.fill_(4.0)
    norm.steps.fill_(1)
    y = norm(torch.tensor([[[2.0], [4.0]]]), training=True)
    # r = 1 / 2, d = (3 - 1) / 2: (x - 3) * r + d
    np.testing.assert_allclose(y.detach().numpy().ravel(), [0.5, 1.5], rtol=1e-6)
    np.testing.assert_allclose(norm.running_mean.item(), 1.02, rtol=1e-6)


@pytest.mark.parametrize("name", ["batch", "batch-renorm"])
def test_a_pass_without_gradient_leaves_the_running_statistics_alone(name: str) -> None:
    norm = build("norm", name, 3, 2)
    x = torch.randn(2, 8, 3) + 5
    with torch.no_grad():
        y = norm(x, training=True)
    torch.testing.assert_close(y.mean(dim=1), torch.zeros(2, 3), atol=1e-5, rtol=0)
    assert norm.running_mean.eq(0).all()
    norm(x, training=True)
    assert norm.running_mean.gt(0).all()


@pytest.mark.parametrize("name", ["batch", "batch-renorm"])
@pytest.mark.parametrize("unbiased", [False, True])
def test_constant_features_have_finite_gradients(name: str, unbiased: bool) -> None:
    config = {"name": name, "unbiased": unbiased}
    norm = build("norm", config, 2, 1)
    if name == "batch-renorm":
        norm.steps.fill_(10**6)
    x = torch.full((1, 4, 2), 3.0, requires_grad=True)
    norm(x, training=True).square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert norm.weight.grad.isfinite().all()


@pytest.mark.parametrize("name", ["batch", "batch-renorm"])
@pytest.mark.parametrize("params", [{}, {"unbiased": True}, {"affine": False}])
def test_contract(name: str, params: dict[str, bool]) -> None:
    check_component("norm", name, params)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"momentum": 0.0}, "momentum is 0.0; allowed: above 0, at most 1"),
        ({"eps": 0.0}, "eps is 0.0; allowed: above 0, and finite"),
        ({"momentun": 0.1}, "did you mean 'momentum'"),
    ],
)
def test_bad_parameters(params: dict[str, float], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError, match=sentence):
        build("norm", {"name": "batch", **params}, 3, 1)


def test_a_batch_of_one() -> None:
    parts = {"critic": {"name": "ensemble", "network": {"name": "mlp", "norm": "batch"}}}
    with pytest.raises(Sb3ScaleError) as raised:
        SAC("ScalePolicy", "Pendulum-v1", batch_size=1, policy_kwargs=parts)
    assert str(raised.value) == (
        "batch_size is 1, and EnsembleBatchNorm needs the statistics of a batch; allowed: at "
        "least 2"
    )
