"""Random settings of our algorithms, valid ones and mutated ones, each from its seed and number."""

import copy
import datetime
import math
import random
import string
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sb3_scale.parts import load_target, parameters
from sb3_scale.plugins import manager
from sb3_scale.recipes import resolve
from sb3_scale.value_types import annotations

SMALL: dict[str, tuple[Any, ...]] = {
    "width": (4, 8),
    "inner_width": (8,),
    "depth": (1, 2, 3),
    "groups": (1, 2),
    "n_critics": (1, 2, 3),
    "n_atoms": (5, 21),
    "n_quantiles": (3, 5),
    "drop_per_member": (0, 1),
    "size": (1, 2),
    "n_layers": (1, 2),
    "latent_dim": (1, 3),
    "pretraining_steps": (0, 3),
    "n_vectors": (1, 4),
    "init_iterations": (2,),
    "warmup_steps": (1, 100),
    "predicted": (None, 2),
    "n_steps": (1, 3),
    "betas": (None, [0.5, 0.9]),
    "acting_device": (None, "cpu"),
    "norm_input": (False,),
    "which": ("all", "hidden"),
    "by": ("deviation",),
    "weight_decay": (0.01, 0.0, {"output": 0.01}),
}
"""Values of parameters whose default is too large for a test, or which seldom fit all others."""

DEPTH = 3
"""How far parts nest before each is its default."""

BOXES = ("Fuzz-box-v0", "Fuzz-double-v0", "Fuzz-image-v0")

COMPILED_SHARE = 0.01
ZOO_SHARE = 0.25
RECIPE_SHARE = 0.15
MUTATED_SHARE = 0.6


@dataclass(frozen=True)
class Case:
    """
    What a user might write.

    :param seed: of the series
    :param number: in the series
    :param way: ``python``, ``recipe`` by :func:`sb3_scale.recipe`, or ``rl-zoo`` by a file of
        settings, which may begin with a recipe
    :param algo: the algorithm
    :param env: name of an environment of :mod:`fuzz_trials`
    :param settings: arguments of the algorithm, without policy and environment; with a ``recipe``
        among them the others are its changes
    :param mutation: what was changed into something that may be wrong, empty for a valid one
    """

    seed: int
    number: int
    way: str
    algo: str
    env: str
    settings: dict[str, Any]
    mutation: str = ""


def case(seed: int, number: int, envs: tuple[str, ...]) -> Case:
    """
    :param seed: of a series
    :param number: of a case in it
    :param envs: names of environments
    :return: the case, always the same
    """
    chance = random.Random(f"{seed}/{number}")
    way = "rl-zoo" if chance.random() < ZOO_SHARE else "python"
    names = sorted(spec.name for _, spec in manager().specs("algorithm"))
    algo, env = chance.choice(names), chance.choice(envs)
    if chance.random() < RECIPE_SHARE:
        spec = chance.choice([spec for _, spec in manager().specs("recipe")])
        way = "rl-zoo" if way == "rl-zoo" else "recipe"
        algo, settings = spec.algo, changed_recipe(spec.name, spec.algo, chance)
    else:
        settings = valid(algo, env, way, chance)
    found = Case(seed, number, way, algo, env, settings)
    if chance.random() < MUTATED_SHARE:
        found = mutated(found, chance)
    return found


def valid(algo: str, env: str, way: str, chance: random.Random) -> dict[str, Any]:
    """
    :param algo: an algorithm
    :param env: an environment; those of :data:`BOXES` have one array of numbers as observation
    :param way: as in :class:`Case`
    :param chance: what chooses
    :return: settings of which most, but not all, fit together
    """
    soft = algo in ("sac", "crossq")
    rate = _rates(way, chance)
    compiled = chance.random() < COMPILED_SHARE
    found: dict[str, Any] = {
        # Text is RL-Zoo's here, and a cosine only ours.
        "learning_rate": 1e-3 if way == "python" else chance.choice((1e-3, "lin_1e-3")),
        "buffer_size": chance.choice((50, 500)),
        "learning_starts": chance.choice((0, 10, 20)),
        "batch_size": chance.choice((2, 8)),
        "gamma": chance.choice((0.9, 0.99, 1.0)),
        "compile": compiled or "auto",
        "policy_kwargs": {
            "actor": _actor(soft, chance),
            "critic": {"name": "ensemble", **_given("critic", "ensemble", chance, 1)},
        },
    }
    optional: dict[str, Callable[[], Any]] = {
        "tau": lambda: chance.choice((0.005, 0.5, 1.0)),
        "train_freq": lambda: chance.choice(
            (1, 3, (2, "step") if way == "python" else [2, "step"])
        ),
        "gradient_steps": lambda: chance.choice((1, 2, -1)),
        "n_steps": lambda: chance.choice((1, 3)),
        "replay_buffer_class": lambda: chance.choice(("compact", "prioritized")),
        "actor_learning_rate": rate,
        "critic_learning_rate": rate,
        "max_grad_norm": lambda: chance.choice((0.5, 10.0)),
        "autocast": lambda: True,
        "collector": lambda: _part("collector", chance, 1),
    }
    if env not in BOXES:
        del optional["n_steps"], optional["replay_buffer_class"]
    if algo == "ddpg":
        found["policy_kwargs"]["critic"]["n_critics"] = 1
    if soft:
        optional |= {
            "ent_coef": lambda: chance.choice(("auto", "auto_0.1", 0.1)),
            "target_entropy": lambda: chance.choice(("auto", -1.0)),
            "backup_entropy": lambda: False,
            "ent_coef_learning_rate": rate,
            "policy_delay": lambda: 2,
        }
    known = parameters(manager().find("algorithm", algo)[1])
    for name, choose in optional.items():
        if name in known and chance.random() < 0.25:
            found[name] = choose()
    kwargs: dict[str, Callable[[], Any]] = {
        "extractor": lambda: _part("extractor", chance, 1),
        "optimizer": lambda: _part("optimizer", chance, 1),
        "critic_optimizer": lambda: _part("optimizer", chance, 1),
        "transforms": lambda: [_part("transform", chance, 1)],
        "extractor_target": lambda: False,
        "loss": lambda: _part("loss", chance, 1),
    }
    for name, choose in kwargs.items():
        likely = 0.1 if name == "loss" else 0.25
        if chance.random() < likely:
            found["policy_kwargs"][name] = choose()
    return found


def changed_recipe(name: str, algo: str, chance: random.Random) -> dict[str, Any]:
    """
    :param name: of a recipe
    :param algo: its algorithm
    :param chance: what chooses
    :return: the recipe and changes of it, by which it is small
    """
    found = {"recipe": name, "buffer_size": 500, "learning_starts": 10, "batch_size": 8}
    plain = resolve.anywhere({"recipe": name}, algo)
    for _, key, path in _places(plain["policy_kwargs"], "policy_kwargs"):
        if key in ("width", "inner_width"):
            found[path] = chance.choice(SMALL[key])
    if "extractor" in plain["policy_kwargs"]:
        found["policy_kwargs.extractor.pretraining_steps"] = 3
    optional: dict[str, Any] = {
        "gamma": "auto",
        "action_repeat": 2,
        "gradient_steps": 1,
        "policy_kwargs.optimizer": _part("optimizer", chance, 2),
        "policy_kwargs.critic.n_critics": 2,
        "policy_kwargs.actor.network.depth": 1,
    }
    for key, value in optional.items():
        if chance.random() < 0.3:
            found[key] = value
    return found


def _rates(way: str, chance: random.Random) -> Callable[[], Any]:
    def rate() -> Any:
        choices: list[Any] = [1e-3, 3e-4, "lin_1e-3", "cos_1e-3_1e-4"]
        if way == "python":
            choices.append(lambda progress: np.float64(1e-3) * progress)
        return chance.choice(choices)

    return rate


def _actor(soft: bool, chance: random.Random) -> Any:
    names = ["squashed-gaussian", "conditional-flow", "optimistic", "variational"]
    name = chance.choice(names) if soft else "deterministic"
    return {"name": name, **_given("actor", name, chance, 1)}


def _part(kind: str, chance: random.Random, depth: int) -> Any:
    names = [spec.name for _, spec in manager().specs(kind)]
    # It takes seconds to start, and has tests of its own.
    name = chance.choice([name for name in names if (kind, name) != ("collector", "ray")])
    if depth > DEPTH:
        return name
    return {"name": name, **_given(kind, name, chance, depth)}


def _given(kind: str, name: str, chance: random.Random, depth: int) -> dict[str, Any]:
    """Some parameters of a part, and all whose default is too large."""
    spec = manager().find(kind, name)[1]
    hints = annotations(load_target(spec))
    found = {}
    for key, parameter in parameters(spec).items():
        if key in SMALL:
            found[key] = chance.choice(SMALL[key])
        elif key in _PARTS and (depth <= DEPTH):
            if key == "network" or chance.random() < 0.3:
                found[key] = _part(_PARTS[key], chance, depth + 1)
        elif chance.random() < 0.2:
            found[key] = _value(hints.get(key, Any), parameter.default, chance)
    return found


_PARTS = {
    "network": "network",
    "coupling_network": "network",
    "exploration_network": "network",
    "latent_network": "network",
    "posterior_network": "network",
    "norm": "norm",
    "constraint": "constraint",
    "value": "value",
    "reduction": "reduction",
    "optimizer": "optimizer",
}
"""Parameters that name parts, and their kinds."""


def _value(hint: Any, default: Any, chance: random.Random) -> Any:
    if typing.get_origin(hint) is typing.Literal:
        return chance.choice(typing.get_args(hint))
    if hint is bool:
        return chance.random() < 0.5
    if hint is int:
        return chance.choice((default, max(1, default // 2)))
    if hint is float:
        return default * chance.choice((1.0, 0.9))
    return default


def mutated(valid_case: Case, chance: random.Random) -> Case:
    """
    :param valid_case: a case
    :param chance: what chooses
    :return: a copy in which one or two places are changed
    """
    settings = copy.deepcopy(valid_case.settings)
    told = []
    for _ in range(chance.choice((1, 1, 1, 2))):
        holder, key, path = chance.choice(list(_places(settings, "")))
        kind = chance.random()
        if kind < 0.65 or not isinstance(holder, dict):
            name, make = chance.choice(_WRONG_YAML if valid_case.way == "rl-zoo" else _WRONG)
            holder[key] = make(holder[key])
            told.append(f"{path} is {name}")
        elif kind < 0.8:
            wrong = _misspelled(str(key), chance)
            holder[wrong] = holder.pop(key)
            told.append(f"{path} is called {wrong!r}")
        elif kind < 0.9:
            del holder[key]
            told.append(f"{path} is missing")
        else:
            holder[
                chance.choice(("width", "name", "loss", "net_arch", "polcy", "", "x" * 3000))
            ] = 1
            told.append(f"{path} has another key beside it")
    return replace(valid_case, settings=settings, mutation="; ".join(told))


def _places(value: Any, path: str, seen: set[int] | None = None) -> Iterator[tuple[Any, Any, str]]:
    """Each once, however often it is referred to."""
    seen = set() if seen is None else seen
    if isinstance(value, dict):
        items: Iterator[tuple[Any, Any]] = iter(list(value.items()))
    elif isinstance(value, list):
        items = iter(list(enumerate(value)))
    else:
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    for key, each in items:
        here = f"{path}.{str(key)[:40]}".strip(".")
        yield value, key, here
        yield from _places(each, here, seen)


def _misspelled(word: str, chance: random.Random) -> str:
    at = chance.randrange(len(word) + 1)
    letter = chance.choice(string.ascii_lowercase + " _-")
    return chance.choice((word[:at] + letter + word[at:], word[:at] + word[at + 1 :], word.upper()))


def _own_list(_: Any) -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def _aliases(_: Any) -> Any:
    found: Any = ["lol"] * 9
    for _level in range(8):
        found = [found] * 9
    return found


_WRONG_YAML: list[tuple[str, Callable[[Any], Any]]] = [
    *((repr(value), lambda _, value=value: copy.copy(value)) for value in (
        None, True, False, 0, -1, 1, 2, 1.5, -0.5, 1e9, 1e30, 2**31, 2**63, 10**400, math.nan,
        math.inf, -math.inf, "", "x", "16", "1e6", "nan", "auto", "none", "lin_-1e-3", "cos_inf",
        "mlp", "ensemble", "adam", "__import__('os')", "ünï", [], {}, [1], ["mlp"], {"name": "mlp"},
        {"name": None}, {"name": ["mlp"]}, {1: 2}, {None: None},
        datetime.date(2026, 1, 1),
    )),
    ("5000 letters", lambda _: "n" * 5000),
    ("10000 ones", lambda _: [1] * 10000),
    ("text of itself", str),
    ("a list of itself", lambda old: [old]),
    ("a mapping to itself", lambda old: {"name": old}),
    ("a list that holds itself", _own_list),
    ("aliases that explode", _aliases),
]  # fmt: skip

_WRONG: list[tuple[str, Callable[[Any], Any]]] = [
    *_WRONG_YAML,
    ("a NumPy number", lambda _: np.float64(0.5)),
    ("a NumPy integer", lambda _: np.int64(2)),
    ("a NumPy array", lambda _: np.ones(2)),
    ("a tensor", lambda _: torch.tensor(0.5)),
    ("two tensors", lambda _: torch.ones(2)),
    ("a function", lambda _: abs),
    ("a class", lambda _: torch.nn.Linear),
    ("bytes", lambda _: b"mlp"),
    ("a set", lambda _: {1, 2}),
    ("a complex number", lambda _: 1j),
    ("a tuple", lambda old: (old, old)),
    ("a schedule of NaN", lambda _: lambda progress: math.nan),
    ("a schedule of arrays", lambda _: lambda progress: np.array([1e-3])),
]
