"""Checks of callbacks."""

from stable_baselines3.common.callbacks import BaseCallback

from sb3_scale.parts import build
from sb3_scale.testing.part_under_test import Subject
from sb3_scale.testing.training import STEPS, make_model


def check_callback(subject: Subject) -> None:
    """
    :param subject: a callback
    :raises AssertionError: if it is none of Stable-Baselines3, or fails in a short training
    """
    callback = build("callback", {"name": subject.spec.name, **subject.params})
    subject.require(isinstance(callback, BaseCallback), "is no BaseCallback of Stable-Baselines3")
    model = make_model(subject)
    subject.call("training", model.learn, STEPS, callback)
