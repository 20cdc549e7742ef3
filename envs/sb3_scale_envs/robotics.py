"""Goal tasks of gymnasium-robotics, found without naming its package."""

import types
import warnings
from typing import Any

import gymnasium
import mujoco
import numpy as np

from sb3_scale.errors import Sb3ScaleError


def make(task: str, **kwargs: Any) -> gymnasium.Env[Any, Any]:
    """
    :param task: its name in gymnasium-robotics
    :param kwargs: of the task, such as ``render_mode``
    :return: the environment as gymnasium-robotics makes it, with its time limit
    :raises Sb3ScaleError: if gymnasium-robotics is not installed
    """
    with warnings.catch_warnings():
        # It puts its own environment in the place of this one.
        warnings.filterwarnings("ignore", ".*Overriding environment")
        try:
            import gymnasium_robotics
            from gymnasium_robotics.utils import mujoco_utils
        except ImportError as error:
            raise Sb3ScaleError(
                f"'{task}' comes with gymnasium-robotics, which cannot be imported ({error}); "
                "allowed after: pip install sb3-scale-envs[robotics]"
            ) from error
        ours = gymnasium.registry[task]
        gymnasium_robotics.register_robotics_envs()
        theirs = gymnasium.registry[task]
        gymnasium.registry[task] = ours
    _compare_joints_by_number(mujoco_utils)
    return gymnasium.make(theirs, **kwargs)


def _compare_joints_by_number(mujoco_utils: Any) -> None:
    """
    From MuJoCo 3.17 on a kind of joint on the left equals no number of NumPy; gymnasium-robotics
    1.4.2 asks for that in an assertion. Its module alone gets these kinds as numbers.
    """
    kinds = mujoco.mjtJoint
    if np.int32(kinds.mjJNT_HINGE) in (kinds.mjJNT_HINGE,):
        return
    numbers = {name: int(kind) for name, kind in kinds.__members__.items()}
    own = types.ModuleType("mujoco")
    vars(own).update(vars(mujoco), mjtJoint=types.SimpleNamespace(**numbers))
    mujoco_utils.mujoco = own
