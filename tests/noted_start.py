"""A callback that RL-Zoo imports by its path."""

from typing import Any, ClassVar

from stable_baselines3.common.callbacks import BaseCallback

from sb3_scale.generators import random_states


class Start(BaseCallback):
    """Notes with which random numbers and observation a training begins."""

    noted: ClassVar[dict[str, Any]] = {}

    def _on_training_start(self) -> None:
        self.noted["states"] = random_states(self.model.action_space)
        self.noted["observation"] = self.model.get_vec_normalize_env().get_original_obs()[0]

    def _on_step(self) -> bool:
        return True
