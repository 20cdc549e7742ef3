"""Trials of RL-Zoo's search that cannot be made."""

from functools import wraps
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage, get_storage
from optuna.storages.journal import JournalFileBackend
from rl_zoo3.exp_manager import ExperimentManager

from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.files import make_folder
from sb3_scale.notices import notice
from sb3_scale.zoo.samplers import StudyError

ATTEMPTS = 4
"""Of a search in no trial of which parts went together: a short one may be unlucky."""

_zoo_objective = ExperimentManager.objective
_zoo_search = ExperimentManager.hyperparameters_optimization


def install() -> None:
    """Let a trial whose parts do not go together end alone, and say why where none is left."""
    ExperimentManager.objective = _objective
    ExperimentManager.hyperparameters_optimization = _search


class _Trial(int):
    """A trial's number, of which RL-Zoo does not take 0 for none."""

    def __bool__(self) -> bool:
        return True


def take_trial(manager: Any) -> None:
    """
    Have ``--trial-id`` count, which RL-Zoo leaves out without a word where it is 0, or where
    another option is missing.

    :param manager: RL-Zoo's ``ExperimentManager``
    :raises Sb3ScaleError: if there is no study that the trial could be of
    """
    number = manager.trial_id
    if number is None:
        return
    for option, value in (("--storage", manager.storage), ("--study-name", manager.study_name)):
        if not value:
            raise Sb3ScaleError(
                f"--trial-id is {number}, and {option} is missing; allowed: with --storage and "
                "--study-name"
            )
    if manager.storage.endswith(".log") and not Path(manager.storage).is_file():
        raise Sb3ScaleError(
            f"--storage is {shown(manager.storage)}, and there is no such file; allowed: that of "
            "a search"
        )
    manager.trial_id = _Trial(number)


@wraps(_zoo_objective)
def _objective(self: Any, trial: optuna.Trial) -> Any:
    try:
        return _zoo_objective(self, trial)
    except StudyError:
        raise
    except Sb3ScaleError as error:
        self.last_refusal = str(error)
        notice(f"trial {trial.number} is left out: {error}")
        raise optuna.TrialPruned from error


@wraps(_zoo_search)
def _search(self: Any) -> None:
    if self.storage is not None:
        _check_storage(self.storage)
    seed = self.seed
    for attempt in range(ATTEMPTS):
        # The same seed would choose the same.
        self.seed, self.last_refusal = seed + attempt, None
        try:
            _zoo_search(self)
            return
        except ValueError as error:
            if self.last_refusal is None or isinstance(error, Sb3ScaleError):
                raise
        finally:
            self.seed = seed
    raise Sb3ScaleError(f"no trial was completed; the last: {self.last_refusal}")


def _check_storage(storage: str) -> None:
    try:
        if storage.endswith(".log"):
            make_folder(Path(storage).parent)
            JournalStorage(JournalFileBackend(storage))
        else:
            get_storage(storage)
    # The database's driver may raise anything.
    except Exception as error:
        reason = str(error).partition("\n")[0] or "no reason given"
        raise Sb3ScaleError(
            f"--storage {shown(storage)} cannot be opened: {type(error).__name__}: {reason:.300}; "
            "allowed: FILE.log, sqlite:///FILE.db, or the URL of a database whose driver is "
            "installed"
        ) from error
