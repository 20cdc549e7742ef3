"""Values against numpy in plain loops: targets, projections, expectations, bad parameters."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sb3_scale import Sb3ScaleError
from sb3_scale.nn.values import bellman
from sb3_scale.parts import build

Array = NDArray[np.float64]

BATCH, MEMBERS = 7, 3
PROJECTIONS = ["c51", "two-hot", "hl-gauss"]
CLOSE = {"rtol": 1e-4, "atol": 2e-6}  # float32 positions up to 20, whose rounding is 1e-6


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def probabilities(*shape: int, seed: int = 0) -> Tensor:
    return random(*shape, seed=seed).softmax(-1)


def transition(scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards, discounts of which one is zero, entropy terms."""
    discounts = random(BATCH, 1, seed=5).sigmoid()
    discounts[0] = 0
    return scale * random(BATCH, 1, seed=4), discounts, random(BATCH, 1, seed=6)


def categorical(projection: str, **params: Any) -> Any:
    defaults = {"v_min": -2.0, "v_max": 3.0, "n_atoms": 11}
    config = {"name": "categorical", "projection": projection, **defaults, **params}
    return build("value", config)


def double(*tensors: Tensor | None) -> list[Any]:
    return [tensor if tensor is None else tensor.double().numpy() for tensor in tensors]


# by hand


def c51(p: Array, atoms: Array, r: float, g: float, h: float) -> Array:
    """Bellemare et al., 2017, algorithm 1, with an entropy term."""
    v_min, v_max, n = atoms[0], atoms[-1], len(atoms)
    width = (v_max - v_min) / (n - 1)
    m = np.zeros(n)
    for j in range(n):
        moved = min(max(r + g * (atoms[j] - h), v_min), v_max)
        b = min(max((moved - v_min) / width, 0), n - 1)
        low, high = math.floor(b), math.ceil(b)
        if low == high:
            m[low] += p[j]
        else:
            m[low] += p[j] * (high - b)
            m[high] += p[j] * (b - low)
    return m


def two_hot(p: Array, atoms: Array, r: float, g: float, h: float) -> Array:
    y = min(max(r + g * (sum(p * atoms) - h), atoms[0]), atoms[-1])
    m = np.zeros(len(atoms))
    for j in range(len(atoms) - 1):
        if atoms[j] <= y <= atoms[j + 1]:
            m[:] = 0
            m[j + 1] = (y - atoms[j]) / (atoms[j + 1] - atoms[j])
            m[j] = 1 - m[j + 1]
    return m


def hl_gauss(p: Array, atoms: Array, r: float, g: float, h: float, sigma: float = 0.75) -> Array:
    y = min(max(r + g * (sum(p * atoms) - h), atoms[0]), atoms[-1])
    width = atoms[1] - atoms[0]

    def below(x: float) -> float:
        return 0.5 * (1 + math.erf((x - y) / (sigma * width * math.sqrt(2))))

    m = np.array([below(z + width / 2) - below(z - width / 2) for z in atoms])
    return m / (below(atoms[-1] + width / 2) - below(atoms[0] - width / 2))


BY_HAND = {"c51": c51, "two-hot": two_hot, "hl-gauss": hl_gauss}


# scalar and quantiles


@pytest.mark.parametrize("with_entropy", [True, False])
@pytest.mark.parametrize("shape", [(BATCH, 1), (MEMBERS, BATCH, 1)])
def test_scalar_target_is_that_of_soft_q_learning_bit_for_bit(
    with_entropy: bool, shape: tuple[int, ...]
) -> None:
    value = build("value", "scalar")
    rewards, discounts, entropy = transition()
    next_values = random(*shape)
    target = value.bootstrap(next_values, rewards, discounts, entropy if with_entropy else None)
    wanted = rewards + discounts * (next_values - entropy if with_entropy else next_values)
    assert torch.equal(target, wanted)


def test_scalar_means_what_it_is() -> None:
    value = build("value", "scalar")
    outputs, target = random(MEMBERS, BATCH, 1), random(BATCH, 1, seed=1)
    assert torch.equal(value.mean(outputs), outputs)
    assert torch.equal(value.distribution(outputs), outputs)
    assert torch.equal(value.errors(outputs, target), outputs - target)
    assert (value.n_outputs, value.outputs, value.loss) == (1, "scalar", "mse")
    assert value.value_range is None


def test_each_quantile_is_a_return() -> None:
    value = build("value", {"name": "quantiles", "n_quantiles": 5})
    outputs, next_quantiles = random(MEMBERS, BATCH, 5), random(BATCH, 9, seed=1)
    rewards, discounts, entropy = transition()
    target = value.bootstrap(next_quantiles, rewards, discounts, entropy)
    q, r, g, h = double(next_quantiles, rewards, discounts, entropy)
    wanted = [[r[b, 0] + g[b, 0] * (q[b, i] - h[b, 0]) for i in range(9)] for b in range(BATCH)]
    np.testing.assert_allclose(target.numpy(), wanted, **CLOSE)
    assert torch.equal(value.distribution(outputs), outputs)
    (rows,) = double(outputs)
    means = [[[sum(rows[m, b]) / 5] for b in range(BATCH)] for m in range(MEMBERS)]
    np.testing.assert_allclose(value.mean(outputs).numpy(), means, **CLOSE)
    errors = means - np.array([[sum(row) / 9] for row in wanted])
    np.testing.assert_allclose(value.errors(outputs, target).numpy(), errors, **CLOSE)
    assert (value.n_outputs, value.outputs, value.loss) == (5, "quantiles", "quantile")
    assert value.value_range is None


# categorical


def test_categorical_value_is_the_expectation_of_its_atoms() -> None:
    value = categorical("c51")
    outputs, target = random(MEMBERS, BATCH, 11), probabilities(BATCH, 11, seed=1)
    logits, y = double(outputs, target)
    atoms = [-2 + 5 * i / 10 for i in range(11)]
    for m in range(MEMBERS):
        for b in range(BATCH):
            p = np.exp(logits[m, b]) / sum(np.exp(logits[m, b]))
            np.testing.assert_allclose(value.distribution(outputs)[m, b].numpy(), p, **CLOSE)
            mean = sum(p * atoms)
            np.testing.assert_allclose(value.mean(outputs)[m, b, 0].numpy(), mean, **CLOSE)
            error = mean - sum(y[b] * atoms)
            found = value.errors(outputs, target)[m, b, 0]
            np.testing.assert_allclose(found.numpy(), error, **CLOSE)
    assert (value.n_outputs, value.outputs, value.loss) == (11, "categorical", "cross-entropy")
    assert value.value_range == (-2, 3)
    assert "atoms" not in value.state_dict()


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("with_entropy", [True, False])
@pytest.mark.parametrize("scale", [0.3, 5.0])
def test_projections_are_the_equations_number_by_number(
    projection: str, with_entropy: bool, scale: float
) -> None:
    """With the larger scale many targets leave the range."""
    value = categorical(projection)
    rewards, discounts, entropy = transition(scale)
    next_p = probabilities(BATCH, 11)
    target = value.bootstrap(next_p, rewards, discounts, entropy if with_entropy else None)
    p, r, g, h = double(next_p, rewards, discounts, entropy if with_entropy else 0 * entropy)
    atoms = np.linspace(-2, 3, 11)
    for b in range(BATCH):
        wanted = BY_HAND[projection](p[b], atoms, r[b, 0], g[b, 0], h[b, 0])
        np.testing.assert_allclose(target[b].numpy(), wanted, **CLOSE)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_members_with_targets_of_their_own_are_projected_one_by_one(projection: str) -> None:
    value = categorical(projection)
    arguments = transition()
    next_p = probabilities(MEMBERS, BATCH, 11)
    target = value.bootstrap(next_p, *arguments)
    assert target.shape == next_p.shape
    for found, p in zip(target, next_p, strict=True):
        torch.testing.assert_close(found, value.bootstrap(p, *arguments), rtol=0, atol=1e-7)


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("scale", [0.3, 5.0, 1e6])
def test_targets_are_probabilities_in_float32(projection: str, scale: float) -> None:
    value = build("value", {"name": "categorical", "projection": projection})
    target = value.bootstrap(probabilities(MEMBERS, BATCH, 101), *transition(scale))
    assert target.dtype == torch.float32
    assert bool((target >= 0).all())
    torch.testing.assert_close(target.sum(-1), torch.ones(MEMBERS, BATCH), rtol=0, atol=2e-6)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_projection_keeps_the_mean_within_the_range(projection: str) -> None:
    value = build("value", {"name": "categorical", "projection": projection})
    next_p = probabilities(BATCH, 101)
    next_p[:, 70:] = next_p[:, :30] = 0
    next_p /= next_p.sum(-1, keepdim=True)
    arguments = transition(0.5)
    target = value.bootstrap(next_p, *arguments)
    wanted = bellman(value.expectation(next_p), *arguments)
    torch.testing.assert_close(value.expectation(target), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("projection", ["c51", "two-hot"])
@pytest.mark.parametrize(("reward", "atom"), [(100.0, -1), (-100.0, 0), (3.0, -1), (-2.0, 0)])
def test_targets_outside_the_range_are_clamped(projection: str, reward: float, atom: int) -> None:
    value = categorical(projection)
    target = value.bootstrap(
        probabilities(1, 11), torch.full((1, 1), reward), torch.zeros(1, 1), None
    )
    wanted = torch.zeros(1, 11)
    wanted[0, atom] = 1
    assert torch.equal(target, wanted)


@pytest.mark.parametrize("reward", [100.0, -100.0])
def test_gaussian_targets_outside_the_range_are_clamped(reward: float) -> None:
    value = categorical("hl-gauss")
    arguments = torch.full((1, 1), reward), torch.zeros(1, 1), None
    found = value.bootstrap(probabilities(1, 11), *arguments)
    edge = torch.full((1, 1), math.copysign(2.5, reward) + 0.5), torch.zeros(1, 1), None
    assert torch.equal(found, value.bootstrap(probabilities(1, 11), *edge))
    assert int(found.argmax()) == (10 if reward > 0 else 0)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_a_diverged_critic_gives_no_error_of_an_index(projection: str) -> None:
    next_p = torch.full((BATCH, 11), math.nan)
    arguments = [torch.full((BATCH, 1), math.nan)] * 2
    assert bool(categorical(projection).bootstrap(next_p, *arguments, None).isnan().any())


@pytest.mark.parametrize("sigma", [0.3, 2.0])
def test_sigma_is_in_widths_of_a_bin(sigma: float) -> None:
    value = categorical("hl-gauss", sigma=sigma)
    arguments = transition()
    next_p = probabilities(BATCH, 11)
    target = value.bootstrap(next_p, *arguments)
    p, r, g, h = double(next_p, *arguments)
    for b in range(BATCH):
        wanted = hl_gauss(p[b], np.linspace(-2, 3, 11), r[b, 0], g[b, 0], h[b, 0], sigma)
        np.testing.assert_allclose(target[b].numpy(), wanted, **CLOSE)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"name": "quantiles", "n_quantiles": 0}, r"n_quantiles is 0; allowed: at least 1$"),
        ({"n_atoms": 1}, r"n_atoms is 1; allowed: at least 2$"),
        (
            {"v_min": 5, "v_max": -5},
            r"v_min is 5 and v_max is -5; allowed: finite numbers, the first below the second$",
        ),
        ({"v_min": 1.0, "v_max": 1.0}, r"v_min is 1\.0 and v_max is 1\.0; allowed: finite"),
        ({"v_max": math.inf}, r"v_max is inf; allowed: finite"),
        ({"v_min": math.nan}, "v_min is nan; allowed: numbers of 64 bits, not nan"),
        ({"sigma": 0.0}, r"sigma is 0\.0; allowed: above 0, and finite$"),
        ({"projection": "c15"}, r"projection is 'c15' \(str\); allowed: 'c51', 'two-hot'"),
    ],
)
def test_bad_parameters(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError, match=sentence):
        build("value", {"name": "categorical", **params})


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_projections_compile_as_a_whole(projection: str) -> None:
    value = categorical(projection)
    arguments = (probabilities(BATCH, 11), *transition())
    compiled = torch.compile(value.bootstrap, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*arguments), value.bootstrap(*arguments))
