"""
What a user may know of each part, read from its spec, its signature and its docstring.

``sb3-scale describe`` and the page ``docs/parts.md`` are made of it.
"""

import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import yaml

from sb3_scale.docstrings import docstring_parameters, parameter_docs
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import build, load_target, parameters
from sb3_scale.plugins import CORE, Plugin, manager
from sb3_scale.protocols import PartConfig
from sb3_scale.recipes import differences, files, resolve
from sb3_scale.specs import DiscreteActor, DiscreteCritic, Env, EnvBackend, Recipe, Spec, ZooConfig
from sb3_scale.value_types import annotations, type_name

POLICY_KINDS = (
    "network",
    "norm",
    "constraint",
    "actor",
    "critic",
    "value",
    "reduction",
    "extractor",
    "loss",
    "transform",
    "optimizer",
)
"""Kinds of part that ``policy_kwargs`` name."""


@dataclass(frozen=True)
class Parameter:
    """
    What a YAML file may set.

    :param name: the key
    :param type: what the value must be
    :param default: as YAML writes it, ``required`` if there is none
    :param doc: from the line ``:param name:`` of the docstring
    """

    name: str
    type: str
    default: str
    doc: str


@dataclass(frozen=True)
class Part:
    """
    A part for its reader.

    :param kind: its part kind
    :param name: the name that a YAML file uses
    :param summary: one sentence
    :param equation: the formula in plain text
    :param reference: the paper, section and equation that it implements
    :param distribution: the package that brings it
    :param version: version of that package
    :param parameters: what a YAML file may set
    :param command: trains with it
    :param example: settings of RL-Zoo that use it, in YAML, for the command
    :param differences: settings of a recipe, by the tasks, or ``discrete actions``, that have them
    """

    kind: str
    name: str
    summary: str
    equation: str
    reference: str
    distribution: str
    version: str
    parameters: tuple[Parameter, ...] = ()
    command: str = ""
    example: str = ""
    differences: Mapping[str, str] = field(default_factory=dict)


def parts(kind: str) -> Iterator[Part]:
    """
    :param kind: a part kind, for instance ``"critic"``
    :return: its parts by name, without what needs their code
    """
    for plugin, spec in manager().specs(kind):
        yield _heading(plugin, spec)


def describe(kind: str, name: str) -> Part:
    """
    :param kind: a part kind
    :param name: name of a part
    :return: all that is known of it
    :raises Sb3ScaleError: if there is no such part, or its code cannot be imported
    """
    plugin, spec = manager().find(kind, name)
    if isinstance(spec, (Recipe, ZooConfig)):
        env_id, example, others = "dog-run", "", {}
        if isinstance(spec, Recipe):
            settings = resolve.plain({"recipe": name}, spec.algo, None)
            example = _to_yaml(files.DEFAULT, settings)
            others = differences.by_task(spec, settings)
            if settings.get("replay_buffer_class") == "frames":
                env_id = "cartpole-swingup-pixels"
        command = f"python -m rl_zoo3.train --algo {spec.algo} --env {env_id} --conf-file {name}"
        return _heading(plugin, spec, command=command, example=example, differences=others)
    known = settable(spec)
    command, example = _example(spec, known)
    return _heading(
        plugin, spec, parameters=tuple(_parameters(spec, known)), command=command, example=example
    )


def _heading(plugin: Plugin, spec: Spec, **more: Any) -> Part:
    texts = {key: getattr(spec, key) for key in ("name", "summary", "equation", "reference")}
    return Part(
        spec.kind, **texts, distribution=plugin.distribution, version=plugin.version, **more
    )


def settable(spec: Spec) -> dict[str, inspect.Parameter]:
    """
    :param spec: a part
    :return: what a YAML file may set, by name: not what an environment's spec fixes, and of an
        algorithm only what its own docstring lists
    """
    known = parameters(spec)
    if isinstance(spec, Env):
        known = {name: value for name, value in known.items() if name not in spec.kwargs}
    if spec.kind == "algorithm":
        own = docstring_parameters(load_target(spec))
        known = {name: value for name, value in known.items() if name in own and name != "env"}
    return known


def _parameters(spec: Spec, known: Mapping[str, inspect.Parameter]) -> Iterator[Parameter]:
    target = load_target(spec)
    hints, docs = annotations(target), parameter_docs(target)
    for name, parameter in known.items():
        required = parameter.default is inspect.Parameter.empty
        default = "required" if required else _in_yaml(parameter.default) or repr(parameter.default)
        yield Parameter(name, _type(hints.get(name, Any)), default, docs.get(name, ""))


def _in_yaml(value: Any) -> str:
    """As YAML writes it; empty where YAML cannot hold it."""
    try:
        return flow(value)
    except yaml.YAMLError:
        return ""


def _type(hint: Any) -> str:
    if hint == PartConfig:
        return "part"
    if hint == PartConfig | None:
        return "part or null"
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(flow(value) for value in typing.get_args(hint))
    name = type_name(hint).replace("collections.abc.Callable[[float], float]", "schedule")
    return re.sub(r"\b(\w+\.)+", "", name).replace("None", "null").replace(" | ", " or ")


def flow(value: Any) -> str:
    """
    :param value: plain data
    :return: the value as YAML on one line
    """
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


class _Settings(dict[str, Any]):
    """A mapping that YAML writes with one key per line, however small it is."""


class _Dumper(yaml.SafeDumper):
    """Writes the innermost mappings on one line, but for :class:`_Settings`."""


_Dumper.add_representer(
    _Settings,
    lambda dumper, data: dumper.represent_mapping(
        "tag:yaml.org,2002:map", data.items(), flow_style=False
    ),
)


def _to_yaml(task: str, settings: dict[str, Any]) -> str:
    text: str = yaml.dump(
        _Settings({task: _Settings(settings)}),
        Dumper=_Dumper,
        default_flow_style=None,
        sort_keys=False,
        width=60,
    )
    return text


def with_part(kind: str, part: PartConfig) -> dict[str, Any]:
    """
    Put a part where it belongs.

    :param kind: one of :data:`POLICY_KINDS`
    :param part: the part
    :return: arguments of ScalePolicy
    """
    if kind in ("value", "reduction", "loss", "transform"):
        return _with_estimate(kind, part)
    if kind in ("extractor", "optimizer", "actor", "critic"):
        return {kind: part}
    head = {"network": {"name": "mlp", "norm": part}} if kind == "norm" else {kind: part}
    # A copy each, because YAML writes an object that occurs twice as an anchor.
    return {
        "actor": {"name": "squashed-gaussian", **deepcopy(head)},
        "critic": {"name": "ensemble", **deepcopy(head)},
    }


def _with_estimate(kind: str, part: PartConfig) -> dict[str, Any]:
    """With a critic that goes with the part."""
    critic: dict[str, Any] = {"name": "ensemble"}
    if kind == "value":
        return {"critic": {**critic, "value": part}}
    if kind == "reduction":
        critic["n_critics"] = 5
        value = _value_for(build("reduction", part, 5).reads, "")
        return {"critic": {**critic, **value, "reduction": part}}
    if kind == "transform":
        return {"critic": {**critic, "value": "categorical"}, "transforms": [part]}
    value = _value_for(build("loss", part).reads, part if isinstance(part, str) else part["name"])
    return {"critic": {**critic, **value}, "loss": part} if value else {"loss": part}


def _value_for(reads: tuple[str, ...] | None, loss: str) -> dict[str, Any]:
    """A value that a reduction or a loss reads, that of the loss first; none for ``scalar``."""
    if reads is None:
        return {}
    found = sorted(manager().specs("value"), key=lambda each: each[0].name != CORE)
    values = {}
    for _, spec in found:
        # One of another package that fails is not for who asks about this part.
        with suppress(Sb3ScaleError):
            values[spec.name] = build("value", spec.name)
    names = [name for name, value in values.items() if value.outputs in reads]
    names.sort(key=lambda name: values[name].loss != loss)
    return {"value": names[0]} if names and names[0] != "scalar" else {}


def algorithm_for(kind: str, part: PartConfig) -> str:
    """
    :param kind: one of :data:`POLICY_KINDS`
    :param part: the part
    :return: name of the algorithm that trains it
    """
    return "sac" if kind != "actor" or build("actor", part, 3, 1).stochastic else "td3"


def _example(spec: Spec, known: Mapping[str, inspect.Parameter]) -> tuple[str, str]:
    algo, env_id = "sac", "dog-run"
    settings: dict[str, Any] = {"n_timesteps": 1_000_000, "policy": "ScalePolicy"}
    if isinstance(spec, Env):
        env_id = spec.name
    elif spec.kind == "algorithm":
        algo = spec.name
    elif isinstance(spec, EnvBackend):
        env_id = spec.example_env
        settings["n_envs"], settings["env_backend"] = 8, spec.name
    else:
        if isinstance(spec, (DiscreteActor, DiscreteCritic)):
            env_id = "CartPole-v1"
        given = {name: parameter.default for name, parameter in known.items()}
        if any(value is inspect.Parameter.empty for value in given.values()):
            # What a required parameter may be, its author knows alone.
            return "", ""
        shown = {
            name: value for name, value in given.items() if value is not None and _in_yaml(value)
        }
        part = {"name": spec.name, **shown}
        if spec.kind == "callback":
            settings["callback"] = [part]
        elif spec.kind == "collector":
            settings["collector"] = part
        elif spec.kind == "replay-buffer":
            settings["replay_buffer_class"] = spec.name
            settings["replay_buffer_kwargs"] = shown
        else:
            algo = algorithm_for(spec.kind, part)
            settings["policy_kwargs"] = with_part(spec.kind, part)
    command = f"python -m rl_zoo3.train --algo {algo} --env {env_id} --conf-file settings.yml"
    return command, _to_yaml(env_id, settings)
