"""
One training from first to last, in the environment of Python that has its implementation.

``time_to_train.py`` starts it. Standard output has one JSON object per line: the number of
decisions, again and again, and what the training took at the end.
"""

import argparse
import json
import os
import time
from typing import Any

import gymnasium
import numpy as np
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

import sb3_scale
from lib.configurations import CONFIGURATIONS, VARIANTS

REPORTS = 200
"""Lines of progress."""


class TimedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """
    Adds up the time that an environment takes.

    :param env: the environment
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.seconds = 0.0

    def step(self, action: Any) -> Any:
        """
        :param action: of the agent
        :return: what the environment gives
        """
        start = time.perf_counter()
        try:
            return self.env.step(action)
        finally:
            self.seconds += time.perf_counter() - start

    def reset(self, **options: Any) -> Any:
        """
        :param options: of the environment's reset
        :return: what the environment gives
        """
        start = time.perf_counter()
        try:
            return self.env.reset(**options)
        finally:
            self.seconds += time.perf_counter() - start


class Progress(BaseCallback):
    """
    Prints the number of decisions.

    :param decisions: of the whole training
    """

    def __init__(self, decisions: int) -> None:
        super().__init__()
        self.interval = max(decisions // REPORTS, 1)

    def _on_step(self) -> bool:
        if self.num_timesteps % self.interval == 0:
            tell(decisions=self.num_timesteps)
        return True


def tell(**message: Any) -> None:
    """
    :param message: one line of standard output
    """
    print(json.dumps(message), flush=True)


def make(args: argparse.Namespace, env: gymnasium.Env[Any, Any]) -> Any:
    """
    :param args: of the command line
    :param env: the environment
    :return: the algorithm
    """
    configuration = CONFIGURATIONS[args.config]
    settings: dict[str, Any] = {}
    if args.side in VARIANTS:
        algorithm, policy = configuration.algorithm, "ScalePolicy"
        kwargs = configuration.policy_kwargs
        settings = {**configuration.settings, **VARIANTS[args.side]}
    else:
        policy = "MlpPolicy"
        kwargs = {"net_arch": {"pi": list(configuration.actor), "qf": list(configuration.critic)}}
        algorithm = library(args.side, configuration.algorithm.__name__)
    if args.side != "SBX":
        settings["device"] = args.device
    return algorithm(
        policy,
        env,
        policy_kwargs=kwargs,
        learning_starts=args.learning_starts,
        gradient_steps=args.gradient_steps,
        batch_size=args.batch_size,
        buffer_size=args.decisions,
        seed=args.seed,
        **settings,
    )


def library(side: str, algorithm: str) -> Any:
    """
    :param side: ``SB3``, ``sb3-contrib`` or ``SBX``
    :param algorithm: name of its class
    :return: the class
    """
    if side == "SBX":
        import sbx

        return getattr(sbx, algorithm)
    if side == "SB3":
        import stable_baselines3

        return getattr(stable_baselines3, algorithm)
    import sb3_contrib

    return getattr(sb3_contrib, algorithm)


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    for option in ("side", "config", "env", "device"):
        parser.add_argument(f"--{option}", required=True)
    for option in ("decisions", "learning-starts", "gradient-steps", "batch-size"):
        parser.add_argument(f"--{option}", type=int, required=True)
    for option in ("seed", "threads"):
        parser.add_argument(f"--{option}", type=int, required=True)
    return parser.parse_args()


def main() -> None:
    """Train once."""
    args = arguments()
    th.set_num_threads(args.threads)
    # JAX starts as many threads as the process may use cores.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    sb3_scale.register_envs()
    env = TimedEnv(gymnasium.make(args.env, action_repeat=2))
    model = make(args, env)
    model.set_logger(Logger(None, []))
    update, updates = model.train, []

    def train(*given: Any, **named: Any) -> None:
        start = time.perf_counter()
        update(*given, **named)
        updates.append(time.perf_counter() - start)

    model.train = train
    tell(decisions=0)
    start = time.perf_counter()
    model.learn(args.decisions, Progress(args.decisions))
    total = time.perf_counter() - start
    returns = [episode["r"] for episode in model.ep_info_buffer]
    tell(
        seconds=total,
        environment=env.seconds,
        updates=sum(updates),
        first_update=updates[0],
        gradient_steps=len(updates) * args.gradient_steps,
        last_return=float(np.mean(returns[-5:])) if returns else None,
    )


if __name__ == "__main__":
    main()
