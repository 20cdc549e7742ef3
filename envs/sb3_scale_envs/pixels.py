"""Any environment that draws pictures, observed through them."""

import math
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray
from PIL import Image

from sb3_scale.collection.time_limits import least, lengths_of
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale_envs.control_steps import check_counts
from sb3_scale_envs.frames import Frames, first_stack, frame_space, next_stack
from sb3_scale_envs.mujoco_renderer import check_cameras, check_opengl

MODE = "rgb_array"

STACKING = ("DMControlPixelsEnv", "FrameStackObservation", "PixelObservation")
"""Wrappers and environments whose observations are stacks; by name, as their import is heavy."""


class PixelObservation(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """
    Observes an environment through its own pictures.

    An observation is the last ``frame_stack`` pictures, uint8, channels first, the newest last; at
    an episode's start all are the first one. A picture of another size becomes ``size`` x ``size``
    by the mean over areas.

    An action that is repeated ends with the episode; its rewards are added, and only its last
    picture is drawn.

    :param env: made with ``render_mode="rgb_array"``
    :param frame_stack: pictures in an observation
    :param size: of a picture in an observation, in pixels
    :param state: whether the environment's own observation stays, which gives a dictionary of
        ``"pixels"`` and ``"state"``, or of ``"pixels"`` and the keys that it has already
    :param action_repeat: how often the environment takes an action, with one observation after it
    :raises Sb3ScaleError: if the environment draws no pictures, stacks them already, has a key
        ``"pixels"``, or draws with MuJoCo through a camera that there is not; at the first reset if
        its pictures are no RGB of uint8, or there is no OpenGL
    """

    def __init__(
        self,
        env: "gymnasium.Env[Any, Any]",
        frame_stack: int = 3,
        size: int = 84,
        state: bool = False,
        action_repeat: int = 1,
    ) -> None:
        RecordConstructorArgs.__init__(
            self, frame_stack=frame_stack, size=size, state=state, action_repeat=action_repeat
        )
        super().__init__(env)
        check_counts(frame_stack=frame_stack, size=size, action_repeat=action_repeat)
        _check_not_stacked(env)
        if env.render_mode != MODE:
            modes = env.metadata.get("render_modes", [])
            allowed = f"render_mode '{MODE}'" if MODE in modes else f"environments with '{MODE}'"
            raise Sb3ScaleError(
                f"PixelObservation: {_name(env)} has render_mode {shown(env.render_mode)}; "
                f"allowed: {allowed}"
            )
        check_cameras(env)
        self.metadata = {**env.metadata, "render_modes": [MODE]}
        self.frame_stack = frame_stack
        self.action_repeat = action_repeat
        self._size = size
        self._with_state = state
        self._draws = False
        pixels = frame_space(frame_stack, size)
        self._keyed = isinstance(env.observation_space, spaces.Dict)
        self.observation_space = self._beside(pixels, env.observation_space) if state else pixels

    @property
    def max_episode_steps(self) -> int | None:
        """Decisions in the longest episode, if the environment says how long that is."""
        spec = self.env.spec
        limits = [] if spec is None else [spec.max_episode_steps]
        steps = least([*limits, *lengths_of(self.env).values()])
        return None if steps is None else math.ceil(steps / self.action_repeat)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """
        Begin an episode.

        :param seed: for the environment
        :param options: for the environment
        :return: observation and the environment's information
        :raises Sb3ScaleError: if a picture is no RGB of uint8, or there is no OpenGL
        """
        if not self._draws:
            check_opengl(self.env, "an observation of pixels")
            self._draws = True
        observation, info = self.env.reset(seed=seed, options=options)
        self._stack = first_stack(self._draw(), self.frame_stack)
        return self._observed(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """
        :param action: for the environment
        :return: observation, and what the environment says beside it
        :raises Sb3ScaleError: if a picture is no RGB of uint8
        """
        rewards = 0.0
        for _ in range(self.action_repeat):
            observation, reward, terminated, truncated, info = self.env.step(action)
            rewards += float(reward)
            if terminated or truncated:
                break
        self._stack = next_stack(self._stack, self._draw())
        return self._observed(observation), rewards, terminated, truncated, info

    def _beside(self, pixels: spaces.Space[Any], own: spaces.Space[Any]) -> spaces.Dict:
        if not isinstance(own, spaces.Dict):
            return spaces.Dict({"pixels": pixels, "state": own})
        if "pixels" in own.spaces:
            raise Sb3ScaleError(
                f"PixelObservation: {_name(self.env)} has an observation 'pixels' already; "
                "allowed: state: false, or another name for it"
            )
        return spaces.Dict({"pixels": pixels, **own.spaces})

    def _observed(self, observation: Any) -> Any:
        if not self._with_state:
            return self._stack
        return {"pixels": self._stack, **(observation if self._keyed else {"state": observation})}

    def _draw(self) -> Frames:
        picture: Any = self.env.render()
        kind = getattr(picture, "dtype", type(picture).__name__)
        shape = np.shape(picture)
        if kind != np.uint8 or len(shape) != 3 or shape[2] != 3:
            raise Sb3ScaleError(
                f"PixelObservation: {_name(self.env)} draws {kind} of shape {shape}; allowed: "
                "uint8 of shape (height, width, 3)"
            )
        return _resized(picture, self._size)


def _resized(picture: NDArray[np.uint8], size: int) -> Frames:
    if picture.shape[:2] == (size, size):
        return picture
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BOX))


def _name(env: "gymnasium.Env[Any, Any]") -> str:
    spec = env.spec
    return type(env.unwrapped).__name__ if spec is None else spec.id


def _check_not_stacked(env: "gymnasium.Env[Any, Any]") -> None:
    layer: Any = env
    while True:
        name = type(layer).__name__
        if name in STACKING:
            raise Sb3ScaleError(
                f"PixelObservation: {_name(env)} is stacked by {name} already; allowed: one stack "
                f"of frames"
            )
        if not isinstance(layer, gymnasium.Wrapper):
            return
        layer = layer.env
