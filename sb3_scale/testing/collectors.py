"""Checks of collectors."""

from sb3_scale.testing.part_under_test import Subject
from sb3_scale.testing.training import STARTS, STEPS, check_saved, construct


def check_collector(subject: Subject) -> None:
    """
    Two short trainings in a row, which begin and stop the collector twice.

    :param subject: a collector
    :raises AssertionError: if environment steps or gradient steps are missing, or too many
    """
    part = {"name": subject.spec.name, **subject.params}
    model = construct(subject, "sac", collector=part)
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
    subject.require(model.replay_buffer.size() == 2 * STEPS, "has not stored every transition")
    check_saved(subject, model)
