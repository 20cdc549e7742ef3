"""Words of RL-Zoo's command line that would end it with a traceback, checked before that."""

import argparse
from importlib.util import find_spec

from sb3_scale.errors import Sb3ScaleError, shown

MAPPINGS = (("-params", "--hyperparams"), ("--env-kwargs",), ("--eval-env-kwargs",))
"""Options with settings by name, by all their names."""

MOST = 2**32 - 1
"""The greatest seed that NumPy takes."""


def read(words: list[str]) -> argparse.Namespace | None:
    """
    :param words: of the command line
    :return: what is checked of them; nothing where RL-Zoo's own parser will say what is wrong
    """
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--env")
    for options in MAPPINGS:
        parser.add_argument(*options, nargs="+", action="append", default=[])
    parser.add_argument("--gym-packages", nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-n", "--n-timesteps", type=int, default=-1)
    try:
        return parser.parse_known_args(words)[0]
    except argparse.ArgumentError:
        return None


def check_words(words: list[str]) -> None:
    """
    :param words: of the command line
    :raises Sb3ScaleError: if a setting or a number of steps would be left out, there is no such
        package, or NumPy takes no such seed
    """
    given = read(words)
    if given is None:
        return
    if given.seed > MOST:
        raise Sb3ScaleError(f"--seed is {given.seed}; allowed: up to {MOST}, or -1 for any")
    if given.n_timesteps < 1 and given.n_timesteps != -1:
        # RL-Zoo would take the number of the settings.
        raise Sb3ScaleError(
            f"-n is {given.n_timesteps}; allowed: at least 1, or -1 for n_timesteps of the settings"
        )
    for options in MAPPINGS:
        _check_mapping(options[0], getattr(given, options[-1].strip("-").replace("-", "_")))
    for name in given.gym_packages:
        # What it imports is left to RL-Zoo, which is not complete yet.
        package = name.partition(".")[0]
        if not package or find_spec(package) is None:
            raise Sb3ScaleError(
                f"--gym-packages has {shown(name)}, and there is no such module; allowed: those "
                "that are installed, or in the present folder"
            )


def _check_mapping(option: str, groups: list[list[str]]) -> None:
    """RL-Zoo would take the last group alone."""
    if len(groups) > 1:
        raise Sb3ScaleError(
            f"{option} is there {len(groups)} times, and RL-Zoo takes the last alone; allowed: "
            f"once, as {option} {' '.join(word for group in groups for word in group):.200}"
        )
