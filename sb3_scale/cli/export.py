"""``sb3-scale export``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sb3_scale.cli.output import make_console
from sb3_scale.cli.places import check_places
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.files import make_folder, replacing
from sb3_scale.quantities import at_least
from sb3_scale.tables import make_table

if TYPE_CHECKING:
    import numpy as np

ENDINGS = {"onnx": "onnx", "torchscript": "pt"}
CLOSE = 1e-4
"""Difference from ``predict`` that rounding explains, of the largest action."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of this subcommand
    """
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="folder of a run, or a model's zip file"
    )
    parser.add_argument("--algo", metavar="NAME", help="of a zip file, for instance sac")
    parser.add_argument("--format", choices=sorted(ENDINGS), default="onnx", help="by default onnx")
    parser.add_argument(
        "--normalize", type=Path, metavar="PKL", help="statistics, by default those of the run"
    )
    parser.add_argument(
        "--opset", type=int, metavar="N", help="version of ONNX's operators, by default PyTorch's"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="by default beside the model")
    parser.add_argument(
        "--observations",
        type=at_least(2),
        default=256,
        metavar="N",
        help="to check with, by default 256",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run what is pickled in the model, and import classes of your own that it names",
    )


def run(args: argparse.Namespace) -> int:
    """
    :param args: see :func:`add_arguments`
    :return: 0
    :raises Sb3ScaleError: if there is no such model, its statistics are missing, it cannot be
        written in the format or to that place, or what the file computes is not what the model
        predicts; no file is left then
    """
    from sb3_scale.export.controller import Controller, keys_of, values
    from sb3_scale.export.formats import FORMATS, difference
    from sb3_scale.export.trained import load

    trained = load(args.model, args.algo, args.normalize, args.trust)
    folder = args.model if args.model.is_dir() else args.model.parent
    output = args.output or folder / f"{trained.name}.{ENDINGS[args.format]}"
    check_places([output], trained.files)
    make_folder(output.parent)
    observations = trained.observations(args.observations)
    # Before constraints become part of the weights.
    actions = trained.predict(observations)
    keys = keys_of(trained.model.policy)
    observations = {key: observations[key] for key in keys}
    controller = Controller(trained.model.policy, trained.normalize).requires_grad_(False)
    example = {key: each[:2] for key, each in observations.items()}
    content, computed = FORMATS[args.format](controller, example, args.opset)
    gap = difference(computed, observations, actions)
    if not gap <= CLOSE:
        raise Sb3ScaleError(
            f"the file would differ from predict by {gap:.2g} of the largest action; allowed: "
            f"{CLOSE:g}"
        )
    with replacing(output) as unfinished:
        unfinished.write_bytes(content)
    space = trained.model.action_space
    normalized = trained.normalize is not None and trained.normalize.norm_obs
    rows = [
        ("written", f"{output}, {len(content) / 1e6:.2f} MB"),
        *((key, _described(each)) for key, each in observations.items()),
        ("action", f"batch x {space.shape}, {values(space)}"),
        ("normalisation", "within the file" if normalized else "none"),
        ("largest difference", f"{gap:.1e} over {args.observations} observations"),
    ]
    make_console().print(make_table(("", ""), rows))
    return 0


def _described(batch: "np.ndarray") -> str:
    image = batch.ndim == 4 and batch.dtype == "uint8"
    order = ", channels first" if image else ""
    return f"batch x {batch.shape[1:]}, {batch.dtype}{order}"
