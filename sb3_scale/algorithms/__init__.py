"""SAC and TD3 of Stable-Baselines3, which also train policies made of parts."""

from sb3_scale.algorithms.sac import SAC
from sb3_scale.algorithms.td3 import TD3
from sb3_scale.registration import register_envs

register_envs()

__all__ = ["SAC", "TD3"]
