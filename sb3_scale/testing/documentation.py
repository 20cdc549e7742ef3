"""Checks what a user reads of a part: signature, defaults, docstring."""

import inspect
from typing import Any

import yaml

from sb3_scale.catalogue import settable
from sb3_scale.docstrings import docstring_parameters, parameter_docs
from sb3_scale.parts import load_target
from sb3_scale.specs import Env, Recipe, ZooConfig
from sb3_scale.testing.part_under_test import Subject
from sb3_scale.type_guard import typeguard
from sb3_scale.value_types import annotations, type_name


def check_documentation(subject: Subject) -> None:
    """
    :param subject: the part
    :raises AssertionError: if its summary, signature or docstring is not as it must be
    """
    spec = subject.spec
    subject.require(spec.summary != "", "has no summary in its spec")
    if isinstance(spec, (Recipe, ZooConfig)):
        return
    target = subject.call(f"the import of '{spec.target}'", load_target, spec)
    signature = inspect.signature(target).parameters
    for parameter in signature.values():
        subject.require(
            parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL),
            f"takes {parameter}, which would hide a mistyped parameter",
        )
    leading = tuple(signature)[: len(spec.context)]
    subject.require(
        leading == spec.context,
        f"begins with the arguments {leading}, and must begin with {spec.context}",
    )
    docs = parameter_docs(target)
    hints = annotations(target)
    for name, parameter in settable(spec).items():
        subject.require(docs.get(name, "") != "", f"does not explain '{name}' by ':param {name}:'")
        if spec.kind != "algorithm":
            _check_default(subject, parameter, hints)
    if spec.kind not in ("algorithm", "env"):
        for name in docstring_parameters(target):
            subject.require(name in signature, f"explains '{name}', which is no parameter of it")
    if isinstance(spec, Env):
        for name in spec.kwargs:
            subject.require(name in signature, f"fixes '{name}', which is no parameter of it")


def _check_default(subject: Subject, parameter: inspect.Parameter, hints: dict[str, Any]) -> None:
    name, default = parameter.name, parameter.default
    subject.require(
        default is not inspect.Parameter.empty, f"has no default for its parameter '{name}'"
    )
    subject.require(name in hints, f"has no type for its parameter '{name}'")
    try:
        yaml.safe_dump(default)
        plain = True
    except yaml.YAMLError:
        plain = False
    subject.require(
        plain, f"has the default {default!r} for '{name}', which a YAML file cannot hold"
    )
    try:
        typeguard.check_type(default, hints[name])
        fits = True
    except typeguard.TypeCheckError:
        fits = False
    subject.require(
        fits, f"has the default {default!r} for '{name}', and its type is {type_name(hints[name])}"
    )
