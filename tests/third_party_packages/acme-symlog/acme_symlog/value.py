"""The value."""

import torch

from sb3_scale.nn.values import CriticValue, bellman


class SymlogTwoHot(CriticValue):
    """
    The target shares its probability between the two atoms that are nearest.

    :param n_atoms: outputs per member
    :param limit: symlog of the greatest atom
    """

    outputs, loss = "categorical", "cross-entropy"

    def __init__(self, n_atoms: int = 63, limit: float = 8.0) -> None:
        super().__init__()
        if n_atoms < 2:
            raise ValueError(f"n_atoms is {n_atoms}; allowed: at least 2")
        z = torch.linspace(-limit, limit, n_atoms)
        self.n_outputs = n_atoms
        self.register_buffer("atoms", z.sign() * z.abs().expm1(), persistent=False)
        self.value_range = float(self.atoms[0]), float(self.atoms[-1])

    def distribution(self, outputs):
        return outputs.softmax(dim=-1)

    def expectation(self, distribution):
        return (distribution * self.atoms).sum(dim=-1, keepdim=True)

    def bootstrap(self, distribution, rewards, discounts, entropy_term):
        returns = bellman(self.expectation(distribution), rewards, discounts, entropy_term)
        returns = returns.clamp(*self.value_range)
        upper = torch.searchsorted(self.atoms, returns).clamp(1, self.n_outputs - 1)
        low, high = self.atoms[upper - 1], self.atoms[upper]
        share = (returns - low) / (high - low)
        target = torch.zeros_like(distribution).scatter(-1, upper, share)
        return target.scatter(-1, upper - 1, 1 - share)
