"""
``python -m sb3_scale.zoo SCRIPT ...`` runs a script of RL-Zoo with sb3_scale installed in it.

For instance ``python -m sb3_scale.zoo train --algo sac --env dog-run``.
"""

import runpy
import sys

from sb3_scale.errors import Sb3ScaleError, shown, suggestion
from sb3_scale.notices import notice
from sb3_scale.registration import check_env_id
from sb3_scale.zoo import install, words

SCRIPTS = {
    "train": "rl_zoo3.train",
    "enjoy": "rl_zoo3.enjoy",
    "record_video": "rl_zoo3.record_video",
    "record_training": "rl_zoo3.record_training",
    "plot_train": "rl_zoo3.plots.plot_train",
    "plot_from_file": "rl_zoo3.plots.plot_from_file",
    "all_plots": "rl_zoo3.plots.all_plots",
    "benchmark": "rl_zoo3.benchmark",
    "load_from_hub": "sb3_scale.hub.load_from_hub",
    "push_to_hub": "sb3_scale.hub.push_to_hub",
}

OF_AN_ENVIRONMENT = ("train", "enjoy", "record_video", "record_training")
"""Scripts with the option ``--env``."""


def main() -> None:
    """
    Run the script that the first argument names.

    :raises Sb3ScaleError: if the script or the environment is unknown
    """
    install()
    script = sys.argv[1] if len(sys.argv) > 1 else ""
    if script in ("-h", "--help"):
        notice(f"usage: python -m sb3_scale.zoo SCRIPT ...\n\nscripts: {', '.join(SCRIPTS)}")
        return
    if script not in SCRIPTS:
        raise Sb3ScaleError(f"there is no script {shown(script)}{suggestion(script, SCRIPTS)}")
    if script in OF_AN_ENVIRONMENT:
        _check_env(sys.argv[2:])
    del sys.argv[0]
    runpy.run_module(SCRIPTS[script], run_name="__main__", alter_sys=True)


def _check_env(command_line: list[str]) -> None:
    given = words.read(command_line)
    # Tasks of other packages are not registered yet: RL-Zoo imports those and looks itself.
    if given is not None and given.env and not given.gym_packages:
        check_env_id(given.env)


if __name__ == "__main__":
    main()
