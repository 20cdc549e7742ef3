"""Files of a controller, and whether they compute what the policy does."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import BytesIO, StringIO
from typing import Any

import numpy as np
import torch as th

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.export.controller import Controller

OUTPUT = "action"
"""Its name in a file of ONNX, whose inputs are named as the observations are."""

OLDEST = 14
"""Of the versions of ONNX's operators that its converter leads back to from PyTorch's 18."""

Observations = dict[str, np.ndarray]
"""By key; one named ``observation`` where there are none."""

Run = Callable[[Observations], np.ndarray]


def write_onnx(
    controller: Controller, example: Observations, opset: int | None
) -> tuple[bytes, Run]:
    """
    :param controller: to write
    :param example: observations, at least two, of their type
    :param opset: version of ONNX's operators, that of PyTorch's choice by default
    :return: content of a file, and what runs it
    :raises Sb3ScaleError: if a package is missing, or PyTorch cannot translate the policy, or not
        to these operators
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise Sb3ScaleError(
            f"an export to ONNX needs {error.name}; allowed: after pip install 'sb3-scale[export]',"
            " or --format torchscript"
        ) from None
    newest = onnx.defs.onnx_opset_version()
    if opset is not None and not OLDEST <= opset <= newest:
        raise Sb3ScaleError(f"--opset is {opset}; allowed: {OLDEST} to {newest}")
    model = _translated(controller, example, opset)
    written = next(one.version for one in model.opset_import if not one.domain)
    # Where the operators cannot be converted, PyTorch keeps others without an error.
    if opset is not None and opset != written:
        raise _of_other_operators(opset, f"PyTorch translates it to {written}")
    content: bytes = model.SerializeToString()
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    # Its exceptions have no base of their own.
    except Exception as error:
        raise _of_other_operators(written, _first_line(error)) from None
    return content, lambda observations: np.asarray(session.run([OUTPUT], observations)[0])


def _translated(controller: Controller, example: Observations, opset: int | None) -> Any:
    batch = th.export.Dim("batch")
    try:
        with _quiet():
            program: Any = th.onnx.export(
                controller,
                _tensors(example),
                dynamo=True,
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
    return program.model_proto


def _of_other_operators(opset: int, reason: str) -> Sb3ScaleError:
    return Sb3ScaleError(
        f"this policy cannot be written with --opset {opset}: {reason}; allowed: another "
        "--opset or none, or --format torchscript"
    )


def write_torchscript(
    controller: Controller, example: Observations, opset: int | None
) -> tuple[bytes, Run]:
    """
    :param controller: to write
    :param example: observations, at least two, of their type
    :param opset: nothing: that is of ONNX
    :return: content of a file, and what runs it
    :raises Sb3ScaleError: if an opset is asked for
    """
    if opset is not None:
        raise Sb3ScaleError(f"--opset is {opset} with --format torchscript; allowed: with onnx")
    file = BytesIO()
    with _quiet():
        traced: Any = th.jit.trace(controller, _tensors(example))  # type: ignore[no-untyped-call]
        th.jit.save(traced, file)
        loaded: Any = th.jit.load(BytesIO(file.getvalue()))  # type: ignore[no-untyped-call]
    return file.getvalue(), lambda observations: np.asarray(loaded(*_tensors(observations)).numpy())


def _tensors(observations: Observations) -> tuple[th.Tensor, ...]:
    return tuple(th.as_tensor(each) for each in observations.values())


FORMATS = {"onnx": write_onnx, "torchscript": write_torchscript}
"""By the name of the command line."""


def difference(run: Run, observations: Observations, actions: np.ndarray) -> float:
    """
    :param run: of a file
    :param observations: to try, ``(n, *shape)`` of each key
    :param actions: that the algorithm predicts for them, ``(n, *action shape)``
    :return: the largest difference of an action, as a share of the largest predicted one;
        the worse of alone and in one batch
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
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), th.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:300]
