"""Functions that ``torch.compile`` takes as a whole, or that run as they are and say why."""

import sys
import time
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

import torch as th
from torch._dynamo.exc import TorchDynamoException

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
    """

    def __init__(self, function: Callable[P, R], name: str, verbose: bool) -> None:
        self.function = function
        self.name = name
        self.verbose = verbose
        # A cache of its own: other models of this process must not use up its recompilations.
        self._run: Callable[P, R] = th.compile(  # type: ignore[call-overload]
            function,
            fullgraph=True,
            dynamic=False,
            isolate_recompiles=True,
            options={"fallback_random": True, "compile_threads": 1},
        )
        self._fresh = True

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """
        :param args: of the function
        :param kwargs: of the function
        :return: its result
        """
        start = time.perf_counter()
        try:
            with th._dynamo.config.patch(trace_autograd_ops=True):
                result = self._run(*args, **kwargs)
        except TorchDynamoException as error:
            reason = next(line for line in str(error).splitlines() if line.strip())
            print(f"compile: {self.name} runs without compilation: {reason}", file=sys.stderr)
            self._run = self.function
            result = self.function(*args, **kwargs)
        else:
            if self._fresh and self.verbose:
                print(f"compile: {self.name} took {time.perf_counter() - start:.1f} s")
        self._fresh = False
        return result
