"""Loads what an algorithm saved: read, checked, and with what the user gives instead."""

import inspect
import io
import pathlib
import textwrap
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

import torch as th
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy

from sb3_scale.algorithms.archive import read_archive
from sb3_scale.algorithms.buffers import changed_returns
from sb3_scale.algorithms.checks import is_scale_policy
from sb3_scale.algorithms.same_parts import check_same_parts
from sb3_scale.algorithms.stored_data import check_data, parse, unpickled
from sb3_scale.algorithms.stored_weights import VARIABLES, check_weights
from sb3_scale.errors import Sb3ScaleError, check_key
from sb3_scale.execution.captured import release
from sb3_scale.extractor_classes import check_imports
from sb3_scale.generators import kept_generators
from sb3_scale.plugins import manager
from sb3_scale.policies import WRONG_CONTENT, ScalePolicy
from sb3_scale.value_types import check_type

if TYPE_CHECKING:
    from sb3_scale.algorithms.base import ScaleAlgorithm

Model = TypeVar("Model", bound="ScaleAlgorithm")


_RENAMED = {"stats_window_size": "_stats_window_size"}
"""Arguments that Stable-Baselines3 stores under another name."""
_FIXED = ("policy", "env", "device", "_init_setup_model")
LIBRARIES = ("stable_baselines3", "sb3_contrib")
BASES = BasePolicy.__mro__
"""Classes of a library from which policies of all its algorithms derive."""
OBJECTS: Any = dict[str, Any] | None
"""Of ``custom_objects``."""
_ONLY_HERE = ("ent_coef", "target_policy_noise")
"""Arguments that tell the algorithms apart, in files that do not name theirs."""


def name_of(algorithm: type) -> str:
    """
    :param algorithm: or a class that a user derived of one
    :return: package and class of the algorithm that plugins offer
    """
    offered = {spec.target.rpartition(":")[2] for _, spec in manager().specs("algorithm")}
    for base in algorithm.__mro__:
        if base.__name__ in offered:
            algorithm = base
            break
    return f"{algorithm.__module__.partition('.')[0]}.{algorithm.__name__}"


@dataclass(frozen=True)
class Checkpoint:
    """
    A file that is whole and fits, before a model is made of it.

    :param content: of the file
    :param data: attributes, as the model gets them
    :param kwargs: attributes that the user gives instead
    :param changed: such that Stable-Baselines3 would take from the file all the same
    :param seeded: whether the user gives a seed
    :param seed: of the file, where the user gives none
    :param where: it is, for messages
    """

    content: bytes
    data: dict[str, Any]
    kwargs: dict[str, Any]
    changed: dict[str, Any]
    seeded: bool
    seed: int | None
    where: str

    @classmethod
    def read(
        cls,
        path: str | pathlib.Path | io.BufferedIOBase,
        algorithm: type["ScaleAlgorithm"],
        custom_objects: Mapping[str, Any] | None,
        kwargs: Mapping[str, Any],
        trust: bool,
    ) -> Self:
        """
        :param path: of the zip file
        :param algorithm: that loads it
        :param custom_objects: replacements for saved objects
        :param kwargs: attributes to change
        :param trust: whether to run what is pickled in it
        :return: what it holds
        :raises Sb3ScaleError: if the file or an argument is wrong, or needs trust
        """
        where = f"checkpoint {path}"
        check_type(f"{algorithm.__name__}.load", "custom_objects", custom_objects, OBJECTS)
        content = read_archive(path)
        found = parse(_member(content, "data"), where)
        _check_algorithm(found, algorithm, where)
        given = custom_objects or {}
        data = unpickled(found, algorithm, given, trust, where)
        kwargs_of_policy = data.get("policy_kwargs")
        if not trust and isinstance(kwargs_of_policy, dict):
            check_imports(kwargs_of_policy.get("extractor"), where)
        policy = data.get("policy_class")
        if isinstance(policy, type):
            _check_policy(policy, algorithm, where)
        scaled = is_scale_policy(policy) if isinstance(policy, type) else True
        if trust and not scaled:
            # The library's own file: what it makes of it stays as it is.
            return cls(content, data, dict(kwargs), {}, True, None, where)
        check_data(data, algorithm, where)
        changes = _checked_arguments(kwargs, data, algorithm, where)
        changes |= changed_returns({**given, **kwargs}, data)
        changed = {}
        for name in algorithm.changed_after_loading if scaled else ():
            wanted = changes.pop(name, data.get(name))
            data.update(unpickled({name: found.get(name)}, algorithm, {}, trust, where))
            if wanted != data[name]:
                changed[name] = wanted
        seeded = not scaled or "seed" in changes or "seed" in given
        seed = None
        if not seeded:
            # Stable-Baselines3 would seed the generators of the process.
            seed, data["seed"] = data.get("seed"), None
        return cls(content, data, changes, changed, seeded, seed, where)

    @property
    def scaled(self) -> bool:
        """Whether its policy is a ``ScalePolicy``."""
        return is_scale_policy(self.data["policy_class"])

    def make(self, load: Callable[[], Model]) -> Model:
        """
        :param load: the library's, with this file
        :return: what it loads, checked, with the changes of the user
        :raises Sb3ScaleError: if networks or optimisers of the file are not those of its settings
        """
        if not self.scaled:
            return load()
        quiet = nullcontext() if self.seeded else kept_generators()
        with quiet, _one_sentence(self.where):
            variables = self._variables()
            model = load()
            check_weights(model, variables, self.where)
            model.change(self.changed)
            # The temperature of the file came after the objective was made.
            model.training.objective.follow(model)
        release(learner.optimizer for learner in model.learners)
        if self.seed is not None:
            model.seed = self.seed
            model.action_space.seed(model.seed)
            if model.env is not None:
                model.env.seed(model.seed)
        model.goes_on = not self.seeded and model.random_states is not None
        return model

    def _variables(self) -> Mapping[str, Any]:
        if VARIABLES not in _names(self.content):
            return {}
        file = io.BytesIO(_member(self.content, VARIABLES))
        stored = th.load(file, map_location="cpu", weights_only=True)
        check_type(f"{self.where}: {VARIABLES}", "content", stored, dict[str, th.Tensor | None])
        return dict(stored)


def _names(content: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.namelist()


def _member(content: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name)


def _check_algorithm(found: Mapping[str, Any], algorithm: type, where: str) -> None:
    own = name_of(algorithm)
    saved_by = str(found.get("saved_by", own))[:100]
    if saved_by != own:
        raise Sb3ScaleError(
            f"{where} was saved by {saved_by}; load it with {saved_by}.load, not with {own}.load"
        )
    for name in _ONLY_HERE:
        if name in inspect.signature(algorithm).parameters and name not in found:
            raise Sb3ScaleError(f"{where} has no '{name}', so {own} did not save it")


def _check_policy(policy: type, algorithm: type["ScaleAlgorithm"], where: str) -> None:
    """A policy that a user derived of none of the libraries' is theirs to judge."""
    known = tuple(algorithm.policy_aliases.values())
    libraries = (base.__module__.partition(".")[0] for base in policy.__mro__ if base not in BASES)
    if not issubclass(policy, known) and any(name in LIBRARIES for name in libraries):
        names = dict.fromkeys(each.__name__ for each in known)
        raise Sb3ScaleError(
            f"{where} has the policy {policy.__name__} of {policy.__module__}, which is another "
            f"algorithm's; allowed with {name_of(algorithm)}.load: {', '.join(names)}"
        )


def _checked_arguments(
    kwargs: Mapping[str, Any], data: Mapping[str, Any], algorithm: Any, where: str
) -> dict[str, Any]:
    arguments = [name for name in inspect.signature(algorithm).parameters if name not in _FIXED]
    decided = _of_other_algorithms(algorithm)
    checked = {}
    for name, value in kwargs.items():
        if name not in data or name in decided:
            check_key(f"{algorithm.__name__}.load has no argument", name, value, arguments)
        checked[_RENAMED.get(name, name)] = value
    attributes = {name: kwargs[name] for name in kwargs.keys() & data.keys() - set(arguments)}
    if attributes:
        check_data({**data, **attributes}, algorithm, f"{algorithm.__name__}.load")
    if "policy_kwargs" in checked and is_scale_policy(data["policy_class"]):
        _check_parts(checked.pop("policy_kwargs"), data, algorithm, where)
    return checked


def _of_other_algorithms(algorithm: type) -> set[str]:
    """Arguments of those that it derives from, which it decides itself."""
    libraries = [base for base in algorithm.__mro__ if issubclass(base, OffPolicyAlgorithm)]
    bases = libraries[: libraries.index(OffPolicyAlgorithm)]
    every = {name for base in bases for name in inspect.signature(base).parameters}
    return every - inspect.signature(algorithm).parameters.keys()


def check_continues(
    path: pathlib.Path, algorithm: type["ScaleAlgorithm"], policy_kwargs: Mapping[str, Any]
) -> None:
    """
    Whether settings are those of a checkpoint that a training is to go on from.

    :param path: of the zip file
    :param algorithm: of the settings
    :param policy_kwargs: of the settings, for a ``ScalePolicy``
    :raises Sb3ScaleError: if the file is another algorithm's, has another policy or other parts
    """
    where = f"checkpoint {path}"
    found = parse(_member(read_archive(path), "data"), where)
    _check_algorithm(found, algorithm, where)
    known: dict[str, Any] = {
        key: found[key] for key in ("policy_class", "policy_kwargs", "action_space") if key in found
    }
    stored = unpickled(known, algorithm, {}, True, where)
    policy = stored.get("policy_class")
    if isinstance(policy, type) and not is_scale_policy(policy):
        raise Sb3ScaleError(f"policy is ScalePolicy, and {where} has {policy.__name__}")
    _check_parts(policy_kwargs, stored, algorithm, where)


def _check_parts(given: Any, stored: Mapping[str, Any], algorithm: Any, where: str) -> None:
    model = algorithm(ScalePolicy, None, policy_kwargs=given, _init_setup_model=False)
    completed = model.completed_parts(stored.get("action_space"))
    check_same_parts(stored.get("policy_kwargs", {}), completed, where)


OTHER_SPACES = ("Observation spaces do not match", "Action spaces do not match")
"""How Stable-Baselines3 says that an environment is another one."""


@contextmanager
def _one_sentence(where: str) -> Iterator[None]:
    try:
        yield
    except WRONG_CONTENT as error:
        if isinstance(error, Sb3ScaleError):
            raise
        # Where the names of networks and optimisers differ, or those of what they hold.
        reason = textwrap.shorten(str(error), 300) or type(error).__name__
        if reason.startswith(OTHER_SPACES):
            raise Sb3ScaleError(
                f"env does not fit {where}: {reason}; allowed: an environment with the spaces of "
                "the training"
            ) from error
        raise Sb3ScaleError(f"{where} does not fit its own settings: {reason}") from error
