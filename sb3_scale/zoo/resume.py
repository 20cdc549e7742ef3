"""What a run needs to go on after an interruption, besides RL-Zoo's checkpoints of the model."""

from pathlib import Path

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.save_util import save_to_pkl

from sb3_scale.files import replacing


class SaveRunState(BaseCallback):
    """
    Saves, with each checkpoint, what RL-Zoo saves at the end only and looks for when it resumes.

    That is ``vecnormalize.pkl`` and, if wanted, ``replay_buffer.pkl``. Both are replaced as a
    whole, so an interruption while they are written leaves the previous ones.

    :param save_freq: decisions between checkpoints, RL-Zoo's ``--save-freq``
    :param folder: of the run
    :param params_folder: where RL-Zoo keeps the settings of the run
    :param replay_buffer: whether to save it, RL-Zoo's ``--save-replay-buffer``
    """

    def __init__(
        self, save_freq: int, folder: str, params_folder: str, replay_buffer: bool
    ) -> None:
        super().__init__()
        self.save_freq = save_freq
        self.folder = Path(folder)
        self.params_folder = Path(params_folder)
        self.replay_buffer = replay_buffer

    def _on_step(self) -> bool:
        if self.n_calls % max(self.save_freq // self.training_env.num_envs, 1) == 0:
            normalization = self.model.get_vec_normalize_env()
            if normalization is not None:
                _replace(self.params_folder / "vecnormalize.pkl", normalization)
            if self.replay_buffer and isinstance(self.model, OffPolicyAlgorithm):
                self.model.save_replay_buffer(self.folder / "replay_buffer.pkl")
        return True


def _replace(path: Path, value: object) -> None:
    with replacing(path) as unfinished:
        save_to_pkl(str(unfinished), value)
