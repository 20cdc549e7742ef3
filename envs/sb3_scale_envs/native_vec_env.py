"""What the ``VecEnv``s share whose environments are no Python objects."""

from collections.abc import Mapping
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices


class NativeVecEnv(VecEnv):
    """
    A ``VecEnv`` with attributes that are the same for all environments, and no methods of theirs.

    :param num_envs: number of environments
    :param observation_space: of one environment
    :param action_space: of one environment
    :param attributes: what ``get_attr`` knows; Stable-Baselines3 asks for ``render_mode``
    """

    def __init__(
        self,
        num_envs: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        attributes: Mapping[str, Any],
    ) -> None:
        self._attributes = attributes
        super().__init__(num_envs, observation_space, action_space)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """
        :param attr_name: ``spec``, of the Gymnasium environment, or ``render_mode``
        :param indices: of environments, all by default
        :return: the value for each
        :raises AttributeError: for any other name
        """
        if attr_name not in self._attributes:
            raise self._no_object(attr_name)
        return [self._attributes[attr_name] for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """
        :param attr_name: without use
        :param value: without use
        :param indices: without use
        :raises AttributeError: always
        """
        raise self._no_object(attr_name)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """
        :param method_name: without use
        :param method_args: without use
        :param indices: without use
        :param method_kwargs: without use
        :raises AttributeError: always
        """
        raise self._no_object(method_name)

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """
        :param wrapper_class: without use
        :param indices: of environments, all by default
        :return: ``False`` for each
        """
        return [False for _ in self._get_indices(indices)]

    def _no_object(self, name: str) -> AttributeError:
        return AttributeError(
            f"environments of {type(self).__name__} are no Python objects and have no '{name}'"
        )
