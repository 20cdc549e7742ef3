"""Optuna's search space over our parts: network, width, depth, norm and learning rate."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.notices import notice
from sb3_scale.parts import parameters
from sb3_scale.plugins import manager

if TYPE_CHECKING:
    import optuna

WIDTHS = [128, 256, 512]
DEPTHS = (2, 4)
NAMES = {"learning_rate", "network", "width", "depth", "norm"}


class StudyError(Sb3ScaleError):
    """What ends a search, and not one of its trials."""


def sample(
    trial: "optuna.Trial",
    n_actions: int,
    n_envs: int,
    additional_args: dict[str, Any],
    base: Mapping[str, Any],
    rates: Sequence[str] = (),
) -> dict[str, Any]:
    """
    Sample settings, with the signature that RL-Zoo calls.

    :param trial: of the study
    :param n_actions: without use
    :param n_envs: without use
    :param additional_args: without use
    :param base: ``policy_kwargs`` of the task in the YAML file, with actor and critic
    :param rates: names of those that parts have of their own
    :return: learning rate and policy arguments
    :raises StudyError: if the study began with other parameters, or with parts that are missing
    """
    begun = _begun(trial.study)
    networks = _choices("network", _networks(), begun)
    norms = ["none", *sorted(spec.name for _, spec in manager().specs("norm"))]
    trial.suggest_float("learning_rate", 1e-5, 2e-3, log=True)
    trial.suggest_categorical("network", networks)
    trial.suggest_categorical("width", WIDTHS)
    trial.suggest_int("depth", *DEPTHS)
    trial.suggest_categorical("norm", _choices("norm", norms, begun))
    return convert(trial.params, base=base, rates=rates)


def _begun(study: "optuna.Study") -> Mapping[str, Any]:
    """The search space that a stored study began with, by name; nothing for a new one."""
    for trial in study.get_trials(deepcopy=False):
        space: dict[str, Any] = trial.distributions
        if others := space.keys() - NAMES:
            raise StudyError(
                f"the study '{study.study_name}' searches over {', '.join(sorted(others))}: it "
                "began with another policy; allowed: another --study-name"
            )
        # Trials of other processes may still be choosing.
        if space.keys() == NAMES:
            return space
    return {}


def _choices(name: str, present: list[str], begun: Mapping[str, Any]) -> list[str]:
    """Optuna wants the choices that a study began with, whatever was installed since."""
    if not begun:
        return present
    choices = list(begun[name].choices)
    for missing in set(choices) - set(present):
        raise StudyError(
            f"the study searches over {name} '{missing}', which no plugin has now; allowed: the "
            "plugins that it began with, or another --study-name"
        )
    return choices


def convert(
    params: Mapping[str, Any], base: Mapping[str, Any], rates: Sequence[str] = ()
) -> dict[str, Any]:
    """
    Turn the parameters of a trial into settings.

    :param params: what :func:`sample` suggested
    :param base: ``policy_kwargs`` of the task, whose other parts stay
    :param rates: names of those that parts have of their own, for which the trial's counts
    :return: learning rate and policy arguments
    """
    network: dict[str, Any] = {
        "name": params["network"],
        "width": params["width"],
        "depth": params["depth"],
        "norm": None if params["norm"] == "none" else params["norm"],
    }
    policy_kwargs = deepcopy(dict(base))
    for part in ("actor", "critic"):
        config = policy_kwargs[part]
        if isinstance(config, str):
            config = {"name": config}
        policy_kwargs[part] = {**config, "network": dict(network)}
    return {
        **dict.fromkeys(rates),
        "learning_rate": params["learning_rate"],
        "policy_kwargs": policy_kwargs,
    }


def _networks() -> list[str]:
    """Networks that have the parameters of the search space; one that fails stops no other."""
    found = []
    for _, spec in manager().specs("network"):
        try:
            known = parameters(spec)
        except Sb3ScaleError as error:
            notice(f"left out of the search: {error}")
            continue
        if {"width", "depth", "norm"} <= known.keys():
            found.append(spec.name)
    return found
