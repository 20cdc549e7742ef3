"""Folders of runs as RL-Zoo leaves them, written without a training."""

from pathlib import Path

import numpy as np
import yaml

HEADER = '#{"t_start": 0.0}\nr,l,t\n'


def write_run(folder: Path, seed: int = 0, env: str = "Pendulum-v1") -> Path:
    """
    :param folder: of the run, which has 3 episodes and 2 evaluations
    :param seed: of the run
    :param env: its id
    """
    settings = folder / env
    settings.mkdir(parents=True)
    arguments = {"algo": "sac", "env": env, "seed": seed}
    (settings / "args.yml").write_text(yaml.safe_dump(arguments))
    (settings / "config.yml").write_text("{}\n")
    (folder / "0.monitor.csv").write_text(f"{HEADER}-3.5,200,1.5\n-2.5,200,2.5\n-1.5,200,3.5\n")
    results = np.array([[-3.0], [-2.0 + seed]])
    np.savez(folder / "evaluations.npz", timesteps=[200, 400], results=results)
    return folder
