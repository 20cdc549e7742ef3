"""Models that were trained and saved, for the commands that read them."""

from pathlib import Path
from typing import Any

from sb3_scale.algorithms import ScaleAlgorithm
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import load_target, spec_of
from sb3_scale.policies import ScalePolicy
from sb3_scale.trust.commands import for_a_command


def load_model(algo: str, path: Path, trust: bool) -> Any:
    """
    :param algo: name of its algorithm
    :param path: of the zip file
    :param trust: whether to run what is pickled in it
    :return: the algorithm, on the CPU
    :raises Sb3ScaleError: if there is no such model, its policy is no ``ScalePolicy``, or it needs
        trust
    """
    if not path.is_file():
        raise Sb3ScaleError(f"there is no model '{path}'")
    algorithm = load_target(spec_of("algorithm", algo))
    if not issubclass(algorithm, ScaleAlgorithm):
        raise Sb3ScaleError(f"'{path}' is of {algorithm.__name__}; allowed: policy: ScalePolicy")
    with for_a_command():
        model = algorithm.load(path, device="cpu", trust=trust)
    if not isinstance(model.policy, ScalePolicy):
        raise Sb3ScaleError(
            f"'{path}' has a {type(model.policy).__name__}; allowed: policy: ScalePolicy"
        )
    return model
