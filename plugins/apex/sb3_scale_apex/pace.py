"""Whose turn it is: the learner's, or that of what was collected."""

from dataclasses import dataclass
from typing import Any, Protocol

from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from sb3_scale.errors import Sb3ScaleError, shown


class Pace(Protocol):
    """Decides how many decisions are taken in between two ``train`` calls."""

    def start(self, model: Any) -> None:
        """
        :param model: the algorithm, whose ``learn`` begins
        """

    def begin(self, model: Any) -> None:
        """
        :param model: the algorithm, whose ``collect_rollouts`` begins
        """

    def wanted(self, model: Any) -> int:
        """
        :param model: the algorithm
        :return: decisions to wait for before the next ``train`` call, 0 or fewer if it is due
        """

    def welcome(self, model: Any) -> int:
        """
        :param model: the algorithm, of which a ``train`` call is due
        :return: decisions that may come before it, if they are there
        """


class EveryRollout:
    """
    As in Stable-Baselines3: ``train_freq`` steps of all environments, then ``gradient_steps``.

    :param train_freq: of the algorithm
    :param n_envs: environments of all collectors
    :raises Sb3ScaleError: if it counts episodes
    """

    def __init__(self, train_freq: TrainFreq, n_envs: int) -> None:
        if train_freq.unit is not TrainFrequencyUnit.STEP:
            raise Sb3ScaleError(
                f"train_freq is {shown(tuple(train_freq))}, and collectors end episodes at "
                "different times; allowed: a number of steps"
            )
        self._decisions = train_freq.frequency * n_envs
        self._until = 0

    def start(self, model: Any) -> None:
        """
        :param model: the algorithm, whose ``learn`` begins
        """

    def begin(self, model: Any) -> None:
        """
        :param model: the algorithm, whose ``collect_rollouts`` begins
        """
        self._until = model.num_timesteps + self._decisions

    def wanted(self, model: Any) -> int:
        """
        :param model: the algorithm
        :return: what is left of ``train_freq``
        """
        return int(self._until - model.num_timesteps)

    def welcome(self, model: Any) -> int:
        """
        :param model: the algorithm
        :return: nothing
        """
        return 0


@dataclass
class Ratio:
    """
    Gradient steps per decision stay within bounds: below the least nothing is taken from the
    collectors, above the greatest no gradient step is taken.

    Source: Cassirer et al., "Reverb: A Framework For Experience Replay", 2021, section 2.3.

    :param least: gradient steps per decision
    :param greatest: gradient steps per decision
    :param gradient_steps: of one ``train`` call
    """

    least: float
    greatest: float
    gradient_steps: int
    _decisions: int = 0
    _updates: int = 0

    def start(self, model: Any) -> None:
        """
        :param model: the algorithm, whose ``learn`` begins
        """
        self._decisions = max(model.num_timesteps, model.learning_starts)
        self._updates = model._n_updates

    def begin(self, model: Any) -> None:
        """
        :param model: the algorithm, whose ``collect_rollouts`` begins
        """

    def wanted(self, model: Any) -> int:
        """
        :param model: the algorithm
        :return: decisions after which one more ``train`` call stays below the greatest ratio
        """
        updates = model._n_updates - self._updates + self.gradient_steps
        # Stable-Baselines3 learns after more decisions than learning_starts.
        until = self._decisions + max(updates / self.greatest, 1)
        return int(-(-(until - model.num_timesteps) // 1))

    def welcome(self, model: Any) -> int:
        """
        :param model: the algorithm
        :return: decisions before the least ratio would be left
        """
        updates = model._n_updates - self._updates
        if self.least == 0:
            return 1 << 40
        return int(self._decisions + updates / self.least - model.num_timesteps)


def check_ratio(bounds: list[float] | None) -> None:
    """
    :param bounds: value of ``updates_per_decision``
    :raises Sb3ScaleError: if it is no pair of numbers in order
    """
    if bounds is None:
        return
    allowed = "allowed: [min, max] with 0 <= min <= max, and max above 0, or nothing"
    if len(bounds) != 2 or not 0 <= bounds[0] < float("inf") or not 0 < bounds[1] < float("inf"):
        raise Sb3ScaleError(f"updates_per_decision is {shown(bounds)}; {allowed}")
    if bounds[0] > bounds[1]:
        raise Sb3ScaleError(
            f"updates_per_decision is {shown(bounds)}, its min above its max; {allowed}"
        )
