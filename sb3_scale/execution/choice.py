"""How gradient steps run: eagerly, compiled, captured, or both."""

from collections.abc import Iterable

import torch as th

from sb3_scale.execution.captured import CapturedRunner, cuda_graph
from sb3_scale.execution.compiled import Compiled
from sb3_scale.execution.matmul_precision import bfloat16_matmul
from sb3_scale.execution.runner import EagerRunner, Runner
from sb3_scale.learning.update import Learner
from sb3_scale.notices import notice


def prepare(
    learners: Iterable[Learner], device: th.device, compile: bool, autocast: bool, verbose: bool
) -> None:
    """
    Have the losses of learners run compiled, or with rounded matrix products.

    :param learners: which are changed
    :param device: where they compute
    :param compile: whether each becomes one program
    :param autocast: whether products are rounded to bfloat16
    :param verbose: whether to tell how long a compilation took
    """
    for learner in learners:
        if autocast:
            learner.compute = bfloat16_matmul(learner.compute, device)
        if compile and learner.compiled:
            learner.compute = Compiled(learner.compute, f"the {learner.name}'s loss", verbose)


def choose_runner(
    eager: EagerRunner, device: th.device, capture: bool, prioritized: bool
) -> Runner:
    """
    :param eager: takes the steps one by one
    :param device: where they are computed
    :param capture: whether a CUDA graph was asked for
    :param prioritized: whether the replay buffer wants errors after each step
    :return: who takes the steps
    """
    if not capture:
        return eager
    if prioritized:
        notice("capture: gradient steps run one by one: the replay buffer wants their errors")
        return eager
    if device.type != "cuda":
        notice(f"capture: gradient steps run one by one: the device is {device}, not cuda")
        return eager
    return CapturedRunner(eager, cuda_graph)
