"""
A group sequential permutation test of pairs, which ends as soon as differences are decided.

It follows Mathieu et al., AdaStop, 2023, arXiv:2306.10882: seeds come in groups, after each the
difference of the sums is compared with those of seeds permuted within each group, and the
probability of error is spent evenly on the looks. Pairs share it by Holm's rule, where AdaStop
takes the greatest difference of all pairs: at 0.1 that rule found differences between equals in
0.12 to 0.13 of 1000 trials. The package ``adastop`` 0.1.3 compares an absolute difference with the
distribution of a signed one, and so errs twice as often as its ``alpha`` says.
"""

import math
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pair = TypeVar("Pair")

DRAWS = 10_000
"""Permutations, that of the observations among them."""


def decisions(
    returns: Mapping[Pair, tuple[Array, Array]],
    undecided: int,
    looks: int,
    alpha: float,
    draws: int = DRAWS,
) -> dict[Pair, int]:
    """
    :param returns: of both sides of each pair so far, shape ``(looks so far, seeds)`` each
    :param undecided: pairs, those without returns among them
    :param looks: planned
    :param alpha: probability that any pair is decided wrongly, over all looks
    :param draws: permutations
    :return: 1 for each pair that is decided now and of which the first side is higher, -1 where it
        is the second
    """
    paths = {pair: _permuted(*sides, draws) for pair, sides in returns.items()}
    found: dict[Pair, int] = {}
    changed = True
    while changed:
        share = alpha / max(1, undecided - len(found))
        # The first draw is what was observed.
        now = [
            pair
            for pair, path in paths.items()
            if pair not in found and abs(path[-1, 0]) > _bound(np.abs(path), looks, share)
        ]
        found |= {pair: 1 if paths[pair][-1, 0] > 0 else -1 for pair in now}
        changed = bool(now)
    return found


def least_probability(seeds: int, looks: int) -> float:
    """
    :param seeds: of each side per look
    :param looks: planned
    :return: probability of the greatest possible difference between sides that are alike
    """
    return 2 / float(math.comb(2 * seeds, seeds)) ** looks


def _permuted(ours: Array, theirs: Array, draws: int) -> Array:
    """Differences of sums up to each look, shape ``(looks, draws)``."""
    # One seed for all pairs and calls: the same trainings always give the same decisions.
    generator = np.random.default_rng(0)
    pooled = np.concatenate([ours, theirs], axis=1)
    signs = np.repeat([1.0, -1.0], ours.shape[1])
    rows = []
    for values in pooled:
        permuted = generator.permuted(np.tile(signs, (draws, 1)), axis=1)
        permuted[0] = signs
        rows.append(permuted @ values)
    # Orders of addition must not tell equal sums apart.
    scale = max(float(np.abs(pooled).sum()), float(np.finfo(np.float64).tiny))
    return np.asarray(np.round(np.cumsum(rows, axis=0) / scale, 12))


def _bound(path: Array, looks: int, alpha: float) -> float:
    """What a difference must exceed at the last look of the path."""
    crossed = np.zeros(path.shape[1], dtype=bool)
    bound = math.inf
    for number, row in enumerate(path, 1):
        # The tolerance keeps a share such as 0.3 * 10 from being 2.
        allowed = int(alpha * number / looks * len(row) + 1e-9) - int(crossed.sum())
        rest = np.sort(row[~crossed])[::-1]
        bound = float(rest[allowed]) if allowed < len(rest) else -math.inf
        crossed |= row > bound
    return bound
