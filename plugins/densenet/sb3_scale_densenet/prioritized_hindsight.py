"""Prioritised hindsight experience replay."""

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her.goal_selection_strategy import GoalSelectionStrategy

from sb3_scale.extending import extends
from sb3_scale.replay.hindsight import WITHOUT, HindsightStorage
from sb3_scale.replay.hindsight_contents import HindsightContents
from sb3_scale.replay.weighted import WeightedSamples
from sb3_scale_densenet.prioritized import PrioritizedReplayBuffer
from sb3_scale_densenet.prioritized_contents import PrioritizedContents


class PrioritizedHindsightContents(HindsightContents, PrioritizedContents):
    """
    Of a ``PrioritizedHindsightReplayBuffer``.

    :param buffer: that buffer
    """


class PrioritizedHindsightReplayBuffer(HindsightStorage, PrioritizedReplayBuffer):
    """
    Draws as ``PrioritizedReplayBuffer`` does, of episodes that have ended, and gives other goals to
    a random share of the batch, as ``HindsightReplayBuffer`` does to its last ones.

    A transition has one priority: its error with the goal that it was drawn with last.

    :param n_sampled_goal: transitions with another goal for each one with its own
    :param goal_selection_strategy: where in the episode the goal comes from: ``future``, from this
        transition on; ``final``, the last one; ``episode``, any
    :param copy_info_dict: whether ``compute_reward`` gets copies of the infos, which are kept then
    :raises Sb3ScaleError: if a parameter is out of its range, the observations have no goals, or
        there is not enough memory
    """

    contents = PrioritizedHindsightContents
    saved_arguments = (
        *(name for name in PrioritizedReplayBuffer.saved_arguments if name not in WITHOUT),
        "n_sampled_goal",
    )

    @extends(PrioritizedReplayBuffer, without=WITHOUT)
    def __init__(
        self,
        *args: Any,
        n_sampled_goal: int = 4,
        goal_selection_strategy: GoalSelectionStrategy | str = "future",
        copy_info_dict: bool = False,
        **options: Any,
    ) -> None:
        self._take_up(n_sampled_goal, goal_selection_strategy, copy_info_dict)
        super().__init__(*args, **{**options, "storage": "host"})

    def sample(  # type: ignore[override]
        self, batch_size: int, env: VecNormalize | None = None
    ) -> WeightedSamples:
        """
        :param batch_size: transitions to draw
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``batch_size`` rows on the buffer's device
        :raises Sb3ScaleError: if no episode has ended, or an error of a batch drawn before is not
            finite
        """
        self.drawable()
        return PrioritizedReplayBuffer.sample(self, batch_size, env)

    def _virtual(self, batch_size: int) -> np.ndarray:
        # A batch is in the order of the rows, so its last ones are no fair share.
        return np.random.permutation(batch_size)[: int(self.her_ratio * batch_size)]

    def _begin(self, rows: np.ndarray, priorities: np.ndarray | float) -> None:
        super()._begin(rows, np.where(self.episodes.drawable(rows), priorities, 0.0))

    def _changed(self, rows: np.ndarray) -> None:
        super()._changed(rows)
        # An error of what can no longer be drawn must not make it drawable.
        self.generations[rows] += 1
        self.tree[rows] = np.where(self.episodes.drawable(rows), self.largest, 0.0)
