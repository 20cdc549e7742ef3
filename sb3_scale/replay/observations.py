"""How observations stand in the rows of a replay buffer: one array, or the keys of a Dict."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_obs_shape
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.observations import READ
from sb3_scale.replay.normalization import normalize_keys, normalize_observations

Shape = tuple[int, ...]


class Layout(Protocol):
    """Between observations as environments and policies have them, and rows of a table."""

    dtype: np.dtype[Any]
    """Of the numbers of a row."""

    shape: Shape
    """Of one observation in what :meth:`packed` gives."""

    def packed(self, name: str, observations: Any, lead: Shape) -> Any:
        """
        :param name: of the observations, for messages
        :param observations: with the axes ``lead`` first
        :param lead: environments, or steps and environments
        :return: one array, with the shape ``(*lead, *shape)`` if it has come in the right one
        :raises Sb3ScaleError: if keys are missing or of another shape than in the space
        """

    def batch(self, pairs: th.Tensor, env: VecNormalize | None, device: th.device) -> Any:
        """
        :param pairs: observations, then next observations, ``(2 b, width)``; may be overwritten
        :param env: whose statistics normalise them
        :param device: where they are wanted
        :return: observations and next observations, of ``b`` rows each
        """

    def unpacked(self, rows: np.ndarray) -> Any:
        """
        :param rows: ``(..., width)``
        :return: observations with the same axes before their shape, the same memory
        """

    def numbers(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """
        :param rows: ``(..., width)``
        :return: the same memory in its own types, by key, ``""`` where there are none
        """


class BoxLayout:
    """
    One array.

    :param space: of the observations
    """

    def __init__(self, space: spaces.Box) -> None:
        self.dtype, self.shape = np.dtype(space.dtype), space.shape

    def packed(self, name: str, observations: Any, lead: Shape) -> Any:
        """
        :param name: without use
        :param observations: of any shape
        :param lead: without use
        :return: what has come
        """
        return observations

    def batch(
        self, pairs: th.Tensor, env: VecNormalize | None, device: th.device
    ) -> tuple[th.Tensor, ...]:
        """
        :param pairs: observations, then next observations, ``(2 b, width)``; may be overwritten
        :param env: whose statistics normalise them
        :param device: where they are wanted
        :return: observations and next observations, ``(b, *shape)`` each
        """
        pairs = pairs.to(device, non_blocking=True)
        if env is not None:
            pairs = normalize_observations(pairs, self.shape, env)
        return pairs.view(2, len(pairs) // 2, *self.shape).unbind()

    def unpacked(self, rows: np.ndarray) -> np.ndarray:
        """
        :param rows: ``(..., width)``
        :return: ``(..., *shape)``, the same memory
        """
        return rows.reshape(*rows.shape[:-1], *self.shape)

    def numbers(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """
        :param rows: of any shape
        :return: the same, without a key
        """
        return {"": rows}


class DictLayout:
    """
    The keys side by side, each in its own type and aligned.

    A row has them as whole numbers of the largest of these types, so that it is gathered and
    compared by its bits, whatever they are.

    :param space: of the observations
    :raises Sb3ScaleError: if it is empty, or holds what is no array
    """

    def __init__(self, space: spaces.Dict) -> None:
        for key, each in space.spaces.items():
            if not isinstance(each, READ):
                raise Sb3ScaleError(
                    f"observation '{key}' is a {type(each).__name__}; allowed in a Dict: "
                    f"{', '.join(kind.__name__ for kind in READ)}"
                )
        shapes: dict[str, Any] = {key: get_obs_shape(each) for key, each in space.spaces.items()}
        # Keys may have names that fields may not.
        names = [f"key {number}" for number in range(len(shapes))]
        kinds = [np.dtype((each.dtype, shapes[key])) for key, each in space.spaces.items()]
        word = max((kind.base.itemsize for kind in kinds), default=1)
        # Each begins with a word of its own, so that it can be gathered alone.
        sizes = [-(-kind.itemsize // word) * word for kind in kinds]
        offsets = [sum(sizes[:number]) for number in range(len(sizes))]
        self._row = np.dtype(
            {"names": names, "formats": kinds, "offsets": offsets, "itemsize": sum(sizes)}
        )
        if not self._row.itemsize:
            raise Sb3ScaleError("observations are an empty Dict; allowed: at least one number")
        self._keys: dict[str, tuple[str, Shape, Shape]] = {
            key: (name, each.shape or (), shapes[key])
            for name, (key, each) in zip(names, space.spaces.items(), strict=True)
        }
        self.dtype = np.dtype(f"i{word}")
        self.shape: Shape = (self._row.itemsize // self.dtype.itemsize,)

    def packed(self, name: str, observations: Any, lead: Shape) -> np.ndarray:
        """
        :param name: of the observations, for messages
        :param observations: by key, with the axes ``lead`` first
        :param lead: environments, or steps and environments
        :return: ``(*lead, *shape)``
        :raises Sb3ScaleError: if keys are missing or of another shape than in the space
        """
        check_keys(name, observations, self._keys)
        packed = np.zeros(lead, self._row)
        for key, (field, given, shape) in self._keys.items():
            array = np.asarray(observations[key])
            wanted = lead + shape
            if array.shape != wanted:
                # Discrete observations come without the axis that they are stored with.
                if array.shape not in (lead + given, given if lead == (1,) else wanted):
                    raise Sb3ScaleError(
                        f"{name}['{key}'] has shape {array.shape}; allowed: {wanted}"
                    )
                array = array.reshape(wanted)
            packed[field] = array
        return packed.view(self.dtype).reshape(lead + self.shape)

    def batch(
        self, pairs: th.Tensor, env: VecNormalize | None, device: th.device
    ) -> list[dict[str, th.Tensor]]:
        """
        :param pairs: observations, then next observations, ``(2 b, width)``; may be overwritten
        :param env: whose statistics normalise them
        :param device: where they are wanted
        :return: observations and next observations by key, ``(b, *shape of the key)`` each; keys
            that are not normalised are views of the same memory
        """
        return halves(self.parts(pairs.to(device, non_blocking=True)), self.shapes, env)

    @property
    def shapes(self) -> dict[str, Shape]:
        """Of one observation, by key."""
        return {key: shape for key, (*_, shape) in self._keys.items()}

    def parts(self, rows: th.Tensor) -> dict[str, th.Tensor]:
        """
        :param rows: ``(n, width)``
        :return: :meth:`part` of each key
        """
        return {key: self.part(rows, key) for key in self._keys}

    def part(self, rows: th.Tensor, key: str) -> th.Tensor:
        """
        :param rows: ``(n, width)``
        :param key: one of the space
        :return: its columns in its own type, ``(n, numbers)``, the same memory
        """
        kind, offset = self._field(key)
        return rows.view(th.uint8)[:, offset : offset + kind.itemsize].view(
            th.from_numpy(np.empty(0, kind.base)).dtype
        )

    def columns(self, key: str) -> slice:
        """
        :param key: one of the space
        :return: the columns of a row that hold it
        """
        kind, offset = self._field(key)
        word = self.dtype.itemsize
        return slice(offset // word, -(-(offset + kind.itemsize) // word))

    def from_columns(self, key: str, rows: np.ndarray) -> np.ndarray:
        """
        :param key: one of the space
        :param rows: what its :meth:`columns` hold, ``(n, columns)``
        :return: ``(n, *shape of the key)``
        """
        kind, _ = self._field(key)
        found = np.ascontiguousarray(rows.view(np.uint8)[:, : kind.itemsize]).view(kind.base)
        shape: Shape = self._keys[key][2]
        return found.reshape(len(rows), *shape)

    def _field(self, key: str) -> tuple[np.dtype[Any], int]:
        assert self._row.fields is not None
        kind, offset = self._row.fields[self._keys[key][0]][:2]
        return kind, offset

    def unpacked(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """
        :param rows: ``(..., width)``
        :return: by key, ``(..., *shape of the key)``, the same memory
        """
        whole = rows.view(self._row)[..., 0]
        return {key: whole[field] for key, (field, *_) in self._keys.items()}

    def numbers(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """
        :param rows: ``(..., width)``
        :return: the same memory in its own types, by key
        """
        return self.unpacked(rows)


def halves(
    both: dict[str, th.Tensor], shapes: Mapping[str, Shape], env: VecNormalize | None
) -> list[dict[str, th.Tensor]]:
    """
    :param both: observations, then next observations, by key, ``(2 b, numbers)`` each; may be
        overwritten
    :param shapes: of one observation, by key
    :param env: whose statistics normalise them
    :return: observations and next observations by key, ``(b, *shape of the key)`` each
    """
    if env is not None:
        both = normalize_keys(both, dict(shapes), env)
    found: list[dict[str, th.Tensor]] = [{}, {}]
    for key, each in both.items():
        pair = each.view(2, len(each) // 2, *shapes[key])
        found[0][key], found[1][key] = pair.unbind()
    return found


def check_keys(name: str, observations: Any, keys: Iterable[str]) -> None:
    """
    :param name: of the observations, for messages
    :param observations: that should be a mapping
    :param keys: that it should have
    :raises Sb3ScaleError: if it is none, or one is missing
    """
    keys = list(keys)
    if not isinstance(observations, Mapping) or not set(keys) <= observations.keys():
        found = "no mapping"
        if isinstance(observations, Mapping):
            found = f"a mapping with the keys {', '.join(map(repr, observations))}"
        raise Sb3ScaleError(
            f"{name} is {found:.200}; allowed: a mapping with the keys {', '.join(map(repr, keys))}"
        )
