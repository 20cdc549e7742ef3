"""
The DeepMind Control Suite as environments of sb3_scale, ``dog-run`` and the others.

The import is light: dm_control and MuJoCo load when an environment is made.
"""

from collections.abc import Iterator

from sb3_scale import Env, hookimpl
from sb3_scale_envs.tasks import TASKS


@hookimpl
def sb3_scale_components() -> Iterator[Env]:
    """
    :return: one environment per task of the suite, named ``domain-task``
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
