"""``sb3-scale report``."""

import argparse
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from sb3_scale.cli.arguments import add_json
from sb3_scale.cli.output import make_console, print_json
from sb3_scale.cli.places import check_places
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.guard import printing_to_errors, telling
from sb3_scale.quantities import at_least
from sb3_scale.registration import import_packages, register_envs
from sb3_scale.runs import Run, read_run
from sb3_scale.tables import make_table

LAST_EPISODES = 10

LONGEST = 100_000
"""Steps of an episode with random actions that are waited for."""

WITHOUT = "leave the comparison out with --random-episodes 0"
"""What a user can do whose environment does not play."""


@dataclasses.dataclass(frozen=True)
class Returns:
    """
    Returns of some episodes.

    :param mean: over the episodes
    :param std: standard deviation over the episodes
    :param episodes: their number
    :param environment_steps: when they were played, in environment steps of training
    """

    mean: float
    std: float
    episodes: int
    environment_steps: int | None = None

    @classmethod
    def of(cls, values: NDArray[np.float64], environment_steps: int | None = None) -> "Returns":
        """
        :param values: returns, shape ``(n,)``
        :param environment_steps: when they were played
        :return: their mean and standard deviation
        """
        return cls(float(values.mean()), float(values.std()), len(values), environment_steps)

    def __str__(self) -> str:
        episodes = f"{self.episodes} episode{'s' if self.episodes > 1 else ''}"
        at = "" if self.environment_steps is None else f" at step {self.environment_steps:,}"
        return f"{self.mean:,.1f} ± {self.std:,.1f}  ({episodes}{at})"


@dataclasses.dataclass(frozen=True)
class Report:
    """
    A run in figures; what the run does not have is ``None``.

    :param environment: its id
    :param algorithm: its name
    :param decisions: actions that the agent chose
    :param action_repeat: environment steps per decision
    :param environment_steps: decisions times action repeat
    :param episodes: finished episodes of training
    :param last_evaluation: returns of the last evaluation
    :param best_evaluation: returns of the evaluation with the highest mean
    :param last_training_episodes: returns of the last episodes of training
    :param random_policy: returns of uniform actions in the same environment
    :param picture: path of the learning curve
    """

    environment: str
    algorithm: str
    decisions: int
    action_repeat: int
    environment_steps: int
    episodes: int
    last_evaluation: Returns | None
    best_evaluation: Returns | None
    last_training_episodes: Returns | None
    random_policy: Returns | None
    picture: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of this subcommand
    """
    add_json(parser)
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="of the run, for instance logs/sac/dog-run_1"
    )
    parser.add_argument(
        "--random-episodes",
        type=at_least(0),
        default=5,
        metavar="N",
        help="episodes of a random policy to compare with, 5 by default, 0 for none",
    )
    parser.add_argument(
        "--gym-packages",
        nargs="+",
        default=[],
        metavar="PACKAGE",
        help="to import because they register the environment",
    )
    parser.add_argument(
        "--env",
        metavar="MODULE:CLASS",
        help="of the run, where it was trained with this: a class that nobody registered",
    )


def run(args: argparse.Namespace) -> int:
    """
    :param args: ``folder``, ``random_episodes``, ``gym_packages``, ``env`` and ``json``
    :return: 0
    :raises Sb3ScaleError: if the folder is not that of a run, a package or the environment is
        unknown, the latter fails, or the picture cannot be written
    """
    # An environment that is known says how often it takes an action.
    register_envs()
    import_packages("--gym-packages", args.gym_packages)
    if args.env:
        from sb3_scale.zoo.own_environments import name_env

        name_env(["--env", args.env])
    training = read_run(args.folder)
    picture = args.folder / "learning_curve.png"
    check_places([picture])
    random_policy = None
    if args.random_episodes > 0:
        with Console(stderr=True).status("playing at random for comparison"):
            values = random_returns(training, args.random_episodes)
        random_policy = Returns.of(values)
    from sb3_scale.learning_curve import draw

    draw(training, random_policy.mean if random_policy else None, picture)
    report = summarise(training, random_policy, str(picture))
    if args.json:
        print_json(dataclasses.asdict(report))
    else:
        make_console().print(make_table(("", str(args.folder)), _rows(report)))
    return 0


def summarise(training: Run, random_policy: Returns | None, picture: str) -> Report:
    """
    :param training: the run
    :param random_policy: what to compare with
    :param picture: path of the learning curve
    :return: the run in figures
    """
    evaluations = [
        Returns.of(values, int(decisions) * training.action_repeat)
        for decisions, values in zip(training.evaluated_at, training.evaluations, strict=True)
    ]
    return Report(
        environment=training.env_id,
        algorithm=training.algo,
        decisions=training.decisions,
        action_repeat=training.action_repeat,
        environment_steps=training.decisions * training.action_repeat,
        episodes=len(training.returns),
        last_evaluation=evaluations[-1] if evaluations else None,
        best_evaluation=max(evaluations, key=lambda one: one.mean, default=None),
        last_training_episodes=(
            Returns.of(training.returns[-LAST_EPISODES:]) if len(training.returns) else None
        ),
        random_policy=random_policy,
        picture=picture,
    )


def _rows(report: Report) -> list[tuple[str, str]]:
    return [
        (key.replace("_", " "), "none" if value is None else _text(value))
        for key, value in vars(report).items()
    ]


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def random_returns(training: Run, episodes: int) -> NDArray[np.float64]:
    """
    Play with uniform actions.

    :param training: the run, for its environment
    :param episodes: how many
    :return: returns, shape ``(episodes,)``
    :raises Sb3ScaleError: if the environment cannot be found, or fails
    """
    # Gymnasium imports what stands before a colon.
    if ":" in training.env_id:
        raise Sb3ScaleError(
            f"the environment '{training.env_id}' of the run names a module; name the package with "
            f"--gym-packages if you trust it, or {WITHOUT}"
        )
    with printing_to_errors(), _guarded(training, "cannot be made"):
        env = gymnasium.make(training.env_id, **training.env_kwargs)
    with printing_to_errors(), _guarded(training, "cannot be played"):
        return _play(env, episodes)


def _play(env: gymnasium.Env[Any, Any], episodes: int) -> NDArray[np.float64]:
    env.action_space.seed(0)
    returns = np.zeros(episodes)
    for episode in range(episodes):
        env.reset(seed=episode)
        over, steps = False, 0
        while not over:
            if (steps := steps + 1) > LONGEST:
                raise Sb3ScaleError(
                    f"an episode of '{env}' has no end within {LONGEST:,} steps; {WITHOUT}"
                )
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            returns[episode] += float(reward)
            over = terminated or truncated
    env.close()
    return returns


@contextmanager
def _guarded(training: Run, lack: str) -> Iterator[None]:
    """Whatever a stranger's environment raises becomes a sentence on what it lacks."""
    try:
        with telling():
            yield
    except Sb3ScaleError as error:
        about = f"the environment '{training.env_id}' of the run"
        if isinstance(error.__cause__, gymnasium.error.UnregisteredEnv):
            raise Sb3ScaleError(
                f"{about} is not installed here; name its package with --gym-packages, or its "
                f"class by --env MODULE:CLASS, or {WITHOUT}"
            ) from None
        raise Sb3ScaleError(f"{about} {lack}: {error}; {WITHOUT}") from error
