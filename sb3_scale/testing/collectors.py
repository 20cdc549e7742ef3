"""Checks of collectors."""

from dataclasses import replace
from typing import Any

from sb3_scale.parts import build
from sb3_scale.testing.part_under_test import Subject
from sb3_scale.testing.told_steps import ToldSteps
from sb3_scale.testing.told_transitions import check_told
from sb3_scale.testing.training import STARTS, STEPS, check_saved, construct


def check_collector(subject: Subject) -> None:
    """
    Two short trainings in a row, which begin and stop the collector twice.

    :param subject: a collector
    :raises AssertionError: if environment steps or gradient steps are missing, or too many, or what
        is stored is not what happened
    """
    subject = replace(subject, env=ToldSteps())
    part = {"name": subject.spec.name, **subject.params}
    collector = subject.call("its constructor", build, "collector", part)
    n_envs = subject.call("count_environments(None)", collector.count_environments, None)
    model = construct(subject, "sac", n_envs, gradient_steps=n_envs, collector=part)
    # Steps are taken in all environments at once.
    length = -(-STEPS // n_envs) * n_envs
    streams = model.replay_buffer.streams
    _learn(subject, model, length, 1)
    cut = streams.written.copy()
    _learn(subject, model, length, 2)
    stored = int(streams.written.sum())
    subject.require(
        stored == 2 * length, f"has stored {stored} transitions, and has taken {2 * length}"
    )
    check_told(subject, model.replay_buffer, cut)
    check_saved(subject, model)


def _learn(subject: Subject, model: Any, length: int, training: int) -> None:
    first = training == 1
    subject.call(f"{length} steps of training", model.learn, length, reset_num_timesteps=first)
    steps = training * length
    updates = steps - STARTS // model.n_envs * model.n_envs
    subject.require(
        model.num_timesteps == steps,
        f"has taken {model.num_timesteps} steps of the environment, and not {steps}",
    )
    subject.require(
        model._n_updates == updates,
        f"has taken {model._n_updates} gradient steps when learn ends, and not {updates}",
    )
