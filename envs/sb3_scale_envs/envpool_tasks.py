"""Which of EnvPool's tasks are which of ours, and what EnvPool must know of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium

from sb3_scale.errors import Sb3ScaleError, check_key, nearest
from sb3_scale_envs.tasks import MYO_TASKS, TASKS

V4 = (
    "Ant",
    "HalfCheetah",
    "Hopper",
    "InvertedDoublePendulum",
    "InvertedPendulum",
    "Reacher",
    "Swimmer",
    "Walker2d",
)
V5 = (*V4, "Humanoid", "HumanoidStandup", "Pusher")

GYMNASIUM_TASKS = (*(f"{robot}-v4" for robot in V4), *(f"{robot}-v5" for robot in V5))
"""
Gymnasium's MuJoCo tasks that EnvPool has alike. In its humanoids v4 the contact forces of an
observation are 0; Gymnasium's Pusher-v4 needs a MuJoCo before 3.
"""

ALLOWED = (
    "the tasks of the DeepMind Control Suite but lqr's, those of MyoSuite, and of Gymnasium's "
    f"MuJoCo tasks {', '.join(V4)} in v4 and v5, {', '.join(V5[len(V4) :])} in v5"
)


@dataclass(frozen=True)
class EnvPoolTask:
    """
    A task, with the spaces and the length of episodes of its Gymnasium environment.

    :param name: EnvPool's id
    :param env: the Gymnasium environment, to read and not to step
    :param observation_names: EnvPool's arrays in the order of an observation, where it gives many
    :param episode_steps: control steps after which an episode is truncated
    :param action_repeat: control steps per action
    """

    name: str
    env: "gymnasium.Env[Any, Any]"
    observation_names: tuple[str, ...]
    episode_steps: int
    action_repeat: int


def find_task(env_id: str, env_kwargs: Mapping[str, Any]) -> EnvPoolTask:
    """
    :param env_id: the id that ``gymnasium.make`` knows
    :param env_kwargs: ``action_repeat`` or nothing
    :return: the task
    :raises Sb3ScaleError: if EnvPool does not have it, or an argument is wrong
    """
    names = _names()
    if env_id not in names:
        raise Sb3ScaleError(
            f"EnvPool does not have the task '{env_id}'; allowed: {ALLOWED}"
            + nearest(env_id, names)
        )
    # Gymnasium's own tasks have no action_repeat, and evaluation would fail with it.
    known = [] if env_id in GYMNASIUM_TASKS else ["action_repeat"]
    for key, value in env_kwargs.items():
        check_key(f"EnvPool's {env_id} does not take the env_kwargs", key, value, known)
    env = gymnasium.make(env_id, **env_kwargs)
    return EnvPoolTask(
        names[env_id],
        env,
        getattr(env.unwrapped, "observation_names", ()),
        _episode_steps(env_id, env),
        env_kwargs.get("action_repeat", 1),
    )


def _names() -> dict[str, str]:
    """EnvPool's id for each of ours."""
    suite = {
        f"{domain}-{task}": f"{_camel(domain)}{_camel(task)}-v1"
        for domain, tasks in TASKS.items()
        # EnvPool draws other springs for each environment, so that each is another task.
        if domain != "lqr"
        for task in tasks
    }
    myosuite = {name: official for name, (official, _) in MYO_TASKS.items()}
    return {**suite, **myosuite, **{name: name for name in GYMNASIUM_TASKS}}


def _camel(name: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in name.split("_"))


def _episode_steps(env_id: str, env: "gymnasium.Env[Any, Any]") -> int:
    ours: Any = env.unwrapped
    spec: Any = env.spec
    return int(spec.max_episode_steps if env_id in GYMNASIUM_TASKS else ours.episode_steps)
