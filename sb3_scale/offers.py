"""What a plugin's hook gives, checked before anybody looks a part up."""

import inspect
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, get_origin

from sb3_scale import hookspecs
from sb3_scale.errors import Sb3ScaleError, suggestion
from sb3_scale.specs import KINDS, Recipe, Spec, ZooConfig


def check_hooks(module: Any) -> None:
    """
    :param module: of a plugin, or an object
    :raises Sb3ScaleError: if no function of it is a hook, or one is a hook that does not exist
    """
    known = [name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction)]
    marked = [
        name
        for name, value in inspect.getmembers(module, inspect.isroutine)
        if hasattr(value, f"{hookspecs.PROJECT}_impl")
    ]
    for name in marked:
        if name not in known:
            raise Sb3ScaleError(f"unknown hook '{name}'{suggestion(name, known)}")
    if not marked:
        raise Sb3ScaleError(f"has no function marked @hookimpl{suggestion('', known)}")


def specs_of(answers: Sequence[Any]) -> list[Spec]:
    """
    :param answers: of the hooks of one plugin; pluggy leaves out None
    :return: all its specs
    :raises Sb3ScaleError: if a hook gave none, or one is offered twice
    :raises TypeError: if something is no spec, or a field of one has another type
    :raises ValueError: if a spec lacks what it needs
    """
    specs = [_checked(spec) for part in _answers(answers) for spec in part]
    for (kind, name), times in Counter((spec.kind, spec.name) for spec in specs).items():
        if times > 1:
            raise Sb3ScaleError(f"{kind} '{name}' is offered {times} times; allowed: once")
    return specs


def _answers(answers: Sequence[Any]) -> Sequence[Any]:
    if answers and not any(isinstance(each, Spec) for each in answers):
        return answers
    found = f"the spec {answers[0]!r:.80} itself" if answers else "nothing"
    raise Sb3ScaleError(f"sb3_scale_components gave {found}; allowed: specs in a list, or by yield")


def _checked(spec: object) -> Spec:
    if not isinstance(spec, Spec) or type(spec).kind not in KINDS:
        raise TypeError(
            f"sb3_scale_components gave {spec!r:.200}, which is none of the specs "
            f"{', '.join(cls.__name__ for cls in KINDS.values())}"
        )
    for each in fields(spec):
        value, wanted = getattr(spec, each.name), get_origin(each.type) or each.type
        assert isinstance(wanted, type), "annotations of specs are classes"
        if not isinstance(value, wanted):
            raise TypeError(
                f"{spec.kind} {spec.name!r:.80} has {value!r:.80} as '{each.name}'; allowed: "
                f"{wanted.__name__}"
            )
    if not spec.name:
        raise ValueError(f"a {spec.kind} has no name")
    if ":" in spec.name:
        raise ValueError(
            f"{spec.kind} {spec.name!r:.80} has ':' in its name; allowed: names without, as in "
            "KIND:NAME"
        )
    if isinstance(spec, (Recipe, ZooConfig)) and not spec.algo:
        raise ValueError(
            f"{spec.kind} {spec.name!r:.80} has no algo; allowed: the name of its algorithm, as "
            "algo='sac'"
        )
    return spec
