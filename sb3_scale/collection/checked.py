"""Environments whose answers are looked at before anybody uses them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecEnv,
    VecEnvWrapper,
    unwrap_vec_normalize,
)
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.guard import told
from sb3_scale.replay.finite import all_finite, first_wrong


class CheckedAnswers(VecEnvWrapper):
    """
    Stops where an action or an answer of environments has a number that is not finite, before it
    is stored or moves the statistics of ``VecNormalize``, or with a shape that ``DummyVecEnv``
    would spread.

    :param venv: the environments
    :param num_timesteps: gives the steps of all environments before this one
    """

    shapes: "_Watched"
    """Within it, observations of another shape stop at ``DummyVecEnv``."""

    def __init__(self, venv: VecEnv, num_timesteps: Callable[[], int]) -> None:
        super().__init__(venv)
        self._num_timesteps = num_timesteps
        self._normalize = unwrap_vec_normalize(venv)
        self._raw = _Answers(self._normalize.venv, self._check) if self._normalize else None
        # Wrappers below, such as those that stack frames, change the last observations of episodes.
        self._space = (self._normalize.venv if self._normalize else venv).observation_space
        self._spaces = (
            self._space.spaces if isinstance(self._space, spaces.Dict) else {"": self._space}
        )
        self._above = _above(self._spaces)
        base = venv.unwrapped
        self._dummy: Any = base if isinstance(base, DummyVecEnv) else None
        self.shapes = _Watched(self._dummy, self._save)

    def reset(self) -> VecEnvObs:
        """
        :return: first observations
        :raises Sb3ScaleError: if they are of no kind that Stable-Baselines3 reads
        """
        with self.readable():
            return self.venv.reset()

    @contextmanager
    def readable(self) -> Iterator[None]:
        """
        Within it, environments may be stepped or reset.

        :raises Sb3ScaleError: if they answer what Stable-Baselines3 cannot read
        """
        try:
            yield
        except Sb3ScaleError:
            raise
        except Exception as error:
            # What an environment itself raises is for the one who wrote it.
            if not _raised_by_reader(error):
                raise
            raise Sb3ScaleError(
                f"an environment ({_name(self.venv, 0)}) gave an answer at timestep {self._step} "
                f"that Stable-Baselines3 cannot read: {told(error)}; allowed: reset(seed=..., "
                "options=...) -> (observation, info), and step(action) -> (observation, reward, "
                "terminated, truncated, info) with a number as reward and a dictionary as info"
            ) from error

    def step_async(self, actions: np.ndarray) -> None:
        """
        :param actions: chosen by the networks and their noise, one row an environment
        :raises Sb3ScaleError: if one of them is not finite
        """
        if not all_finite(actions):
            (index, *place), value = first_wrong(actions)
            raise Sb3ScaleError(
                f"action{place or ''} = {value} was chosen for environment {index} "
                f"({_name(self.venv, index)}) at timestep {self._step}, by the policy or its "
                "action_noise, and nothing of that step is stored; allowed: finite numbers"
            )
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """
        :return: what the environments answer
        :raises Sb3ScaleError: if a number in it is not finite, an observation has another shape, or
            it is of no kind that Stable-Baselines3 reads
        """
        with self.readable(), self.shapes:
            if self._normalize is None or self._raw is None:
                answer = self.venv.step_wait()
                self._check(*answer)
                return answer
            # For the moment of a step, so that callbacks find the wrappers as the user made them.
            self._normalize.venv, self._raw.venv = self._raw, self._normalize.venv
            try:
                return self.venv.step_wait()
            finally:
                self._normalize.venv = self._raw.venv

    def _save(self, index: int, observation: Any) -> None:
        self._check_shapes(index, observation, self._dummy.observation_space)
        self.shapes.save_obs(index, observation)

    def _check_shapes(self, index: int, observation: Any, space: Any) -> None:
        wrong = _misshapen(observation, space)
        if wrong is not None:
            what, allowed = wrong
            raise Sb3ScaleError(
                f"environment {index} ({_name(self.venv, index)}) gave an {what} at timestep "
                f"{self._step}; allowed: {allowed}"
            )

    def statistics(self) -> Any:
        """
        :return: those of the observations, if they are normalised
        """
        return deepcopy(vars(self._normalize).get("obs_rms")) if self._normalize else None

    def check_reset(self, observations: Any, statistics: Any) -> None:
        """
        :param observations: that the environments were reset to
        :param statistics: from before, which are put back if one is not finite
        :raises Sb3ScaleError: if a number is not finite
        """
        if self._normalize is not None:
            observations = self._normalize.get_original_obs()
        try:
            self._check_observations(observations)
        except Sb3ScaleError:
            if statistics is not None and self._normalize is not None:
                self._normalize.obs_rms = statistics
            raise

    def _check(self, observations: Any, rewards: Any, dones: Any, infos: Any) -> None:
        rewards = np.asarray(rewards)
        if not all_finite(rewards):
            (index, *_), value = first_wrong(rewards)
            raise Sb3ScaleError(self._sentence(index, "reward", value))
        self._check_infos(infos)
        ended = np.flatnonzero(dones).tolist() if np.count_nonzero(dones) else ()
        for index in ended:
            if "terminal_observation" in infos[index]:
                last = infos[index]["terminal_observation"]
                self._check_shapes(index, last, self._space)
                self._check_observations(_batch_of_one(last), index)
        self._check_observations(observations)

    def _check_infos(self, infos: Any) -> None:
        """What Stable-Baselines3 reads of them, and takes for numbers without a look."""
        for index, info in enumerate(infos):
            truncated = info.get("TimeLimit.truncated", False)
            if type(truncated) is not bool and truncated not in (0, 1):
                raise Sb3ScaleError(self._sentence(index, "truncated", truncated, "true, false"))
            episode, success = info.get("episode"), info.get("is_success")
            if episode is not None and not (
                isinstance(episode, Mapping) and {"r", "l"} <= episode.keys()
            ):
                held = "a dictionary with 'r' and 'l', as Monitor gives it"
                raise Sb3ScaleError(self._sentence(index, "info['episode']", episode, held))
            if success is not None and np.asarray(success).dtype.kind not in "biuf":
                held = "true, false"
                raise Sb3ScaleError(self._sentence(index, "info['is_success']", success, held))

    def _check_observations(self, observations: Any, only: int | None = None) -> None:
        keyed = observations if isinstance(observations, Mapping) else {"": observations}
        for key, array in keyed.items():
            lost = _lost(array, self._spaces.get(key))
            if lost is not None or not all_finite(array):
                (index, *place), value = first_wrong(array) if lost is None else lost
                held = "finite numbers" if lost is None else f"what {self._spaces[key].dtype} holds"
                index = index if only is None else only
                raise Sb3ScaleError(self._sentence(index, _named(key, place), value, held))
        for key, above in self._above.items():
            array = np.asarray(keyed[key])
            wrong = (array < 0) | (array >= above)
            if wrong.any():
                index, *place = np.argwhere(wrong)[0].tolist()
                value, below = (each[index, *place] for each in np.broadcast_arrays(array, above))
                index = index if only is None else only
                raise Sb3ScaleError(
                    self._sentence(index, _named(key, place), value, f"0 to {below - 1}")
                )

    @property
    def _step(self) -> int:
        """The one that is taken."""
        return self._num_timesteps() + self.num_envs

    def _sentence(self, index: int, what: str, value: Any, allowed: str = "finite numbers") -> str:
        return (
            f"environment {index} ({_name(self.venv, index)}) gave {what} = {value!s:.50} at "
            f"timestep {self._step}, and nothing of that step is stored; allowed: {allowed}"
        )


def _misshapen(observation: Any, space: Any) -> tuple[str, str] | None:
    """What is wrong with the shape of one observation, and what is allowed."""
    if not isinstance(space, spaces.Dict):
        return _misshapen_array("observation", observation, space)
    for key, each in space.spaces.items():
        if not isinstance(observation, Mapping) or key not in observation:
            allowed = f"a dictionary of {', '.join(map(repr, space.spaces))}"
            return f"observation without {key!r}", allowed
        wrong = _misshapen_array(f"observation['{key}']", observation[key], each)
        if wrong is not None:
            return wrong
    return None


def _misshapen_array(what: str, array: Any, space: Any) -> tuple[str, str] | None:
    shape, found = space.shape or (), np.shape(array)
    # As in Stable-Baselines3, leading axes of one do no harm.
    if array is None or (1,) * (len(found) - len(shape)) + shape != found:
        return f"{what} {'of None' if array is None else f'of shape {found}'}", str(shape)
    lost = _lost(array, space)
    if lost is None:
        return None
    place, value = lost
    return f"{what}{place or ''} = {value!s:.50}", f"what {space.dtype} holds"


def _named(key: str, place: list[int]) -> str:
    """A number of an observation, in messages."""
    what = f"observation['{key}']" if key else "observation"
    return f"{what}{place or ''}"


def _lost(array: Any, space: Any) -> tuple[list[int], Any] | None:
    """The first number, with its place, that is another one in a space of whole numbers."""
    given, dtype = np.asarray(array), None if space is None else space.dtype
    if dtype is None or dtype.kind not in "iub" or given.dtype == dtype:
        return None
    with np.errstate(invalid="ignore"):
        wrong = given.astype(dtype) != given
    if not wrong.any():
        return None
    place = np.argwhere(wrong)[0].tolist()
    return place, given[tuple(place)]


def _above(keyed: Mapping[str, Any]) -> dict[str, Any]:
    """Of whole numbers, by key: what each is below."""
    limits = {}
    for key, each in keyed.items():
        if isinstance(each, spaces.Discrete):
            limits[key] = each.n
        elif isinstance(each, spaces.MultiDiscrete):
            limits[key] = each.nvec
        elif isinstance(each, spaces.MultiBinary):
            limits[key] = 2
    return limits


class _Watched:
    """Has a ``DummyVecEnv`` hand its observations to somebody instead of copying them."""

    def __init__(self, dummy: Any, save: Callable[[int, Any], None]) -> None:
        self._dummy, self._save = dummy, save
        self.save_obs: Any = None if dummy is None else dummy._save_obs

    def __enter__(self) -> None:
        if self._dummy is not None:
            self._dummy._save_obs = self._save

    def __exit__(self, *error: object) -> None:
        if self._dummy is not None:
            del self._dummy._save_obs


class _Answers(VecEnvWrapper):
    """Between ``VecNormalize`` and the environments."""

    def __init__(self, venv: VecEnv, check: Callable[..., None]) -> None:
        super().__init__(venv)
        self._check = check

    def reset(self) -> VecEnvObs:
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        answer = self.venv.step_wait()
        self._check(*answer)
        return answer


def _batch_of_one(observation: Any) -> Any:
    if isinstance(observation, Mapping):
        return {key: np.asarray(each)[None] for key, each in observation.items()}
    return np.asarray(observation)[None]


def _raised_by_reader(error: BaseException) -> bool:
    """Whether Stable-Baselines3 raised it, or NumPy for it or for us, and no environment."""
    last = None
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "").partition(".")[0]
        last = last if name == "numpy" else name
        trace = trace.tb_next
    return last in ("stable_baselines3", "sb3_scale")


def _name(env: VecEnv, index: int) -> str:
    """The id of an environment, or its class."""
    try:
        text = str(env.env_method("__str__", indices=[index])[0])
    except (AttributeError, NotImplementedError):
        # Environments that step in one piece of native code have no methods.
        return type(env.unwrapped).__name__
    return text.strip("<>").split("<")[-1].removesuffix(" instance")
