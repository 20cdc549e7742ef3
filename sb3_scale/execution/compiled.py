"""Functions that ``torch.compile`` takes as a whole, or that run as they are and say why."""

import shutil
import time
import warnings
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

import torch as th

from sb3_scale.notices import notice

P = ParamSpec("P")
R = TypeVar("R")


class Compiled(Generic[P, R]):
    """
    A function that is compiled at its first call, with its time printed.

    What cannot be compiled (a part that reads a tensor on the host, a machine without a C++
    compiler) is explained in one line and runs eagerly from then on. Random numbers are those of
    eager execution.

    :param function: takes and returns tensors; may compute gradients inside
    :param name: how messages name it
    :param verbose: whether to print how long the compilation took
    :param asked: whether to explain without ``verbose`` too what cannot be compiled
    """

    def __init__(self, function: Callable[P, R], name: str, verbose: bool, asked: bool) -> None:
        self._function = function
        self._name = name
        self._verbose = verbose
        self._explains = verbose or asked
        # A cache of its own: other models of this process must not use up its recompilations.
        self._compiled: Callable[P, R] = th.compile(  # type: ignore[call-overload]
            function,
            fullgraph=True,
            dynamic=False,
            isolate_recompiles=True,
            options={"fallback_random": True, "compile_threads": 1},
        )
        self._run = self._compile

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """
        :param args: of the function
        :param kwargs: of the function
        :return: its result
        """
        try:
            with th._dynamo.config.patch(trace_autograd_ops=True):
                return self._run(*args, **kwargs)
        except (
            th._dynamo.exc.TorchDynamoException,
            th._dynamo.exc.FailOnRecompileLimitHit,
        ) as error:
            if self._explains:
                reason = next(line for line in str(error).splitlines() if line.strip())
                notice(f"compile: {self._name} runs without compilation: {reason}")
            self._run = self._function
            return self._run(*args, **kwargs)

    def _compile(self, *args: P.args, **kwargs: P.kwargs) -> R:
        start = time.perf_counter()
        with warnings.catch_warnings():
            # PyTorch's own use of what it has deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            result = self._compiled(*args, **kwargs)
        if self._verbose:
            notice(f"compile: {self._name} took {time.perf_counter() - start:.1f} s")
        self._run = self._compiled
        return result


def missing_compiler(device: th.device) -> str | None:
    """
    :param device: of the networks
    :return: the C++ compiler that PyTorch would call, if it needs one and it is not there
    """
    if device.type != "cpu":
        return None
    from torch._inductor import config

    named = config.cpp.cxx
    names = [each for each in (named if isinstance(named, tuple) else (named,)) if each]
    return None if any(map(shutil.which, names)) else ", ".join(names)
