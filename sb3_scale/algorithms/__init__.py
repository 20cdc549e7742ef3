"""SAC and TD3 of Stable-Baselines3, which also train policies made of parts."""

from sb3_scale.algorithms.base import ScaleAlgorithm
from sb3_scale.algorithms.checks import is_scale_policy
from sb3_scale.algorithms.options import Options, SoftOptions
from sb3_scale.algorithms.sac import SAC
from sb3_scale.algorithms.soft import SoftAlgorithm
from sb3_scale.algorithms.td3 import TD3
from sb3_scale.registration import register_envs

register_envs()

__all__ = [
    "SAC",
    "TD3",
    "Options",
    "ScaleAlgorithm",
    "SoftAlgorithm",
    "SoftOptions",
    "is_scale_policy",
]
