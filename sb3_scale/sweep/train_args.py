"""Words of RL-Zoo's command line that a sweep passes on."""

import argparse
from collections.abc import Sequence
from typing import Any

from sb3_scale.errors import Sb3ScaleError, shown, suggestion
from sb3_scale.execution.devices import check_device
from sb3_scale.zoo.resume import RESUME

OWN_OPTIONS = {
    "--algo": "the key algo",
    "--env": "the key env",
    "--env-kwargs": "env_kwargs in settings",
    "--seed": "the key seeds",
    "--n-timesteps": "n_timesteps in settings",
    "-n": "n_timesteps in settings",
    "--hyperparams": "the key settings",
    "-params": "the key settings",
    "--conf-file": "the key conf_file",
    "-conf": "the key conf_file",
    "--eval-freq": "the key eval_freq",
    "--eval-episodes": "the key eval_episodes",
    "--gym-packages": "the key gym_packages",
    "--log-folder": "--output of sb3-scale sweep",
    "-f": "--output of sb3-scale sweep",
    "--uuid": "folders without it",
    "-uuid": "folders without it",
    "--trained-agent": "trainings from their beginning",
    "-i": "trainings from their beginning",
    RESUME: "trainings from their beginning",
    "--trial-id": "the key settings",
    "--optimize-hyperparameters": "the key grid",
    "-optimize": "the key grid",
}
"""Options of RL-Zoo that decide what a sweep decides, and what to write instead."""


PASSED_ON: dict[str, dict[str, Any]] = {
    "--device": {},
    "--eval-env-kwargs": {"nargs": "+"},
    "--log-interval": {"type": int},
    "--n-eval-envs": {"type": int},
    "--num-threads": {"type": int},
    "--progress -P": {"action": "store_true"},
    "--save-freq": {"type": int},
    "--save-replay-buffer": {"action": "store_true"},
    "--tensorboard-log -tb": {},
    "--track": {"action": "store_true"},
    "--truncate-last-trajectory": {"type": bool},
    "--vec-env": {"choices": ["dummy", "subproc"]},
    "--verbose": {"type": int},
    "--wandb-entity": {},
    "--wandb-group": {},
    "--wandb-project-name": {},
    "--wandb-tags -tags": {"nargs": "+"},
}
"""Options of RL-Zoo that a training has, by all their names, as its parser reads them."""


def check_train_args(words: Sequence[str]) -> None:
    """
    :param words: for RL-Zoo's command
    :raises Sb3ScaleError: if one is an option that the sweep gives itself, or short for one, is
        none of RL-Zoo's, or has a value that RL-Zoo does not take
    """
    for word in words:
        name = word.partition("=")[0]
        for option, instead in OWN_OPTIONS.items():
            # argparse takes any beginning of a name, and a value right after a single letter.
            attached = len(option) == 2 and name.startswith(option)
            if name.startswith("-") and (option.startswith(name) or attached):
                raise Sb3ScaleError(f"train_args has {shown(word)}; allowed: {instead}")
    parser = argparse.ArgumentParser("train_args", add_help=False, exit_on_error=False)
    for option, arguments in PASSED_ON.items():
        parser.add_argument(*option.split(), **arguments)
    try:
        given, unknown = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise Sb3ScaleError(f"train_args: {error}") from None
    if unknown:
        allowed = suggestion(unknown[0], " ".join(PASSED_ON).split())
        raise Sb3ScaleError(f"train_args has {shown(unknown[0])}{allowed}")
    if given.device not in (None, "auto"):
        check_device("train_args: --device", given.device, "cpu, auto")
