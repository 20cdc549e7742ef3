"""The reduction."""

from sb3_scale.nn.reductions import CriticReduction


class TruncatedMixture(CriticReduction):
    """
    The target of TQC; the actor follows the mean of all quantiles.

    :param n_members: size of the ensemble
    :param dropped: quantiles to drop per member
    """

    reads = ("quantiles",)

    def __init__(self, n_members: int, dropped: int = 2) -> None:
        super().__init__(n_members)
        self.dropped = dropped

    def check(self, n_outputs):
        if not 0 <= self.dropped < n_outputs:
            raise ValueError(f"dropped is {self.dropped}; allowed: 0 to {n_outputs - 1}")

    def target(self, distributions, means):
        atoms = distributions.permute(1, 0, 2).flatten(start_dim=1).sort(dim=1).values
        return atoms[:, : atoms.shape[1] - self.n_members * self.dropped]
