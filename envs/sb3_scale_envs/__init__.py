"""
Environments of sb3_scale: the DeepMind Control Suite, ten tasks of MyoSuite, goal tasks,
MinAtar's games, and navigation.

The import is light: dm_control, MuJoCo and EnvPool load when an environment is made.
"""

from collections.abc import Iterator

from sb3_scale import Env, EnvBackend, hookimpl
from sb3_scale_envs.tasks import MINATAR, MYO_TASKS, NAVIGATION, ROBOTICS, TASKS


@hookimpl
def sb3_scale_components() -> Iterator[Env | EnvBackend]:
    """
    :return: one environment per task: ``domain-task`` of dm_control, from its state and with
        ``-pixels`` from pictures, ``key-turn`` of MyoSuite, ``navigation-10``; EnvPool and a
        ``VecEnv`` of navigation, which run them faster
    """
    for domain, tasks in TASKS.items():
        for task in tasks:
            yield Env(
                f"{domain}-{task}",
                "sb3_scale_envs.dm_control:DMControlEnv",
                summary=f"DeepMind Control Suite, domain {domain}, task {task}.",
                reference="Tassa et al., DeepMind Control Suite, 2018, arXiv:1801.00690",
                kwargs={"domain": domain, "task": task},
            )
            yield Env(
                f"{domain}-{task}-pixels",
                "sb3_scale_envs.dm_control_pixels:DMControlPixelsEnv",
                summary=f"DeepMind Control Suite, domain {domain}, task {task}, from pixels.",
                reference="Kostrikov et al., DrQ, 2020, arXiv:2004.13649",
                kwargs={"domain": domain, "task": task},
            )
    for name, (official, _) in MYO_TASKS.items():
        yield Env(
            name,
            "sb3_scale_envs.myosuite:MyoSuiteEnv",
            summary=f"MyoSuite, {official}, run by EnvPool.",
            reference="Caggiano et al., MyoSuite, 2022, arXiv:2205.13600",
            kwargs={"task": name},
        )
    for name in ROBOTICS:
        yield Env(
            name,
            "sb3_scale_envs.robotics:make",
            summary="A goal task of gymnasium-robotics, for hindsight.",
            reference="Plappert et al., Multi-Goal Reinforcement Learning, 2018, arXiv:1802.09464",
            kwargs={"task": name},
        )
    for name in MINATAR:
        yield Env(
            name,
            "sb3_scale_envs.minatar_games:make",
            summary="A small Atari game of 10x10 pixels, with discrete actions.",
            reference="Young and Tian, MinAtar, 2019, arXiv:1903.03176",
            kwargs={"game": name},
        )
    for name, kwargs in NAVIGATION.items():
        yield Env(
            name,
            "sb3_scale_envs.navigation_env:NavigationEnv",
            summary="Walk to the origin of a space of n dimensions.",
            reference="Hui, Stabilizing Q-Learning for Continuous Control, 2022, section 3.2",
            equation="x' = x + clip(a, -1, 1), r = (|x| - |x'|) / sqrt(n)",
            kwargs=kwargs,
            vector_target="sb3_scale_envs.navigation_vector_env:NavigationVectorEnv",
        )
    yield EnvBackend(
        "navigation",
        "sb3_scale_envs.navigation_vec_env:NavigationVecEnv",
        summary="Steps all training environments of navigation at once in NumPy.",
        example_env="navigation-10",
    )
    yield EnvBackend(
        "envpool",
        "sb3_scale_envs.envpool_vec_env:EnvPoolVecEnv",
        summary="Steps the training environments in EnvPool's C++ threads.",
        reference="Weng et al., EnvPool, 2022, arXiv:2206.10558",
    )
