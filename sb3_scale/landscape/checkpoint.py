"""A trained critic and the data that its loss is computed on."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch as th
from torch import nn

from sb3_scale.diagnostics.randomness import own_random_numbers
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.learning.batch import Step
from sb3_scale.nn.linear import fold_scales
from sb3_scale.runs import read_run
from sb3_scale.saved_statistics import REPLAY_BUFFER, STATISTICS, statistics_of
from sb3_scale.trained import load_model
from sb3_scale.trust.commands import for_a_command
from sb3_scale.trust.files import read_vec_normalize


@dataclass(frozen=True)
class Problem:
    """
    A loss of one network's weights; ``b`` transitions.

    :param critic: without a constraint that acts in the forward pass
    :param features: what the critic reads, ``(b, width)``
    :param actions: likewise, ``(b, action_dim)``
    :param target: of each transition, fixed, ``(b, n_outputs)`` or ``(n_critics, b, n_outputs)``
    :param loss: from the critic's outputs and their target to a scalar
    :param title: of the run
    """

    critic: nn.Module
    features: th.Tensor
    actions: th.Tensor
    target: th.Tensor
    loss: Any
    title: str


def load_problem(
    folder: Path, model_file: Path | None, transitions: int, seed: int, trust: bool = False
) -> Problem:
    """
    Load a run of RL-Zoo and compute the targets of stored transitions once, with its target
    networks (Ota et al., 2021, appendix A.3).

    :param folder: of the run, for instance ``logs/sac/dog-run_1``
    :param model_file: a checkpoint, by default the model at the end of the training
    :param transitions: how many to draw
    :param seed: of the draw, and of the actions in the targets, below ``2^32``
    :param trust: whether to run what is pickled in the model and the replay buffer
    :return: the problem
    :raises Sb3ScaleError: if the run, its model, the package of a part, the replay buffer or the
        statistics that it learned with are missing, the policy is no ``ScalePolicy``, there is no
        transition to draw, or a number is out of its range
    """
    if transitions < 1:
        raise Sb3ScaleError(f"transitions is {transitions}; allowed: at least 1")
    if not 0 <= seed < 2**32:
        raise Sb3ScaleError(f"seed is {seed}; allowed: 0 to {2**32 - 1}")
    run = read_run(folder)
    path = model_file or folder / f"{run.env_name}.zip"
    model = load_model(run.algo, path, trust)
    _give_transitions(model, folder, trust)
    _give_statistics(model, path, folder / run.env_name)
    with own_random_numbers(seed, model.device), th.no_grad():
        policy, training = model.policy, model.training
        step = Step(model.sample(transitions))
        _, target = training.actor_critic.outputs_and_target(step)
        # The features are those of the first copy, where a transform makes several.
        target = target[..., : len(step.batch), :]
        features, actions = policy.action_code.critic_inputs(
            policy.extractor, step.features, step.batch.actions
        )
        critic = policy.critic
        fold_scales(critic)
        loss = partial(training.objective.critic_loss, policy)
    title = f"{run.algo} on {run.env_id}, seed {run.seed}, {model.num_timesteps:,} decisions"
    return Problem(critic, features, actions, target, loss, title)


def _give_transitions(model: Any, folder: Path, trust: bool) -> None:
    stored = folder / REPLAY_BUFFER
    if not stored.is_file():
        raise Sb3ScaleError(
            f"'{folder}' has no {REPLAY_BUFFER}, and the loss is one of stored transitions; "
            "train with --save-replay-buffer"
        )
    with for_a_command():
        model.load_replay_buffer(stored, trust=trust)
    if model.replay_buffer.size() == 0:
        raise Sb3ScaleError(f"'{stored}' has no transitions, and the loss is one of them")


def _give_statistics(model: Any, path: Path, settings: Path) -> None:
    statistics = statistics_of(path, settings)
    if statistics is not None:
        model._vec_normalize_env = read_vec_normalize(statistics)
    elif model.saw_normalized:
        raise Sb3ScaleError(
            f"'{settings.parent}' has no {settings.name}/{STATISTICS}, and the model learned from "
            "normalised observations; allowed: a folder with the statistics of its run"
        )
