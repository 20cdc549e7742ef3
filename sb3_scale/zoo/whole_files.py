"""Each file that a run saves is replaced as a whole, those of RL-Zoo's own savers included."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback, EvalCallback
from stable_baselines3.common.save_util import save_to_pkl

from sb3_scale.files import NO_ROOM, UnwritableError, replacing, written_whole
from sb3_scale.saved_statistics import REPLAY_BUFFER, STATISTICS
from sb3_scale.zoo.termination import Termination


def use(manager: Any) -> None:
    """
    Let a run save all that it saves as wholes, and save when it is terminated.

    :param manager: RL-Zoo's ``ExperimentManager``
    """
    termination = Termination()
    manager._save_config = partial(_save_config, manager, manager._save_config)
    manager.create_callbacks = partial(
        _create_callbacks, manager, manager.create_callbacks, termination
    )
    manager.learn = partial(_learn, manager, manager.learn, termination)
    manager.save_trained_model = partial(
        _save_trained_model, manager, manager.save_trained_model, termination
    )


class WholeCheckpoints(CheckpointCallback):
    """
    RL-Zoo's checkpoints of the model, with the statistics of ``normalize`` and the replay buffer.

    RL-Zoo saves those two at the end only, and looks for them when it resumes. The replay buffer
    takes its place when the model has taken its own, so that an interruption before leaves two that
    belong together. Each model keeps its own statistics beside it.

    :param zoo: RL-Zoo's own callback
    :param params_folder: where RL-Zoo keeps the settings of the run
    :param replay_buffer: whether to save it, RL-Zoo's ``--save-replay-buffer``
    """

    def __init__(self, zoo: CheckpointCallback, params_folder: Path, replay_buffer: bool) -> None:
        super().__init__(zoo.save_freq, zoo.save_path, zoo.name_prefix, verbose=zoo.verbose)
        self.params_folder = params_folder
        self.with_replay_buffer = replay_buffer

    def _on_step(self) -> bool:
        model: Any = self.model
        if self.n_calls % self.save_freq:
            return True
        with ExitStack() as places:
            if self.with_replay_buffer:
                path = Path(self.save_path) / REPLAY_BUFFER
                # The first model must not be there without a replay buffer.
                there = path.exists()
                file = places.enter_context(written_whole(path, "pkl")) if there else path
                model.save_replay_buffer(file)
            _save_statistics(model, Path(self._checkpoint_path("vecnormalize_", "pkl")))
            super()._on_step()
        _save_statistics(model, self.params_folder / STATISTICS)
        return True


class WholeEvaluations(EvalCallback):
    """
    RL-Zoo's evaluations, whose results and statistics are replaced as wholes.

    :param zoo: RL-Zoo's own callback
    :param params_folder: where RL-Zoo keeps the settings of the run
    """

    def __init__(self, zoo: EvalCallback, params_folder: Path) -> None:
        super().__init__(
            zoo.eval_env,
            callback_on_new_best=_BestStatistics(params_folder),
            n_eval_episodes=zoo.n_eval_episodes,
            eval_freq=zoo.eval_freq,
            best_model_save_path=zoo.best_model_save_path,
            deterministic=zoo.deterministic,
            render=zoo.render,
            verbose=zoo.verbose,
            warn=zoo.warn,
        )
        self.results = Path(f"{zoo.log_path}.npz")

    def _on_step(self) -> bool:
        if self.n_calls % self.eval_freq:
            return True
        with replacing(self.results) as unfinished:
            self.log_path = str(unfinished)
            return super()._on_step()


class _BestStatistics(BaseCallback):
    """Saves the statistics of ``normalize`` with the best model."""

    def __init__(self, params_folder: Path) -> None:
        super().__init__()
        self.params_folder = params_folder

    def _on_step(self) -> bool:
        _save_statistics(self.model, self.params_folder / STATISTICS)
        return True


def _save_statistics(model: Any, path: Path) -> None:
    normalization = model.get_vec_normalize_env()
    if normalization is not None:
        with replacing(path) as unfinished:
            save_to_pkl(unfinished, normalization)


def _create_callbacks(manager: Any, create: Any, termination: Termination) -> None:
    given = len(manager.callbacks)
    create()
    params_folder = Path(manager.params_path)
    for at, callback in enumerate(manager.callbacks[given:], start=given):
        if isinstance(callback, CheckpointCallback):
            manager.callbacks[at] = WholeCheckpoints(
                callback, params_folder, manager.save_replay_buffer
            )
        elif isinstance(callback, EvalCallback):
            manager.callbacks[at] = WholeEvaluations(callback, params_folder)
    manager.callbacks.append(termination)


def _save_config(manager: Any, save: Any, saved_hyperparams: Any) -> None:
    folder = manager.params_path
    with _in_one_sentence(manager), TemporaryDirectory(prefix=".unfinished-", dir=folder) as beside:
        manager.params_path = beside
        save(saved_hyperparams)
        manager.params_path = folder
        for path in Path(beside).iterdir():
            os.replace(path, Path(folder, path.name))


def _learn(manager: Any, learn: Any, termination: Termination, model: Any) -> None:
    try:
        with _in_one_sentence(manager), termination.interrupts():
            learn(model)
    except (BrokenPipeError, EOFError, KeyboardInterrupt):
        # Who ends a group of processes ends those of the environments too, at times late.
        if not termination.number:
            raise


def _save_trained_model(manager: Any, save: Any, termination: Termination, model: Any) -> None:
    with _in_one_sentence(manager), termination.waits():
        _save_statistics(model, Path(manager.params_path) / STATISTICS)
        # RL-Zoo would write them again, in place.
        manager.normalize = False
        save(model)
    if termination.status:
        sys.exit(termination.status)


@contextmanager
def _in_one_sentence(manager: Any) -> Iterator[None]:
    """Logs are written by many; what a full disk does to them is told here."""
    try:
        yield
    except OSError as error:
        folder = Path(manager.save_path)
        named = isinstance(error.filename, str) and folder in Path(error.filename).parents
        if isinstance(error, UnwritableError) or not (named or error.errno in NO_ROOM):
            raise
        raise UnwritableError(
            f"a file in '{folder}' cannot be written: {error.strerror}; what was saved "
            "there before is whole"
        ) from error
