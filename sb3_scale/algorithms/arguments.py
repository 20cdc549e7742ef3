"""What each argument of an algorithm may be, ours and those that Stable-Baselines3 reads."""

import inspect
import os
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from sb3_scale.algorithms.buffers import RETURNS
from sb3_scale.algorithms.schedules import RATE, schedule
from sb3_scale.errors import Sb3ScaleError, check_key, nearest, shown, suggestion
from sb3_scale.files import check_place
from sb3_scale.quantities import Whole, Within, flag, whole_number
from sb3_scale.replay.compact import MOST_STEPS
from sb3_scale.structures import check_structure
from sb3_scale.value_types import annotations, check_type, is_tuple


def check_call(owner: type, aliases: Mapping[str, type[BasePolicy]], given: Any) -> None:
    """
    Check what Stable-Baselines3 reads before it makes anything.

    :param owner: the algorithm
    :param aliases: its names of policies
    :param given: arguments by name
    :raises Sb3ScaleError: if one is wrong
    """
    for name, value in given.items():
        if name not in ("policy", "env"):
            check_structure(name, value)
    policy = given["policy"]
    if isinstance(policy, str):
        if policy not in aliases:
            raise Sb3ScaleError(
                f"{owner.__name__} has no policy {shown(policy)}{suggestion(policy, aliases)}"
            )
    elif not (isinstance(policy, type) and issubclass(policy, BasePolicy)):
        names = ", ".join(sorted(aliases))
        raise Sb3ScaleError(f"policy is {shown(policy)}; allowed: {names}, or a class of policies")
    for name in ("policy_kwargs", "replay_buffer_kwargs"):
        _names(name, given.get(name))
    flag("use_sde", given.get("use_sde", False))
    _verbose("verbose", given.get("verbose", 0))


def check_settings(model: Any) -> None:
    """
    Check arguments of all algorithms, before anything is made; NumPy numbers become plain ones.

    :param model: an algorithm; not each has all arguments
    :raises Sb3ScaleError: if one has a wrong value
    """
    for name, check in ARGUMENTS.items():
        if name in vars(model):
            setattr(model, name, check(name.lstrip("_"), getattr(model, name)))
    if model.scaled:
        # Stock policies may keep their first target, as tests of Stable-Baselines3 do.
        Within(0, 1, open=True)("tau", model.tau)
    rate = model.learning_rate
    if model.scaled or not callable(rate):
        schedule("learning_rate", rate, text=False)
    if not callable(rate):
        model.learning_rate = RATE("learning_rate", rate)
    frequency = model.train_freq
    unit = frequency[1] if isinstance(frequency, tuple) else "step"
    episodes = unit in ("episode", TrainFrequencyUnit.EPISODE)
    if episodes and model.env is not None and model.n_envs > 1:
        raise Sb3ScaleError(
            f"train_freq is in episodes, and there are {model.n_envs} environments; allowed: steps"
        )


def check_buffer_arguments(model: Any) -> None:
    """
    :param model: whose ``replay_buffer_class`` is a class, or nothing for that of the library
    :raises Sb3ScaleError: if the replay buffer cannot be made with its arguments
    """
    kind = model.replay_buffer_class
    if kind is None:
        kind = NStepReplayBuffer if model.n_steps > 1 else ReplayBuffer
        if isinstance(model.observation_space, spaces.Dict):
            kind = DictReplayBuffer
            if model.n_steps > 1:
                raise Sb3ScaleError(
                    f"n_steps is {model.n_steps}, and Stable-Baselines3 has no returns over "
                    "several steps for Dict observations; allowed: 1"
                    + (", or replay_buffer_class: compact" if model.scaled else "")
                )
    _check_observations(kind, model.observation_space, model.scaled)
    if model.n_steps > 1 and model.replay_buffer_class is None:
        _check_returns(model)
    known, hints = inspect.signature(kind).parameters, annotations(kind)
    others = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in known.values())
    own = [name for name in known if name not in GIVEN_TO_BUFFERS]
    for name, value in model.replay_buffer_kwargs.items():
        if not others:
            check_key(f"{kind.__name__} has no argument", name, value, own)
        check_type(kind.__name__, name, value, hints.get(name, Any))
    if model.optimize_memory_usage and kind in (ReplayBuffer, DictReplayBuffer, NStepReplayBuffer):
        ends = model.replay_buffer_kwargs.get("handle_timeout_termination", True)
        if kind is not ReplayBuffer or ends:
            raise Sb3ScaleError(
                f"optimize_memory_usage is true; allowed with {kind.__name__}: false"
                + (
                    ", or true with replay_buffer_kwargs: {handle_timeout_termination: false}"
                    if kind is ReplayBuffer
                    else ""
                )
            )


def _check_returns(model: Any) -> None:
    """Where Stable-Baselines3 chooses the buffer, the algorithm's are taken without a word."""
    for name in RETURNS:
        own = getattr(model, name)
        given = model.replay_buffer_kwargs.get(name, own)
        if given != own:
            raise Sb3ScaleError(
                f"replay_buffer_kwargs has {name} {shown(given)}, and that of the algorithm is "
                f"{shown(own)}; allowed: the same"
            )


def _check_observations(kind: type, space: spaces.Space[Any], scaled: bool) -> None:
    """Those of Stable-Baselines3 assert what they store."""
    keyed = isinstance(space, spaces.Dict)
    if kind not in (ReplayBuffer, NStepReplayBuffer, DictReplayBuffer):
        return
    if keyed is not (kind is DictReplayBuffer):
        raise Sb3ScaleError(
            f"replay_buffer_class is {kind.__name__}, and the observations are "
            f"{shown(space)}; allowed: {'Dict' if keyed else ''}ReplayBuffer, or nothing"
            + (", or compact" if scaled else "")
        )


GIVEN_TO_BUFFERS = (
    "buffer_size", "observation_space", "action_space", "device", "n_envs",
    "optimize_memory_usage", "env",
)  # fmt: skip
"""Arguments of a replay buffer that the algorithm gives."""


def _buffer_size(name: str, value: Any) -> int:
    size = Whole(1)(name, value)
    if size > 10**15:
        raise Sb3ScaleError(
            f"{name} is {shown(size)}; allowed: as many transitions as the memory holds"
        )
    return size


def _gradient_steps(name: str, steps: Any) -> int:
    try:
        return Whole(-1)(name, steps)
    except Sb3ScaleError:
        text = f"{name} is {shown(steps)}; allowed: a whole number, at least 0, or -1 for as many "
        text += "as there were environment steps"
        if isinstance(steps, float) and 0.01 <= steps < 1e6:
            ratio = Fraction(steps).limit_denominator(100)
            text += (
                f"; for {steps} gradient steps per environment step write "
                f"train_freq: {ratio.denominator}, gradient_steps: {ratio.numerator}"
            )
        raise Sb3ScaleError(text) from None


MOST_BETWEEN = 10**7
"""Steps or episodes from one training to the next."""


def _train_freq(name: str, value: Any) -> Any:
    frequency, unit = value if _is_pair(value) else (value, "step")
    units = [each.value for each in TrainFrequencyUnit]
    if isinstance(frequency, int) and frequency > MOST_BETWEEN:
        raise Sb3ScaleError(f"{name} is {shown(value)}; allowed: at most {MOST_BETWEEN}")
    try:
        frequency = Whole(1)(name, frequency)
        if isinstance(unit, TrainFrequencyUnit):
            return TrainFreq(frequency, unit)
        if unit in units:
            return (frequency, unit) if _is_pair(value) else frequency
    except Sb3ScaleError:
        pass
    near = nearest(unit, units) if isinstance(unit, str) and unit not in units else ""
    raise Sb3ScaleError(
        f"{name} is {shown(value)}; allowed: a whole number of steps, at least 1, or one with its "
        f"unit, such as (4, 'step') or (1, 'episode'){near}"
    )


def _is_pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2


def _seed(name: str, value: Any) -> int | None:
    return None if value is None else Whole(0, 2**32 - 1)(name, value)


def _norm(name: str, value: Any) -> float | None:
    if value is None or (isinstance(value, float) and value == float("inf")):
        return value
    try:
        return Within(0, open=True)(name, value)
    except Sb3ScaleError:
        raise Sb3ScaleError(
            f"{name} is {shown(value)}; allowed: a number above 0, or nothing"
        ) from None


def _names(name: str, value: Any) -> Any:
    if value is None or (isinstance(value, Mapping) and all(isinstance(key, str) for key in value)):
        return value
    raise Sb3ScaleError(f"{name} is {shown(value)}; allowed: arguments by name")


def _adam(name: str, value: Any) -> Any:
    known = inspect.signature(th.optim.Adam).parameters.keys() - {"params", "lr", "fused"}
    hints = annotations(th.optim.Adam)
    for key, inner in (_names(name, value) or {}).items():
        check_key(f"{name} has no key", key, inner, known)
        # Adam takes a list for a tuple, and any value for a flag.
        if not is_tuple(hints[key]):
            check_type(name, key, inner, hints[key])
    try:
        th.optim.Adam([th.nn.Parameter(th.zeros(1))], fused=True, **(value or {}))
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise Sb3ScaleError(f"{name} is {shown(value)}: {error}") from error
    return value


def _buffer(name: str, value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, type) and issubclass(value, ReplayBuffer):
        return value
    raise Sb3ScaleError(
        f"{name} is {shown(value)}; allowed: the name of a replay buffer, or a class derived from "
        "stable_baselines3.common.buffers.ReplayBuffer"
    )


def _noise(name: str, value: Any) -> Any:
    if value is None or isinstance(value, ActionNoise):
        return value
    raise Sb3ScaleError(
        f"{name} is {shown(value)}; allowed: nothing, or an ActionNoise of Stable-Baselines3"
    )


def _compile(name: str, value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, str) and value == "auto"):
        return value
    near = nearest(value, ("auto",)) if isinstance(value, str) else ""
    raise Sb3ScaleError(f"{name} is {shown(value)}; allowed: true, false, auto{near}")


def _folder(name: str, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)):
        raise Sb3ScaleError(f"{name} is {shown(value)}; allowed: a folder, or nothing")
    check_place(name, os.fspath(value))
    path = Path(value).absolute()
    there = next(one for one in (path, *path.parents) if os.path.exists(one))
    if not there.is_dir():
        raise Sb3ScaleError(f"{name} is {shown(value)}, and '{there}' is a file; allowed: a folder")
    return os.fspath(value)


def _decisions(name: str, value: Any) -> int:
    return Whole(0)(name, whole_number(value))


def _verbose(name: str, value: Any) -> int:
    return Whole(0)(name, int(value) if isinstance(value, bool) else value)


ARGUMENTS: dict[str, Callable[[str, Any], Any]] = {
    "buffer_size": _buffer_size,
    "learning_starts": _decisions,
    "batch_size": Whole(1),
    "n_steps": Whole(1, MOST_STEPS),
    "train_freq": _train_freq,
    "gradient_steps": _gradient_steps,
    "policy_delay": Whole(1),
    "target_update_interval": Whole(1),
    "gamma": Within(0, 1),
    "tau": Within(0, 1),
    "target_policy_noise": Within(0),
    "target_noise_clip": Within(0),
    "max_grad_norm": _norm,
    "seed": _seed,
    "_stats_window_size": Whole(1, 10**9),
    "sde_sample_freq": Whole(-1),
    "optimize_memory_usage": flag,
    "use_sde": flag,
    "use_sde_at_warmup": flag,
    "compile": _compile,
    "autocast": flag,
    "capture": flag,
    "backup_entropy": flag,
    "replay_buffer_class": _buffer,
    "replay_buffer_kwargs": _names,
    "ent_coef_optimizer_kwargs": _adam,
    "action_noise": _noise,
    "tensorboard_log": _folder,
    "verbose": _verbose,
}
"""Attributes of algorithms by name, and what checks them. Rates are the schedules' business."""
