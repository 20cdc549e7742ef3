"""Checks of collectors."""

from sb3_scale.parts import build
from sb3_scale.testing.part_under_test import Subject
from sb3_scale.testing.training import STARTS, STEPS, check_saved, construct


def check_collector(subject: Subject) -> None:
    """
    Two short trainings in a row, which begin and stop the collector twice.

    :param subject: a collector
    :raises AssertionError: if environment steps or gradient steps are missing, or too many
    """
    part = {"name": subject.spec.name, **subject.params}
    collector = subject.call("its constructor", build, "collector", part)
    n_envs = subject.call("count_environments(None)", collector.count_environments, None)
    model = construct(subject, "sac", n_envs, gradient_steps=n_envs, collector=part)
    for training in (1, 2):
        subject.call(
            f"{STEPS} steps of training", model.learn, STEPS, reset_num_timesteps=training == 1
        )
        steps, updates = training * STEPS, training * STEPS - STARTS
        subject.require(
            model.num_timesteps == steps,
            f"has taken {model.num_timesteps} steps of the environment, and not {steps}",
        )
        subject.require(
            model._n_updates == updates,
            f"has taken {model._n_updates} gradient steps when learn ends, and not {updates}",
        )
    stored = model.replay_buffer.streams.stored
    subject.require(
        stored == 2 * STEPS,
        f"has stored {stored} transitions, and has taken {2 * STEPS}",
    )
    check_saved(subject, model)
