"""From a raw observation to an action that the environment takes, as one module."""

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from sb3_scale.action_spaces import has_whole_actions
from sb3_scale.actions import is_discrete
from sb3_scale.nn.linear import fold_scales
from sb3_scale.policies import ScalePolicy

OBSERVATION = "observation"
"""Name of an observation that has no keys."""


class Controller(nn.Module):
    """
    What ``predict(observation, deterministic=True)`` of an algorithm does, with the statistics of
    ``VecNormalize`` before it: normalise, extract features, take the actor's mode, and put it
    between the bounds of the action space, or name the discrete action.

    :param policy: that was trained; its constraints become part of its weights
    :param normalize: how its observations were normalised, if they were
    """

    low: th.Tensor
    high: th.Tensor

    def __init__(self, policy: ScalePolicy, normalize: VecNormalize | None) -> None:
        super().__init__()
        actions = policy.action_space
        # What a constraint does in the forward pass cannot be translated.
        fold_scales(policy.actor)
        fold_scales(policy.extractor)
        self.policy = policy
        self._keys = keys_of(policy)
        self._is_dict = isinstance(policy.observation_space, spaces.Dict)
        self._moments: dict[str, str] = {}
        if normalize is not None and normalize.norm_obs:
            found: Any = normalize.obs_rms
            self._clip = float(normalize.clip_obs)
            each: dict[str, RunningMeanStd] = found if self._is_dict else {OBSERVATION: found}
            for number, key in enumerate(key for key in self._keys if key in each):
                self._moments[key] = str(number)
                self._keep(f"mean_{number}", each[key].mean)
                self._keep(f"deviation_{number}", np.sqrt(each[key].var + normalize.epsilon))
        self._shape = actions.shape or ()
        self._discrete = is_discrete(actions)
        self._whole = has_whole_actions(actions)
        if isinstance(actions, spaces.Box):
            self._keep("low", actions.low)
            self._keep("high", actions.high)

    def _keep(self, name: str, values: Any) -> None:
        # As Stable-Baselines3 computes it, before it rounds to float32.
        self.register_buffer(name, th.as_tensor(np.asarray(values, np.float64)))

    def forward(self, *observations: th.Tensor) -> th.Tensor:
        """
        :param observations: as the environment gives them, of each key of :func:`keys_of` in its
            order, ``(batch, *shape)``
        :return: actions as the environment takes them, ``(batch, *action shape)``
        """
        seen = {
            key: self._normalized(key, each)
            for key, each in zip(self._keys, observations, strict=True)
        }
        observation: Any = seen if self._is_dict else seen[OBSERVATION]
        mode: th.Tensor = self.policy.actor(self.policy.actor_features(observation), True)
        if self._discrete:
            taken: th.Tensor = self.policy.action_code.to_environment(mode)
            return taken.reshape(-1, *self._shape)
        mode = mode.clamp(-1, 1).double().reshape(-1, *self._shape)
        action = self.low + 0.5 * (mode + 1) * (self.high - self.low)
        if self._whole:
            return action.round().to(th.int64)
        return action.float()

    def _normalized(self, key: str, observation: th.Tensor) -> th.Tensor:
        number = self._moments.get(key)
        if number is None:
            return observation
        mean, deviation = (self.get_buffer(f"{name}_{number}") for name in ("mean", "deviation"))
        normal = (observation.double() - mean) / deviation
        return normal.clamp(-self._clip, self._clip).float()


def keys_of(policy: ScalePolicy) -> tuple[str, ...]:
    """
    :param policy: that was trained
    :return: of a ``Dict`` observation the keys that acting needs, else the one name ``observation``
    """
    space = policy.observation_space
    if not isinstance(space, spaces.Dict):
        return (OBSERVATION,)
    return tuple(key for key in space.spaces if key not in policy.extractor.hidden_keys)


def values(action_space: spaces.Space[Any]) -> str:
    """
    :param action_space: of a policy
    :return: which actions a file gives, in words
    """
    if isinstance(action_space, spaces.Box):
        return f"{action_space.low.min():g} to {action_space.high.max():g}"
    return str(action_space)
