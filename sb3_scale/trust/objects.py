"""What may be in a file of Stable-Baselines3, made by the constructors of its classes."""

import io
import math
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common import buffers, noise, torch_layers, utils
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her import HerReplayBuffer
from stable_baselines3.her.goal_selection_strategy import GoalSelectionStrategy

from sb3_scale.trust.pickles import Described, Names

Maker = Callable[[Described], Any]

_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
_SCALARS = (
    *(np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
    *(np.float16, np.float32, np.float64),
)


def by_name(found: Iterable[type]) -> dict[tuple[str, str], type]:
    """
    :param found: classes
    :return: them by module and name, as pickles name them
    """
    return {_name(each): each for each in found}


def _name(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


def _derived(module: Any, base: type) -> Iterator[type]:
    for each in vars(module).values():
        if isinstance(each, type) and issubclass(each, base):
            yield each


def with_attributes(cls: Any) -> Maker:
    """
    :param cls: a class whose instances are what their attributes are
    :return: makes one, if none of the attributes stands in front of what the class has
    """

    def make(described: Described) -> Any:
        made, state = cls.__new__(cls), described.state
        for name, value in state.items():
            if callable(getattr(cls, name, None)):
                raise ValueError(f"'{name}' is no attribute of {cls.__name__}")
            vars(made)[name] = value
        return made

    return make


def _make_dtype(described: Described) -> np.dtype[Any]:
    name = described.args[0]
    found: np.dtype[Any] = np.dtype(name)
    if found.kind not in "biufSU":
        raise ValueError(f"an array is of {name!r}")
    order = described.state[1] if described.state else "="
    return found.newbyteorder(">") if order == ">" else found


def _array(
    content: Any, dtype: np.dtype[Any], shape: tuple[int, ...], order: str
) -> np.ndarray[Any, Any]:
    if min(shape, default=0) < 0:
        raise ValueError(f"an array has the shape {shape}")
    return np.frombuffer(content, dtype).reshape(shape, order=order).copy(order="K")  # type: ignore[call-overload,no-any-return]


def _from_buffer(described: Described) -> np.ndarray[Any, Any]:
    content, dtype, shape, order, *axes = described.args
    # NumPy keeps the memory of transposed arrays as it is, and says how to turn them.
    turned = order == "K" and bool(axes) and axes[0] is not None
    array = _array(content, dtype, shape, "C" if turned else order)
    return array.transpose(axes[0]) if turned else array


def _reconstruct(described: Described) -> np.ndarray[Any, Any]:
    _, shape, dtype, fortran, content = described.state
    return _array(content, dtype, shape, "F" if fortran else "C")


def _make_scalar(described: Described) -> Any:
    dtype, content = described.args
    return np.frombuffer(content, dtype)[0]


def _make_bit_generator(described: Described) -> np.random.BitGenerator:
    name = str(described.args[0])
    if name not in _GENERATORS:
        raise ValueError(f"there is no generator {name!r}")
    made: np.random.BitGenerator = getattr(np.random, name)(0)
    state = described.state
    made.state = state[0] if isinstance(state, tuple) else state
    return made


def _make_generator(described: Described) -> np.random.Generator:
    (found,) = described.args[:1]
    if not isinstance(found, np.random.BitGenerator):
        raise ValueError("a generator has no bits")
    return np.random.Generator(found)


def _make_space(make: Callable[[dict[str, Any]], spaces.Space[Any]]) -> Maker:
    def made(described: Described) -> spaces.Space[Any]:
        state = described.state
        space = make(state)
        if isinstance(state.get("_np_random"), np.random.Generator):
            space._np_random = state["_np_random"]
        return space

    return made


def _spaces(found: Iterable[Any]) -> None:
    for space in found:
        if not isinstance(space, spaces.Space):
            raise ValueError(f"{type(space).__name__} is no space")


def _make_dict_space(state: dict[str, Any]) -> spaces.Dict:
    _spaces(state["spaces"].values())
    return spaces.Dict(state["spaces"])


def _make_tuple_space(state: dict[str, Any]) -> spaces.Space[Any]:
    _spaces(state["spaces"])
    return spaces.Tuple(state["spaces"])


def _make_box(state: dict[str, Any]) -> spaces.Box:
    low, high = state["low"], state["high"]
    if not isinstance(low, np.ndarray) or not isinstance(high, np.ndarray):
        raise ValueError("a Box has no bounds")
    return spaces.Box(low, high, dtype=np.dtype(state["dtype"]).type)


def _make_bytes(described: Described) -> bytes:
    text, encoding = described.args
    if encoding != "latin1":
        raise ValueError(f"bytes are written as {encoding!r}")
    return str(text).encode("latin1")


def _make_deque(described: Described) -> deque[Any]:
    content, length = (*described.args, [], None)[:2]
    return deque([*content, *described.items], maxlen=length)


def _make_ordered(described: Described) -> "OrderedDict[Any, Any]":
    return OrderedDict([*(described.args[0] if described.args else ()), *described.items])


def _make_storage(described: Described) -> th.Tensor:
    with warnings.catch_warnings():
        # PyTorch warns of a class that it writes itself.
        warnings.simplefilter("ignore", UserWarning)
        found: Any = th.load(io.BytesIO(described.args[0]), map_location="cpu", weights_only=True)
        made: th.Tensor = th.tensor([], dtype=found.dtype).set_(found)
    return made


def _make_tensor(described: Described) -> th.Tensor:
    row, offset, size, stride = described.args[:4]
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if min((offset, *size, *stride)) < 0 or max(last + 1, math.prod(size)) > row.numel():
        raise ValueError("a tensor is larger than its numbers")
    made: th.Tensor = row.as_strided(size, stride, offset)
    return made.clone()


def _make_float_schedule(described: Described) -> utils.FloatSchedule:
    inner = described.state["value_schedule"]
    # Whoever calls the schedule calls this.
    if isinstance(inner, type) or not type(inner).__name__.endswith("Schedule"):
        raise ValueError(f"{inner!r} is no schedule")
    return utils.FloatSchedule(inner)


def _make_linear_schedule(described: Described) -> utils.LinearSchedule:
    state = described.state
    return utils.LinearSchedule(*(float(state[name]) for name in ("start", "end", "end_fraction")))


def _make_statistics(described: Described) -> RunningMeanStd:
    state = described.state
    mean, var = (np.asarray(state[name], np.float64) for name in ("mean", "var"))
    if mean.shape != var.shape or not np.isfinite(mean).all() or not (var >= 0).all():
        raise ValueError("mean and variance are none")
    made = RunningMeanStd(shape=mean.shape)
    made.mean, made.var, made.count = mean, var, float(state["count"])
    return made


def _make_normalize(described: Described) -> VecNormalize:
    made: VecNormalize = with_attributes(VecNormalize)(described)
    state = vars(made)
    found = state.get("obs_rms", [])
    statistics = list(found.values()) if isinstance(found, dict) else [found] if found else []
    if not all(isinstance(each, RunningMeanStd) for each in (*statistics, state["ret_rms"])):
        raise ValueError("a statistic is none")
    for name in ("clip_obs", "clip_reward", "epsilon", "gamma"):
        state[name] = float(state[name])
    made.venv = None  # type: ignore[assignment]
    return made


_MAKERS: dict[tuple[str, str], Maker] = {
    ("builtins", "set"): lambda described: set(*described.args),
    ("builtins", "frozenset"): lambda described: frozenset(*described.args),
    ("builtins", "bytes"): lambda described: b"".join(described.args),
    ("builtins", "bytearray"): lambda described: b"".join(described.args),
    ("_codecs", "encode"): _make_bytes,
    ("collections", "deque"): _make_deque,
    ("collections", "OrderedDict"): _make_ordered,
    ("numpy", "dtype"): _make_dtype,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "scalar"): _make_scalar,
    ("numpy.random._pickle", "__bit_generator_ctor"): _make_bit_generator,
    ("numpy.random._pickle", "__generator_ctor"): _make_generator,
    # Only what spawns further generators reads it.
    ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"): lambda described: None,
    ("torch.storage", "_load_from_bytes"): _make_storage,
    ("torch._utils", "_rebuild_tensor_v2"): _make_tensor,
    ("gymnasium.spaces.box", "Box"): _make_space(_make_box),
    ("gymnasium.spaces.discrete", "Discrete"): _make_space(
        lambda state: spaces.Discrete(int(state["n"]), start=int(state.get("start", 0)))
    ),
    ("gymnasium.spaces.multi_binary", "MultiBinary"): _make_space(
        lambda state: spaces.MultiBinary(state["n"])
    ),
    ("gymnasium.spaces.multi_discrete", "MultiDiscrete"): _make_space(
        lambda state: spaces.MultiDiscrete(
            state["nvec"], dtype=state["nvec"].dtype.type, start=state.get("start")
        )
    ),
    ("gymnasium.spaces.dict", "Dict"): _make_space(_make_dict_space),
    ("gymnasium.spaces.tuple", "Tuple"): _make_space(_make_tuple_space),
    _name(TrainFreq): lambda described: TrainFreq(*described.args),
    _name(TrainFrequencyUnit): lambda described: TrainFrequencyUnit(*described.args),
    _name(GoalSelectionStrategy): lambda described: GoalSelectionStrategy(*described.args),
    _name(utils.FloatSchedule): _make_float_schedule,
    _name(utils.LinearSchedule): _make_linear_schedule,
    _name(utils.ConstantSchedule): lambda described: utils.ConstantSchedule(
        float(described.state["val"])
    ),
    _name(RunningMeanStd): _make_statistics,
    _name(VecNormalize): _make_normalize,
    **{
        _name(each): with_attributes(each)
        for each in (
            noise.NormalActionNoise,
            noise.OrnsteinUhlenbeckActionNoise,
            noise.VectorizedActionNoise,
        )
    },
}

_REFERENCES: dict[tuple[str, str], Any] = {
    ("builtins", "float"): float,
    ("builtins", "int"): int,
    ("numpy", "ndarray"): np.ndarray,
    **{("numpy", each.__name__): each for each in _SCALARS},
    **{(f"numpy.random._{each.lower()}", each): each for each in _GENERATORS},
    ("numpy.random.bit_generator", "SeedSequence"): "SeedSequence",
    **by_name(_derived(th.nn.modules.activation, th.nn.Module)),
    **by_name(_derived(th.optim, th.optim.Optimizer)),
    **by_name(
        (
            buffers.ReplayBuffer,
            buffers.DictReplayBuffer,
            buffers.NStepReplayBuffer,
            HerReplayBuffer,
            torch_layers.FlattenExtractor,
            torch_layers.NatureCNN,
            torch_layers.CombinedExtractor,
        )
    ),
}

STABLE_BASELINES = Names(_MAKERS, _REFERENCES)
"""NumPy's arrays and generators, Gymnasium's spaces, and what the library keeps of a training."""
