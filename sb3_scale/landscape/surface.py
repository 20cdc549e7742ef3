"""The loss on a grid of weights."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch as th
from numpy.typing import NDArray
from torch.func import functional_call, vmap

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.files import replacing
from sb3_scale.landscape.checkpoint import Problem
from sb3_scale.landscape.directions import random_direction, weights
from sb3_scale.trust.zips import DAMAGE

CHUNK = 256
"""Transitions per pass: activations of a whole row of the grid stay in the caches' reach."""

COPIED = 2**27
"""Weights in the copies of a network that are evaluated at once: half a gigabyte."""


class Surface:
    """
    ``loss(theta + x d_1 + y d_2)`` for x and y in ``[-extent, extent]``, a row (one y) at a time.

    :param problem: the loss
    :param points: in each direction
    :param extent: of the grid, 1 being the norm of each filter
    :param seed: of the two directions
    :raises Sb3ScaleError: if a number is out of its range
    """

    def __init__(self, problem: Problem, points: int, extent: float, seed: int) -> None:
        if points < 3 or points % 2 == 0:
            raise Sb3ScaleError(f"points is {points}; allowed: odd numbers from 3")
        if not 0 < extent < np.inf:
            raise Sb3ScaleError(f"range is {extent}; allowed: above 0, and finite")
        self.problem = problem
        self.at = np.linspace(-extent, extent, points)
        generator = th.Generator().manual_seed(seed)
        self.first = random_direction(problem.critic, generator)
        self.second = random_direction(problem.critic, generator)
        self.losses: NDArray[np.float64] = np.full((points, points), np.nan)

    @property
    def key(self) -> str:
        """A digest of all that the losses depend on."""
        digest = hashlib.sha256(self.at.tobytes())
        tensors = [*weights(self.problem.critic).values(), *self.problem.critic.buffers()]
        tensors += [*self.first.values(), *self.second.values()]
        for tensor in (*tensors, self.problem.features, self.problem.actions, self.problem.target):
            digest.update(np.ascontiguousarray(tensor.detach().numpy()).tobytes())
        return digest.hexdigest()

    def resume(self, path: Path) -> None:
        """
        Take over the rows that a file has, if there is one.

        :param path: of a file that :meth:`save` wrote
        :raises Sb3ScaleError: if it is not of this surface, or cannot be read
        """
        if not path.is_file():
            return
        try:
            with np.load(path) as data:
                key, losses = str(data["key"]), data["losses"]
        except (*DAMAGE, KeyError) as error:
            raise Sb3ScaleError(f"'{path}' cannot be read: {error}") from None
        if key != self.key:
            raise Sb3ScaleError(
                f"'{path}' has the surface of other weights, transitions or options; name another "
                "file with --output"
            )
        self.losses = losses

    def save(self, path: Path) -> None:
        """
        :param path: of the file, which is replaced as a whole
        """
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, losses=self.losses, at=self.at, key=self.key, title=self.problem.title)

    def missing(self) -> list[int]:
        """
        :return: rows that are not evaluated yet
        """
        return [int(row) for row in np.flatnonzero(np.isnan(self.losses).any(axis=1))]

    @th.no_grad()
    def evaluate(self, row: int) -> None:
        """
        :param row: of the grid, all of whose points are evaluated at once, or in pieces where
            that many copies of the weights are too many
        """
        y = float(self.at[row])
        start = weights(self.problem.critic)
        at_once = max(1, COPIED // sum(weight.numel() for weight in start.values()))
        found = []
        for x in th.split(th.tensor(self.at, dtype=th.float32), at_once):
            points = {
                name: weight + y * self.second[name] + _outer(x, self.first[name])
                for name, weight in start.items()
            }
            found.append(sum(share * losses.double() for share, losses in self._losses(points)))
        self.losses[row] = th.cat(found).numpy()  # type: ignore[arg-type]

    def _losses(self, points: dict[str, th.Tensor]) -> Iterator[tuple[float, th.Tensor]]:
        """Of each chunk of the transitions: its share of them, and its loss at each point."""
        problem = self.problem

        def outputs(
            parameters: dict[str, th.Tensor], features: th.Tensor, actions: th.Tensor
        ) -> th.Tensor:
            found: th.Tensor = functional_call(problem.critic, parameters, (features, actions))
            return found

        batch = len(problem.features)
        for start in range(0, batch, CHUNK):
            chunk = slice(start, start + CHUNK)
            found = vmap(outputs, in_dims=(0, None, None))(
                points, problem.features[chunk], problem.actions[chunk]
            )
            target = problem.target[..., chunk, :]
            losses = [problem.loss(each, target) for each in found]
            yield target.shape[-2] / batch, th.stack(losses)


def _outer(x: th.Tensor, direction: th.Tensor) -> th.Tensor:
    return x.view(-1, *[1] * direction.dim()) * direction
