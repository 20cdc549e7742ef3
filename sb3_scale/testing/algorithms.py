"""Checks of algorithms."""

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_scale.parts import load_target
from sb3_scale.testing.part_under_test import Subject
from sb3_scale.testing.training import check_saved


def check_algorithm(subject: Subject) -> None:
    """
    :param subject: an algorithm
    :raises AssertionError: if it is none of Stable-Baselines3, or cannot train
    """
    algorithm = load_target(subject.spec)
    subject.require(
        isinstance(algorithm, type) and issubclass(algorithm, BaseAlgorithm),
        "is no class derived from stable_baselines3.common.base_class.BaseAlgorithm",
    )
    policy = "ScalePolicy" if "ScalePolicy" in algorithm.policy_aliases else "MlpPolicy"
    model = subject.call(
        "its constructor", algorithm, policy, subject.env, seed=0, device="cpu", **subject.params
    )
    # More than 100, where off-policy algorithms begin to learn.
    subject.call("150 steps of training", model.learn, 150)
    check_saved(subject, model)
