"""Reductions against plain loops: which members, which quantiles, and whole distributions."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sb3_scale import Sb3ScaleError
from sb3_scale.parts import build

MEMBERS, BATCH, N = 4, 6, 5
NAMES = ["min", "mean", "none", "truncated", "subset"]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def members(n: int = N) -> tuple[Tensor, Tensor]:
    distributions = random(MEMBERS, BATCH, n)
    return distributions, distributions.mean(-1, keepdim=True)


def reduction(name: str, n_members: int = MEMBERS, **params: Any) -> Any:
    return build("reduction", {"name": name, **params}, n_members)


def least_of(distributions: Tensor, means: Tensor, drawn: tuple[int, ...]) -> Tensor:
    """Of each sample the row of the drawn member with the least mean."""
    rows = [
        distributions[min(drawn, key=lambda m, b=b: float(means[m, b])), b]
        for b in range(distributions.shape[1])
    ]
    return torch.stack(rows)


def test_minimum_of_numbers_is_elementwise_bit_for_bit() -> None:
    distributions, means = members(1)
    assert torch.equal(reduction("min").target(distributions, means), distributions.amin(dim=0))
    assert torch.equal(reduction("min").actor(means), means.amin(dim=0))


def test_minimum_takes_a_distribution_whole() -> None:
    distributions, means = members()
    target = reduction("min").target(distributions, means)
    assert torch.equal(target, least_of(distributions, means, tuple(range(MEMBERS))))
    assert not torch.equal(target, distributions.amin(dim=0))


def test_minimum_follows_the_means_that_it_is_given() -> None:
    """The mean of a row of probabilities says nothing; that of the atoms does."""
    distributions, _ = members()
    means = random(MEMBERS, BATCH, 1, seed=3)
    target = reduction("min").target(distributions, means)
    assert torch.equal(target, least_of(distributions, means, tuple(range(MEMBERS))))


@pytest.mark.parametrize("n", [1, N])
def test_mean_and_none(n: int) -> None:
    distributions, means = members(n)
    rows = distributions.double().numpy()
    wanted = [
        [sum(rows[m, b, i] for m in range(MEMBERS)) / MEMBERS for i in range(n)]
        for b in range(BATCH)
    ]
    np.testing.assert_allclose(
        reduction("mean").target(distributions, means).numpy(), wanted, rtol=1e-5, atol=1e-7
    )
    assert torch.equal(reduction("none").target(distributions, means), distributions)


@pytest.mark.parametrize("name", ["mean", "none", "truncated", "subset"])
def test_actor_follows_the_mean_over_all_members(name: str) -> None:
    _, means = members()
    rows = means.double().numpy()
    wanted = [[sum(rows[:, b, 0]) / MEMBERS] for b in range(BATCH)]
    np.testing.assert_allclose(reduction(name).actor(means).numpy(), wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("drop", [0, 2, 4])
def test_truncation_keeps_the_least_quantiles_of_all_members(drop: int) -> None:
    distributions, means = members()
    target = reduction("truncated", drop_per_member=drop).target(distributions, means)
    assert target.shape == (BATCH, MEMBERS * (N - drop))
    for b in range(BATCH):
        pooled = sorted(float(x) for m in range(MEMBERS) for x in distributions[m, b])
        assert target[b].tolist() == pooled[: MEMBERS * N - MEMBERS * drop]


def test_truncation_must_leave_a_quantile() -> None:
    reduction("truncated", drop_per_member=4).check(5)
    sentence = r"^drop_per_member is 5, and there are 5 outputs per member; allowed: 0 to 4$"
    with pytest.raises(ValueError, match=sentence):
        reduction("truncated", drop_per_member=5).check(5)


@pytest.mark.parametrize("n", [1, N])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_subset_takes_the_least_of_members_that_it_draws_anew(n: int, size: int) -> None:
    torch.manual_seed(0)
    distributions, means = members(n)
    drawn = list(combinations(range(MEMBERS), size))
    possible = [least_of(distributions, means, subset) for subset in drawn]
    seen = set()
    part = reduction("subset", size=size)
    for _ in range(100):
        target = part.target(distributions, means)
        (which,) = [i for i, wanted in enumerate(possible) if torch.equal(target, wanted)]
        seen.add(which)
    assert seen == set(range(len(drawn)))


def test_subset_draws_each_pair_equally_often() -> None:
    torch.manual_seed(0)
    # In each sample another member has the least value, so that the sum names the pair.
    distributions = torch.tensor([[1.0, 9, 9, 9], [9, 2.0, 9, 9], [9, 9, 4.0, 9], [9, 9, 9, 8.0]])
    distributions = distributions.unsqueeze(-1)
    part = reduction("subset")
    counts: dict[float, int] = {}
    for _ in range(3000):
        key = float(part.target(distributions, distributions).sum())
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6
    # Five standard deviations of a binomial count around 500.
    assert all(abs(count - 500) < 5 * (3000 / 6 * 5 / 6) ** 0.5 for count in counts.values())


def test_all_members_as_a_subset_are_the_minimum() -> None:
    distributions, means = members()
    wanted = reduction("min").target(distributions, means)
    assert torch.equal(reduction("subset", size=MEMBERS).target(distributions, means), wanted)


def test_what_reductions_read() -> None:
    assert {name: reduction(name).reads for name in NAMES} == {
        "min": None,
        "mean": None,
        "none": None,
        "truncated": ("quantiles",),
        "subset": None,
    }


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (
            {"name": "subset", "size": 5},
            r"subset.* size is 5, and there are 2 members; allowed: 1 to 2$",
        ),
        (
            {"name": "subset", "size": 0},
            r"subset.* size is 0, and there are 2 members; allowed: 1 to 2$",
        ),
        (
            {"name": "truncated", "drop_per_member": -1},
            r"drop_per_member is -1; allowed: at least 0$",
        ),
    ],
)
def test_bad_parameters(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError, match=sentence):
        build("reduction", params, 2)


@pytest.mark.parametrize("name", NAMES)
def test_reductions_compile_as_a_whole(name: str) -> None:
    arguments = members()
    target = reduction(name).target
    compiled = torch.compile(target, fullgraph=True, backend="aot_eager")
    torch.manual_seed(0)
    wanted = target(*arguments)
    torch.manual_seed(0)
    torch.testing.assert_close(compiled(*arguments), wanted)
