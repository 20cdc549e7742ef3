"""Files of a controller, each checked against the policy before it is kept."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch as th

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.export.controller import Controller

OUTPUT = "action"
"""Its name in a file of ONNX, whose inputs are named as the observations are."""

Observations = dict[str, np.ndarray]
"""By key; one named ``observation`` where there are none."""

Run = Callable[[Observations], np.ndarray]


def write_onnx(controller: Controller, example: Observations, path: Path, opset: int | None) -> Run:
    """
    :param controller: to write
    :param example: observations, at least two, of their type
    :param path: of the file
    :param opset: version of ONNX's operators, that of PyTorch's choice by default
    :return: runs the file
    :raises Sb3ScaleError: if a package is missing, or PyTorch cannot translate the policy
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise Sb3ScaleError(
            f"an export to ONNX needs {error.name}; allowed: after pip install 'sb3-scale[export]',"
            " or --format torchscript"
        ) from None
    batch = th.export.Dim("batch")
    try:
        with _quiet():
            th.onnx.export(
                controller,
                _tensors(example),
                path,
                dynamo=True,
                external_data=False,
                opset_version=opset,
                input_names=list(example),
                output_names=[OUTPUT],
                dynamic_shapes={"observations": tuple({0: batch} for _ in example)},
            )
    except th.onnx.OnnxExporterError as error:
        raise Sb3ScaleError(
            f"PyTorch cannot translate this policy to ONNX: {_first_line(error)}; allowed: "
            "--format torchscript"
        ) from None
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda observations: np.asarray(session.run([OUTPUT], observations)[0])


def write_torchscript(
    controller: Controller, example: Observations, path: Path, opset: int | None
) -> Run:
    """
    :param controller: to write
    :param example: observations, at least two, of their type
    :param path: of the file
    :param opset: nothing: that is of ONNX
    :return: runs the file
    :raises Sb3ScaleError: if an opset is asked for
    """
    if opset is not None:
        raise Sb3ScaleError(f"--opset is {opset} with --format torchscript; allowed: with onnx")
    with _quiet():
        traced: Any = th.jit.trace(controller, _tensors(example))  # type: ignore[no-untyped-call]
        traced.save(str(path))
        loaded: Any = th.jit.load(str(path))  # type: ignore[no-untyped-call]
    return lambda observations: np.asarray(loaded(*_tensors(observations)).numpy())


def _tensors(observations: Observations) -> tuple[th.Tensor, ...]:
    return tuple(th.as_tensor(each) for each in observations.values())


FORMATS = {"onnx": write_onnx, "torchscript": write_torchscript}
"""By the name of the command line."""


def difference(run: Run, observations: Observations, actions: np.ndarray) -> float:
    """
    :param run: of a file
    :param observations: to try, ``(n, *shape)`` of each key
    :param actions: that the algorithm predicts for them, ``(n, *action shape)``
    :return: the largest difference of an action, as a share of the range of the policy's actions;
        alone and in batches
    """
    wanted = actions.astype(np.float64)
    size = max(float(np.abs(wanted).max()), 1e-6)
    together = run(observations).astype(np.float64)
    singles = [{key: each[i : i + 1] for key, each in observations.items()} for i in range(8)]
    alone = np.concatenate([run(each) for each in singles[: len(wanted)]]).astype(np.float64)
    gaps = (np.abs(together - wanted), np.abs(alone - wanted[: len(alone)]))
    return float(max(gap.max() for gap in gaps) / size)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what PyTorch tells of its own progress, and of the future of its formats."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), th.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:300]
