"""
The arguments that our algorithms have beside those of Stable-Baselines3, once, with their texts.

An algorithm names a dataclass of this kind. Its constructor takes the arguments of the library's
class and the fields of that dataclass; signature and docstring are composed of both.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from sb3_scale.algorithms.schedules import LearningRate
from sb3_scale.docstrings import docstring_parameters
from sb3_scale.errors import check_key
from sb3_scale.protocols import PartConfig


@dataclass(frozen=True)
class Options:
    """
    Of all algorithms.

    :param actor_learning_rate: of the actor; a number, ``"lin_3e-4"``, ``"cos_3e-4_3e-5"`` or a
        schedule
    :param critic_learning_rate: of critic and of an extractor that has no learner of its own
    :param max_grad_norm: norm that the gradients of actor and of critic are clipped to
    :param compile: whether ``torch.compile`` makes one program of each loss and its gradients;
        ``auto``: where enough gradient steps of ``learn`` are to come to earn the compiler's time
    :param autocast: whether the matrix products of the losses round what they multiply to bfloat16
        (``torch.autocast``); all else stays float32
    :param capture: whether all gradient steps of a ``train`` call become one CUDA graph
    :param collector: who acts in training: ``local`` takes turns with the gradient steps,
        ``overlapped`` runs them while environments in a ``SubprocVecEnv`` or from EnvPool step;
        ``acting_device`` of either is where a copy of the actor chooses
    """

    actor_learning_rate: LearningRate = None
    critic_learning_rate: LearningRate = None
    max_grad_norm: float | None = None
    compile: bool | Literal["auto"] = "auto"
    autocast: bool = False
    capture: bool = False
    collector: PartConfig = "local"


@dataclass(frozen=True)
class SoftOptions(Options):
    """
    Of algorithms whose actor has an entropy.

    :param backup_entropy: whether the entropy term is part of the bootstrap target; without it
        this is SACLite
    :param ent_coef_learning_rate: of the temperature
    :param ent_coef_optimizer_kwargs: of the temperature's Adam, for instance
        ``{"betas": [0.5, 0.999]}``
    """

    backup_entropy: bool = True
    ent_coef_learning_rate: LearningRate = None
    ent_coef_optimizer_kwargs: dict[str, Any] | None = None


def defaults(options: type[Options]) -> dict[str, Any]:
    """
    :param options: of an algorithm
    :return: its fields and their defaults
    """
    return {each.name: each.default for each in fields(options)}


def not_of(library: Any, options: type[Options]) -> set[str]:
    """
    :param library: the class of Stable-Baselines3 or sb3-contrib behind an algorithm
    :param options: of the algorithm
    :return: names of the options that the library's class does not have
    """
    return defaults(options).keys() - inspect.signature(library.__init__).parameters.keys()


def compose_constructor(
    owner: type, library: Any, options: type[Options], fixed: Mapping[str, Any]
) -> None:
    """
    Give an algorithm its constructor, with the arguments of the library's class and its own, and
    with their texts in its docstring.

    :param owner: the algorithm
    :param library: the class of Stable-Baselines3 or sb3-contrib behind it
    :param options: its own arguments
    :param fixed: arguments of the library that it sets itself
    """
    composed = signature(inspect.signature(library.__init__), options, fixed)

    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        self._construct(bind(owner, composed, args, kwargs))

    construct.__signature__ = composed  # type: ignore[attr-defined]
    construct.__annotations__ = {
        name: parameter.annotation for name, parameter in composed.parameters.items()
    }
    owner.__init__ = construct  # type: ignore[misc]
    owner.__doc__ = documentation(owner, composed, options)


def signature(
    library: inspect.Signature, options: type[Options], fixed: Mapping[str, Any]
) -> inspect.Signature:
    """
    :param library: of the constructor of the library's class, with ``self``
    :param options: of our algorithm
    :param fixed: arguments of the library that the algorithm sets itself
    :return: of our constructor, with ``self``
    """
    ours = [
        inspect.Parameter(
            each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type
        )
        for each in fields(options)
    ]
    names = {parameter.name for parameter in ours} | set(fixed)
    theirs = [each for name, each in library.parameters.items() if name not in names]
    return inspect.Signature([*theirs, *ours])


def bind(
    owner: type, of: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """
    :param owner: whose constructor was called
    :param of: its signature, with ``self``
    :param args: as given
    :param kwargs: as given
    :return: the arguments by name, without those that were not given
    :raises Sb3ScaleError: if a name is unknown
    :raises TypeError: if one is missing, or there are too many
    """
    known = [name for name in of.parameters if name not in ("self", "_init_setup_model")]
    for name, value in kwargs.items():
        if name not in of.parameters:
            check_key(f"{owner.__name__} has no argument", name, value, known)
    bound = of.bind(None, *args, **kwargs)
    return {name: value for name, value in bound.arguments.items() if name != "self"}


def documentation(owner: type, of: inspect.Signature, options: type[Options]) -> str:
    """
    :param owner: an algorithm
    :param of: its signature
    :param options: its own arguments
    :return: its docstring, completed by the texts of what it inherits and of its options
    """
    own = inspect.cleandoc(owner.__dict__.get("__doc__") or "")
    texts: dict[str, str] = {}
    for base in reversed(inspect.getmro(owner)[1:]):
        if base.__module__.split(".")[0].startswith("sb3_scale"):
            texts.update(docstring_parameters(base))
    for base in reversed(inspect.getmro(options)):
        texts.update(docstring_parameters(base))
    written = docstring_parameters(owner)
    lines = [
        f":param {name}: {texts[name]}"
        for name in of.parameters
        if name in texts and name not in written
    ]
    joint = "\n" if written else "\n\n"
    return own + joint + "\n".join(lines) if lines else own
