"""Checks of replay buffers with hindsight."""

import pickle
from dataclasses import replace
from typing import Any

from stable_baselines3.common.envs import BitFlippingEnv
from torch import equal, where

from sb3_scale.testing.part_under_test import BATCH, Subject
from sb3_scale.testing.training import STEPS, check_saved, construct

ACTIONS = 5


def check_hindsight(subject: Subject) -> None:
    """
    :param subject: a replay buffer whose observations have goals
    :raises AssertionError: if no algorithm trains with it, or it gives other goals than those that
        were reached
    """
    subject = replace(subject, env=BitFlippingEnv(ACTIONS, continuous=True))
    params = dict(subject.params)
    name = subject.spec.name
    model = construct(subject, "sac", replay_buffer_class=name, replay_buffer_kwargs=params)
    subject.call(f"{STEPS} steps of training", model.learn, STEPS)
    again = subject.call("pickle", lambda: pickle.loads(pickle.dumps(model.replay_buffer)))
    again.env = model.env
    for buffer in (model.replay_buffer, again):
        batch = subject.call("sample", buffer.sample, BATCH)
        subject.tensor("'actions' of sample", batch.actions, (BATCH, ACTIONS))
        subject.tensor("'rewards' of sample", batch.rewards, (BATCH, 1))
        reached = (
            batch.next_observations["achieved_goal"] == batch.observations["desired_goal"]
        ).all(1)
        subject.require(
            bool((reached == (batch.rewards[:, 0] == 0)).all()),
            "gives rewards that are not those of the goals in 'observations'",
        )
        _check_next(subject, batch)
    check_saved(subject, model)


def _check_next(subject: Subject, batch: Any) -> None:
    """An action flips the bits where it is above zero."""
    if getattr(batch, "discounts", None) is not None:
        # Returns of several steps are another matter.
        return
    bits = batch.observations["observation"]
    flipped = where(batch.actions > 0, 1 - bits, bits)
    subject.require(
        equal(batch.next_observations["observation"], flipped),
        "gives another next observation than followed",
    )
