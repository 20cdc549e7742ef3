"""MinAtar's games as pictures that the encoders read."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError

FRAMES_PER_SECOND = 20
"""Those of MinAtar's own display, which waits 50 ms."""


def make(game: str, **kwargs: Any) -> gymnasium.Env[Any, Any]:
    """
    :param game: its id in MinAtar, such as ``MinAtar/Breakout-v1``
    :param kwargs: of the game: ``sticky_action_prob`` (0.1), ``difficulty_ramping`` (true),
        ``use_minimal_action_set`` (true), ``render_mode`` (``rgb_array``)
    :return: the game; its observations are uint8 of shape ``(channels, 10, 10)``, 255 where
        something is and 0 elsewhere. An episode has no limit unless ``max_episode_steps`` sets one
    :raises Sb3ScaleError: if MinAtar is not installed
    """
    try:
        from minatar.gym import BaseEnv
    except ImportError as error:
        raise Sb3ScaleError(
            f"'{game}' comes with MinAtar, which cannot be imported ({error}); "
            "allowed after: pip install sb3-scale-envs[minatar]"
        ) from error
    module = game.removeprefix("MinAtar/").removesuffix("-v1")
    name = "".join(f"_{c.lower()}" if c.isupper() else c for c in module).lstrip("_")
    return Pictures(BaseEnv(name, **{"use_minimal_action_set": True, **kwargs}))


class Pictures(
    gymnasium.ObservationWrapper[NDArray[np.uint8], Any, NDArray[np.bool_]], RecordConstructorArgs
):
    """
    Booleans with the channels last, as uint8 with the channels first.

    :param env: game of MinAtar
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.ObservationWrapper.__init__(self, env)
        self.metadata = {**env.metadata, "render_fps": FRAMES_PER_SECOND}
        height, width, channels = env.observation_space.shape or ()
        self.observation_space = Box(0, 255, (channels, height, width), np.uint8)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """
        Begin an episode.

        :param seed: of the episodes from here on; ``None`` goes on with the stream
        :param options: none are known, ignored
        :return: observation and an empty dictionary
        """
        game: Any = self.unwrapped
        gymnasium.Env.reset(game, seed=seed)
        if seed is not None:
            # An action that sticks is the last one, also of the episode before.
            game.game.last_action = 0
        return super().reset(seed=seed, options=options)

    def render(self) -> Any:
        """
        :return: with ``render_mode="rgb_array"`` the picture, uint8 of shape ``(10, 10, 3)``
        """
        picture = super().render()
        if self.render_mode != "rgb_array":
            return picture
        return (255 * np.asarray(picture)).round().astype(np.uint8)

    def observation(self, observation: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """
        :param observation: of shape ``(height, width, channels)``
        :return: uint8, shape ``(channels, height, width)``
        """
        return observation.transpose(2, 0, 1) * np.uint8(255)
