"""Trials of RL-Zoo's search that cannot be made."""

from functools import wraps
from typing import Any

import optuna
from rl_zoo3.exp_manager import ExperimentManager

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.notices import notice
from sb3_scale.zoo.samplers import StudyError

_zoo_objective = ExperimentManager.objective
_zoo_search = ExperimentManager.hyperparameters_optimization


def install() -> None:
    """Let a trial whose parts do not go together end alone, and say why where none is left."""
    ExperimentManager.objective = _objective
    ExperimentManager.hyperparameters_optimization = _search


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
    self.last_refusal = None
    try:
        _zoo_search(self)
    except ValueError as error:
        if self.last_refusal is None or isinstance(error, Sb3ScaleError):
            raise
        raise Sb3ScaleError(f"no trial was completed; the last: {self.last_refusal}") from error
