"""
The DeepMind Control Suite and ten tasks of MyoSuite as environments of sb3_scale, and EnvPool.

The import is light: dm_control, MuJoCo and EnvPool load when an environment is made.
"""

from collections.abc import Iterator

from sb3_scale import Env, EnvBackend, hookimpl
from sb3_scale_envs.tasks import MYO_TASKS, TASKS


@hookimpl
def sb3_scale_components() -> Iterator[Env | EnvBackend]:
    """
    :return: one environment per task: ``domain-task`` of dm_control, ``key-turn`` of MyoSuite;
        and EnvPool, which runs them faster
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
    for name, (official, _) in MYO_TASKS.items():
        yield Env(
            name,
            "sb3_scale_envs.myosuite:MyoSuiteEnv",
            summary=f"MyoSuite, {official}, run by EnvPool.",
            reference="Caggiano et al., MyoSuite, 2022, arXiv:2205.13600",
            kwargs={"task": name},
        )
    yield EnvBackend(
        "envpool",
        "sb3_scale_envs.envpool_vec_env:EnvPoolVecEnv",
        summary="Steps the training environments in EnvPool's C++ threads.",
        reference="Weng et al., EnvPool, 2022, arXiv:2206.10558",
    )
