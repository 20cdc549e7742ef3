"""How gradient steps run: eagerly, compiled, captured, or both."""

from collections.abc import Callable, Iterable
from functools import partial

import torch as th

from sb3_scale.execution.captured import WANTS_ERRORS, CapturedRunner, cuda_graph
from sb3_scale.execution.compiled import Compiled
from sb3_scale.execution.matmul_precision import bfloat16_matmul
from sb3_scale.execution.runner import EagerRunner, Runner
from sb3_scale.learning.update import Learner
from sb3_scale.notices import notice


def round_products(learners: Iterable[Learner], device: th.device) -> None:
    """
    Have the losses of learners round their matrix products to bfloat16.

    :param learners: which are changed
    :param device: where they compute
    """
    for learner in learners:
        learner.compute = bfloat16_matmul(learner.compute, device)


def compile_losses(learners: Iterable[Learner], verbose: bool, asked: bool) -> None:
    """
    Have the losses of learners run compiled, each as one program.

    :param learners: which are changed, but for those that gain nothing
    :param verbose: whether to tell how long a compilation took
    :param asked: whether to tell in any case that one was not possible
    """
    for learner in learners:
        if learner.compiled:
            name = f"the {learner.name}'s loss"
            learner.compute = Compiled(learner.compute, name, verbose, asked)


def choose_runner(
    device: th.device, capture: bool, prioritized: bool
) -> Callable[[EagerRunner], Runner]:
    """
    :param device: where gradient steps are computed
    :param capture: whether a CUDA graph was asked for
    :param prioritized: whether the replay buffer wants errors after each step
    :return: makes who takes the steps of who takes them one by one
    """
    if not capture:
        return _one_by_one
    if prioritized:
        notice(WANTS_ERRORS)
        return _one_by_one
    if device.type != "cuda":
        notice(f"capture: gradient steps run one by one: the device is {device}, not cuda")
        return _one_by_one
    return partial(CapturedRunner, record=partial(cuda_graph, device))


def _one_by_one(eager: EagerRunner) -> Runner:
    return eager
