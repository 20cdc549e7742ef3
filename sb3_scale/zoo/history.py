"""What a run brings along that goes on in the count of another: its episodes and evaluations."""

import json
import os
import shutil
import time
from functools import partial
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.monitor import get_monitor_files

from sb3_scale.algorithms.base import ScaleAlgorithm
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.monitors import EARLIER, FINISHED_AT
from sb3_scale.notices import notice
from sb3_scale.runs import EVALUATIONS, episodes_of
from sb3_scale.zoo import resume


def use(manager: Any) -> None:
    """
    Let a run that was interrupted go on as if it had not been, in a folder of its own.

    :param manager: RL-Zoo's ``ExperimentManager``, whose folder is there
    """
    if not resume.counts_on(manager):
        return
    checkpoint = Path(manager.trained_agent)
    decisions = resume.decisions_of(checkpoint)
    bring_episodes(checkpoint.parent, Path(manager.save_path), decisions)
    manager.create_callbacks = partial(
        _create_callbacks, manager, manager.create_callbacks, checkpoint.parent, decisions
    )


def learn(zoo: Any, manager: Any, model: BaseAlgorithm) -> None:
    """
    :param zoo: RL-Zoo's ``learn``
    :param manager: RL-Zoo's ``ExperimentManager``
    :param model: trained for what is left of the steps that were planned, where it counts on
    """
    if not resume.counts_on(manager):
        zoo(manager, model)
        return
    assert isinstance(model, ScaleAlgorithm)
    _draw_on(model, manager.seed)
    # Stable-Baselines3 adds what has been made.
    manager.n_timesteps = max(0, int(manager.n_timesteps) - model.num_timesteps)
    zoo(manager, _CountingOn(model))


def _draw_on(model: ScaleAlgorithm, seed: int) -> None:
    """RL-Zoo loads with its seed, so that all random numbers would be those of the first steps."""
    model.goes_on = model.random_states is not None
    assert model.env is not None
    # The states of environments are in no checkpoint.
    model.env.seed((seed + model.num_timesteps) % 2**32)


class _CountingOn:
    """
    What RL-Zoo asks of a model while it learns.

    :param model: that goes on
    """

    def __init__(self, model: BaseAlgorithm) -> None:
        self.env = model.env
        self.learn = partial(model.learn, reset_num_timesteps=False)


def bring_episodes(before: Path, folder: Path, decisions: int) -> None:
    """
    Write the episodes that ended before a checkpoint as one more file of ``Monitor``, whose clock
    ends now.

    :param before: the folder of the run that was interrupted
    :param folder: of the run that goes on
    :param decisions: made before the checkpoint
    """
    if not get_monitor_files(escape(os.fspath(before))):
        return
    table = episodes_of(before)
    table = table[table[FINISHED_AT] <= decisions]
    seconds = float(table["t"].iloc[-1]) if len(table) else 0.0
    with (folder / EARLIER).open("w", newline="\n") as file:
        header = {"t_start": time.time() - seconds, "decisions": decisions}
        file.write(f"#{json.dumps(header)}\n")
        table.to_csv(file, index=False)


def _create_callbacks(manager: Any, create: Any, before: Path, decisions: int) -> None:
    create()
    evaluations = [one for one in manager.callbacks if isinstance(one, EvalCallback)]
    for callback in manager.callbacks:
        callback.n_calls = decisions // manager.n_envs
    for callback in evaluations:
        bring_evaluations(callback, before, decisions)
    # RL-Zoo saves a checkpoint before it evaluates, and also where an evaluation is interrupted.
    manager.callbacks += [_Missed(one) for one in evaluations if is_due(one, decisions)]


def is_due(callback: EvalCallback, decisions: int) -> bool:
    """
    :param callback: of the run that goes on, with the evaluations before
    :param decisions: made before the checkpoint
    :return: whether it was to evaluate after them, and has not
    """
    return (
        callback.eval_freq > 0
        and callback.n_calls > 0
        and callback.n_calls % callback.eval_freq == 0
        and decisions not in callback.evaluations_timesteps
    )


class _Missed(BaseCallback):
    """Evaluates before the first step."""

    def __init__(self, evaluation: EvalCallback) -> None:
        super().__init__()
        self.evaluation = evaluation

    def _on_training_start(self) -> None:
        self.evaluation.n_calls -= 1
        self.evaluation.on_step()

    def _on_step(self) -> bool:
        return True


def _evaluations(path: Path, decisions: int) -> dict[str, Any]:
    """Those that a callback wrote up to a decision."""
    with np.load(path) as data:
        kept = data["timesteps"] <= decisions
        own = {name: data[name][kept] for name in data}
    numbers = [own[name] for name in ("timesteps", "results", "ep_lengths")]
    if not all(np.isfinite(each).all() for each in numbers):
        raise ValueError("a number in it is not finite")
    return own


def bring_evaluations(callback: EvalCallback, before: Path, decisions: int) -> None:
    """
    :param callback: of the run that goes on, which gets those that were made before a checkpoint
    :param before: the folder of the run that was interrupted
    :param decisions: made before the checkpoint
    """
    path, folder = before / EVALUATIONS, Path(str(callback.best_model_save_path))
    if not path.exists():
        return
    try:
        own = _evaluations(path, decisions)
    except (*resume.DAMAGE, IndexError) as error:
        raise Sb3ScaleError(f"evaluations {resume.damage(path, error)}") from None
    np.savez(folder / EVALUATIONS, **own)
    callback.evaluations_timesteps = own["timesteps"].tolist()
    callback.evaluations_results = own["results"].tolist()
    callback.evaluations_length = own["ep_lengths"].tolist()
    if "successes" in own:
        callback.evaluations_successes = own["successes"].tolist()
    best = before / resume.BEST
    if not best.exists():
        return
    try:
        saved = resume.decisions_of(best)
    except resume.DAMAGE as error:
        notice(f"left out: {resume.damage(best, error)}")
        return
    # It may have been saved after the checkpoint.
    (at,) = np.nonzero(own["timesteps"] == saved)
    if at.size:
        callback.best_mean_reward = float(own["results"][at[0]].mean())
        shutil.copy(best, folder / resume.BEST)
