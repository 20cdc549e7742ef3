"""The critic."""

from typing import Any

from sb3_scale.extending import extends
from sb3_scale.nn.critics import EnsembleCritic


class SoftMinCritic(EnsembleCritic):
    """
    Bootstraps from a mixture of its members, those with the least value first.

    :param temperature: near 0 for the minimum, large for the mean
    """

    @extends(EnsembleCritic)
    def __init__(self, *args: Any, temperature: float = 1.0, **options: Any) -> None:
        super().__init__(*args, **options)
        if temperature <= 0:
            raise ValueError(f"temperature is {temperature}; allowed: above 0")
        self.temperature = temperature

    def bootstrap(self, next_outputs, rewards, discounts, entropy_term):
        weights = (-self.mean(next_outputs) / self.temperature).softmax(dim=0)
        mixture = (weights * self.value.distribution(next_outputs)).sum(dim=0)
        return self.value.bootstrap(mixture, rewards, discounts, entropy_term)
