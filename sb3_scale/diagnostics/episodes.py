"""What diagnostics share that play episodes."""

from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.diagnostics.diagnostic import Diagnostic
from sb3_scale.diagnostics.evaluation_env import evaluation_env
from sb3_scale.diagnostics.randomness import own_random_numbers
from sb3_scale.diagnostics.rollouts import Episode, episode


class EpisodeDiagnostic(Diagnostic):
    """
    Plays episodes of the present policy in an environment of its own, with random numbers of its
    own.

    :param interval: environment steps (decisions) from one measurement to the next
    """

    env: VecEnv | None = None
    """Like the training's, while it lasts."""

    def _on_training_start(self) -> None:
        super()._on_training_start()
        with own_random_numbers(self.num_timesteps, self.model.device):
            self.env = evaluation_env(self.training_env)

    def _on_training_end(self) -> None:
        if self.env is not None:
            self.env.close()
            self.env = None

    def play(self, n_episodes: int, max_steps: int) -> list[Episode]:
        """
        :param n_episodes: how many
        :param max_steps: after which an episode is cut
        :return: the episodes
        """
        assert self.env is not None
        with own_random_numbers(self.num_timesteps, self.model.device):
            self.env.seed(self.num_timesteps)
            return [episode(self.model, self.env, max_steps) for _ in range(n_episodes)]
