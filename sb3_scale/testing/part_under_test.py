"""The part under test, and how its faults become one sentence."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium
import torch
from torch import Tensor, nn

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.hookspecs import hookimpl
from sb3_scale.parts import build
from sb3_scale.plugins import manager
from sb3_scale.specs import KINDS, DiscreteActor, DiscreteCritic, Spec

BATCH = 7
MEMBERS = 3
FEATURES, ACTIONS = 4, 2


@dataclass(frozen=True)
class Subject:
    """
    A part under test.

    :param spec: the part
    :param params: its parameters, where they differ from the defaults
    :param env: environment, or its id, that an extractor is made for and that training uses
    """

    spec: Spec
    params: Mapping[str, Any]
    env: "str | gymnasium.Env[Any, Any]"

    def require(self, condition: bool, fault: str) -> None:
        """
        :param condition: what must hold
        :param fault: the rest of a sentence that begins with the part
        :raises AssertionError: if it does not hold
        """
        if not condition:
            raise AssertionError(f"{self.spec.kind} '{self.spec.name}' {fault}")

    def call(self, what: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """
        Call code of the part.

        :param what: the call as its author would write it
        :param function: what to call
        :param args: its arguments
        :param kwargs: its arguments by name
        :return: what it returns
        :raises AssertionError: if it raises anything
        """
        # The code is the author's; whatever it raises is told as a fault of the part.
        try:
            return function(*args, **kwargs)
        except Exception as error:
            text = " ".join(str(error).split())
            if isinstance(error, Sb3ScaleError):
                raise AssertionError(text) from error
            raise AssertionError(
                f"{self.spec.kind} '{self.spec.name}' fails in {what}: "
                f"{type(error).__name__}: {text}"
            ) from error

    def build(self, *context: Any, **params: Any) -> Any:
        """
        :param context: arguments that the core passes
        :param params: parameters that the check itself needs
        :return: the part
        :raises AssertionError: if it cannot be made
        """
        config = {"name": self.spec.name, **self.params, **params}
        return self.call("its constructor", build, self.spec.kind, config, *context)

    def build_module(self, *context: Any, **params: Any) -> nn.Module:
        """
        :param context: arguments that the core passes
        :param params: parameters that the check itself needs
        :return: the part
        :raises AssertionError: if it cannot be made or is no module
        """
        module = self.build(*context, **params)
        self.require(isinstance(module, nn.Module), "is no torch.nn.Module")
        checked: nn.Module = module
        return checked

    def require_flags(self, part: Any, *names: str) -> None:
        """
        :param part: an instance
        :param names: of attributes that must be true or false
        :raises AssertionError: if one is neither
        """
        for name in names:
            value = getattr(part, name, None)
            self.require(
                isinstance(value, bool), f"has {value!r} as '{name}', which must be True or False"
            )

    def tensor(self, what: str, result: Any, *shapes: tuple[int, ...]) -> Tensor:
        """
        :param what: the call that gave it
        :param result: what must be a finite float32 tensor
        :param shapes: the shapes that are right
        :return: the tensor
        :raises AssertionError: if it is not as it must be
        """
        self.require(isinstance(result, Tensor), f"gives no tensor in {what}")
        right = " or ".join(str(shape) for shape in shapes)
        shape = tuple(result.shape)
        self.require(shape in shapes, f"gives shape {shape} in {what}, and must give {right}")
        self.require(
            result.dtype == torch.float32, f"gives {result.dtype} in {what}, not torch.float32"
        )
        self.require(bool(result.isfinite().all()), f"gives numbers that are not finite in {what}")
        tensor: Tensor = result
        return tensor


def env_for(
    spec: Spec, env: "str | gymnasium.Env[Any, Any] | None"
) -> "str | gymnasium.Env[Any, Any]":
    """
    :param spec: a part
    :param env: that the caller named, if any
    :return: the environment to check it with
    """
    if env is not None:
        return env
    return "CartPole-v1" if isinstance(spec, (DiscreteActor, DiscreteCritic)) else "Pendulum-v1"


def find_spec(spec: Spec | str, name: str) -> Spec:
    """
    :param spec: a spec, or a part kind
    :param name: name of the part, if only its kind is given
    :return: the spec
    :raises Sb3ScaleError: if there is no such part
    """
    return spec if isinstance(spec, Spec) else manager().find(spec, name)[1]


@contextmanager
def offered(spec: Spec) -> Iterator[None]:
    """
    Offer a part that no installed plugin offers, as long as it is checked.

    :param spec: the part
    """

    class Offer:
        @hookimpl
        def sb3_scale_components(self) -> Iterator[Spec]:
            yield spec

    known = any(other == spec for kind in KINDS for _, other in manager().specs(kind))
    if known:
        yield
        return
    manager().register(Offer(), __name__)
    try:
        yield
    finally:
        manager().unregister(__name__)
        if spec.kind == "env":
            gymnasium.registry.pop(spec.name, None)
