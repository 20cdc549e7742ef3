"""The power method against numpy's singular value decomposition."""

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale_spectral.power import leading_vectors, orthonormal_rows


def constrained(
    n_members: int, in_features: int, out_features: int, **params: object
) -> tuple[EnsembleLinear, object]:
    torch.manual_seed(0)
    layer = EnsembleLinear(in_features, out_features, n_members)
    return layer, build("constraint", {"name": "spectral", "which": "all", **params}, [layer])


def largest(layer: EnsembleLinear) -> np.ndarray:
    weight = layer.effective_weight().numpy().astype(np.float64)
    return np.linalg.svd(weight, compute_uv=False)[:, 0]


@pytest.mark.parametrize("n_members", [1, 2, 5])
@pytest.mark.parametrize("shape", [(64, 128), (128, 64), (16, 16), (3, 40), (40, 1), (1, 1)])
@pytest.mark.parametrize("n_vectors", [1, 8])
def test_factor_is_the_inverse_of_the_largest_singular_value(
    n_members: int, shape: tuple[int, int], n_vectors: int
) -> None:
    layer, _ = constrained(n_members, *shape, n_vectors=n_vectors, init_iterations=1000)
    weight = layer.weight.detach().numpy()
    exact = np.linalg.svd(weight, compute_uv=False)[:, 0]
    np.testing.assert_allclose(1 / layer.scale.factor.flatten().numpy(), exact, rtol=1e-3)
    np.testing.assert_allclose(largest(layer), 1, rtol=1e-3)
    u, v = layer.scale.u.numpy(), layer.scale.v.numpy()
    np.testing.assert_allclose(np.linalg.norm(u, axis=2), 1, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(v, axis=2), 1, rtol=1e-4)
    np.testing.assert_allclose((u @ weight @ v.transpose(0, 2, 1)).flatten(), exact, rtol=1e-3)


def test_initialisation_is_within_one_percent_at_the_papers_width() -> None:
    layer, _ = constrained(1, 1024, 2048)
    np.testing.assert_allclose(largest(layer), 1, atol=0.01)


def test_output_is_that_of_the_divided_weight() -> None:
    layer, _ = constrained(2, 6, 4)
    x = torch.randn(2, 9, 6)
    wanted = x.numpy() @ layer.effective_weight().numpy() + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(x).detach().numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_members", [1, 2, 5])
def test_gradient_is_that_of_the_quotient(n_members: int) -> None:
    """Miyato et al., 2018, equation 10: ``G / s - sum(G W) / s^2 u v^T`` with G = dL/d(W / s)."""
    layer, _ = constrained(n_members, 12, 9, init_iterations=1000)
    x, cotangent = torch.randn(n_members, 20, 12), torch.randn(n_members, 20, 9)
    (layer(x) * cotangent).sum().backward()
    for member in range(n_members):
        weight = layer.weight[member].detach().numpy().astype(np.float64)
        u, s, vt = np.linalg.svd(weight)
        gradient = x[member].numpy().T @ cotangent[member].numpy()
        wanted = gradient / s[0] - (gradient * weight).sum() / s[0] ** 2 * np.outer(u[:, 0], vt[0])
        found = layer.weight.grad[member].numpy()
        np.testing.assert_allclose(found, wanted, atol=2e-4 * np.abs(wanted).max())


def test_gradient_is_the_slope_along_the_path() -> None:
    """Central differences in which the vectors follow the weight, per member."""
    layer, constraint = constrained(2, 5, 7, init_iterations=1000)
    layer.double()
    x, direction = torch.randn(2, 6, 5).double(), torch.randn(2, 5, 7).double()

    def loss() -> torch.Tensor:
        return layer(x).square().sum()

    for _ in range(500):
        constraint.project_()
    loss().backward()
    slope = (layer.weight.grad * direction).sum().item()
    values = []
    for sign in (1, -2):
        with torch.no_grad():
            layer.weight += sign * 1e-4 * direction
        for _ in range(500):
            constraint.project_()
        values.append(loss().item())
    assert slope == pytest.approx((values[0] - values[1]) / 2e-4, rel=1e-3)


def overtaken(n_vectors: int) -> float:
    """Let the second singular value overtake the first; return the largest deviation from 1."""
    layer, constraint = constrained(1, 32, 48, n_vectors=n_vectors, init_iterations=1000)
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0][:, :32] for n in (32, 48))
    values = np.linspace(1, 0.1, 32)
    worst = 0.0
    for step in range(200):
        values[1] = 0.8 + 0.005 * step
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy((left * values) @ right.T))
        for _ in range(500 if step == 0 else 1):
            constraint.project_()
        worst = max(worst, abs(float(largest(layer)[0]) - 1))
    return worst


def test_a_block_follows_a_singular_value_that_overtakes_the_first() -> None:
    assert overtaken(n_vectors=8) < 0.01
    assert overtaken(n_vectors=1) > 0.05


def test_vectors_survive_a_weight_of_zeros() -> None:
    layer, constraint = constrained(2, 6, 4)
    with torch.no_grad():
        layer.weight.zero_()
    for _ in range(20):
        constraint.project_()
    assert layer(torch.ones(2, 3, 6)).isfinite().all()
    with torch.no_grad():
        layer.weight.normal_()
    for _ in range(200):
        constraint.project_()
    np.testing.assert_allclose(largest(layer), 1, atol=1e-3)


def test_members_are_normalised_each_on_its_own() -> None:
    layer, constraint = constrained(3, 8, 8, init_iterations=500)
    with torch.no_grad():
        layer.weight *= torch.tensor([1e-3, 1.0, 1e3])[:, None, None]
    constraint.project_()
    np.testing.assert_allclose(largest(layer), 1, atol=1e-3)


@pytest.mark.parametrize("k", [1, 2, 8, 64])
@pytest.mark.parametrize("scale", [1e-24, 1.0, 1e6])
def test_leading_vectors_where_eigenvalues_are_close_or_far(k: int, scale: float) -> None:
    torch.manual_seed(0)
    for spread in (0, 1e-3, 1e-2, 1e-1, 1, 5):
        basis = torch.linalg.qr(torch.randn(50, k, k)).Q
        eigenvalues = torch.exp(-spread * torch.rand(50, 1, k))
        grams = (basis * eigenvalues) @ basis.mT * scale
        mix = leading_vectors(grams)
        quotient = (mix @ grams @ mix.mT).flatten() / scale
        assert (quotient >= k ** (-1 / 4096) * eigenvalues.amax(dim=(1, 2)) * (1 - 1e-5)).all()
        assert (quotient <= eigenvalues.amax(dim=(1, 2)) * (1 + 1e-5)).all()


@pytest.mark.parametrize(("k", "n"), [(1, 5), (4, 32), (8, 64)])
def test_orthonormal_rows_span_the_block(k: int, n: int) -> None:
    torch.manual_seed(0)
    block = torch.randn(3, k, n) * torch.logspace(-3, 3, k)[:, None]
    rows = orthonormal_rows([block])[0]
    torch.testing.assert_close(rows @ rows.mT, torch.eye(k).expand(3, k, k), atol=1e-4, rtol=0)
    missed = (block - block @ rows.mT @ rows).norm(dim=2) / block.norm(dim=2)
    assert missed.amax() < 1e-4


def test_orthonormal_rows_of_dependent_rows_are_finite_and_not_longer() -> None:
    torch.manual_seed(0)
    block = torch.randn(2, 8, 3)
    block[1] = 0
    rows = orthonormal_rows([block])[0]
    assert torch.linalg.matrix_norm(rows, 2).amax() < 1.001


def test_no_value_is_read_on_the_host() -> None:
    """Fake tensors have no values: whatever waits for a GPU raises."""
    with FakeTensorMode():
        layer, constraint = constrained(2, 6, 4)
        constraint.project_()
        layer(torch.randn(2, 3, 6)).sum().backward()
        with pytest.raises(DataDependentOutputException):
            layer.scale.factor.max().item()
