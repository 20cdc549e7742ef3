"""Group normalisation for ensembles."""

from torch import Tensor, nn

from sb3_scale.nn.norms import EnsembleLayerNorm


class EnsembleGroupNorm(EnsembleLayerNorm):
    """
    Layer normalisation of each of some equal groups of features, with a scale and a shift per
    feature and member.

    Source: Wu and He, "Group Normalization", 2018; Hui, 2022, section 3.3, with 16 groups for
    layers of width 256, whose square root is 16.

    :param num_features: width of the input
    :param n_members: size of the ensemble
    :param groups: number of groups, a divisor of the width and less than it
    :param eps: added to the variance
    :param affine: whether to learn the scale and the shift
    """

    def __init__(
        self,
        num_features: int,
        n_members: int,
        groups: int = 16,
        eps: float = 1e-5,
        affine: bool = True,
    ) -> None:
        super().__init__(num_features, n_members, eps, affine)
        # A group of one feature is constant.
        allowed = [each for each in range(1, num_features) if num_features % each == 0] or [1]
        if groups not in allowed:
            nearest = min(allowed, key=lambda each: abs(each - groups))
            raise ValueError(
                f"groups is {groups} and the width {num_features}; allowed: divisors of the width, "
                f"and less than it; did you mean {nearest}?"
            )
        self.groups = groups

    def standardize(self, x: Tensor) -> Tensor:
        """
        :param x: shape ``(n_members, batch, num_features)``
        :return: the same shape, with mean 0 and variance 1 within each group of a sample
        """
        grouped = x.reshape(*x.shape[:-1], self.groups, -1)
        return nn.functional.layer_norm(grouped, grouped.shape[-1:], eps=self.eps).flatten(-2)
