"""A finished run of RL-Zoo on this machine: its model, loaded and played."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from huggingface_sb3 import EnvironmentName
from rl_zoo3.utils import get_model_path
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecVideoRecorder

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.guard import telling
from sb3_scale.runs import env_name, read_run
from sb3_scale.saved_statistics import statistics_of
from sb3_scale.zoo.configs import uses_scale_policy
from sb3_scale.zoo.played_env import played_env


@dataclass(frozen=True)
class Played:
    """
    Episodes after the training.

    :param returns: of each
    :param deterministic: whether actions were the actor's mode
    """

    returns: Sequence[float]
    deterministic: bool

    @property
    def mean(self) -> float:
        """Over the episodes."""
        return float(np.mean(self.returns))

    @property
    def std(self) -> float:
        """Standard deviation over the episodes."""
        return float(np.std(self.returns))


class TrainedRun:
    """
    The run that a command line names.

    :param args: ``algo``, ``env``, ``folder``, ``exp_id`` and which checkpoint to take
    :raises Sb3ScaleError: if there is no such run, or it was not trained to a model
    """

    def __init__(self, args: argparse.Namespace) -> None:
        try:
            _, path, folder = get_model_path(
                args.exp_id,
                args.folder,
                args.algo,
                EnvironmentName(args.env),
                args.load_best,
                args.load_checkpoint,
                args.load_last_checkpoint,
            )
        except (AssertionError, ValueError) as error:
            raise Sb3ScaleError(
                f"nothing was trained here: {error}; allowed: the folder that {args.algo} was "
                f"trained in, python -m rl_zoo3.train --algo {args.algo} --env {args.env} -f FOLDER"
            ) from None
        self.folder, self.path = Path(folder), Path(path)
        self.run = read_run(self.folder)
        self.settings = self.folder / env_name(args.env)
        self.statistics = statistics_of(self.path, self.settings)
        self._env_id = args.env

    def load(self, algorithm: Any, env: VecEnv) -> Any:
        """
        :param algorithm: its class
        :param env: where it will play
        :return: the model, which needs no replay buffer
        """
        settings = self.run.settings
        small: dict[str, Any] = {}
        if issubclass(algorithm, OffPolicyAlgorithm) and not uses_scale_policy(settings):
            small = {"buffer_size": 1, "optimize_memory_usage": False}
        if "HerReplayBuffer" in str(settings.get("replay_buffer_class")):
            small["env"] = env
        return algorithm.load(self.path, device="cpu", **small)

    def make_env(self, render: bool, seed: int) -> VecEnv:
        """
        :param render: whether it shall give images
        :param seed: of its random numbers
        :return: one environment like that of the training, with its statistics
        :raises Sb3ScaleError: if it cannot be made
        """
        env_kwargs = dict(self.run.env_kwargs)
        if render:
            env_kwargs["render_mode"] = "rgb_array"
        return played_env(self._env_id, env_kwargs, self.settings, self.statistics, seed)


def play(model: Any, env: VecEnv, episodes: int, deterministic: bool) -> Played:
    """
    :param model: trained
    :param env: to play in
    :param episodes: how many
    :param deterministic: whether actions are the actor's mode
    :return: how it went
    """
    returns, _ = evaluate_policy(
        model, env, episodes, deterministic=deterministic, return_episode_rewards=True
    )
    assert isinstance(returns, list)
    return Played(returns, deterministic)


def film(model: Any, env: VecEnv, steps: int, deterministic: bool, path: Path) -> None:
    """
    :param model: trained
    :param env: to play in, which gives images
    :param steps: length of the video, decisions
    :param deterministic: whether actions are the actor's mode
    :param path: of the video
    :raises Sb3ScaleError: if the environment cannot be seen on this machine
    """
    with TemporaryDirectory() as folder:
        try:
            # Rendering is a stranger's, and fails in as many ways as there are machines.
            with telling():
                recorder = VecVideoRecorder(env, folder, lambda step: step == 0, steps)
                observations: Any = recorder.reset()
                for _ in range(steps):
                    actions, _ = model.predict(observations, deterministic=deterministic)
                    observations, _, _, _ = recorder.step(actions)
                recorder.close()
        except Sb3ScaleError as error:
            raise Sb3ScaleError(
                f"no video can be made here: {error}; allowed: -n 0 for none"
            ) from error
        next(Path(folder).glob("*.mp4")).replace(path)
