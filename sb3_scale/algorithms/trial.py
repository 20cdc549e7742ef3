"""A trial step with two made-up transitions, which leaves no trace: parts that fail do so here."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from torch import nn

from sb3_scale.actions import is_discrete
from sb3_scale.algorithms.contracts import BATCH, check_constraint, check_optimizer, watch
from sb3_scale.built import Built
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.generators import kept_generators
from sb3_scale.guard import told
from sb3_scale.learning.batch import Batch, Step, Transitions
from sb3_scale.learning.update import Learner


def try_parts(policy: Any, learners: Iterable[Learner], parts: Iterable[Built]) -> None:
    """
    Act, and compute the loss of each learner, before anything is trained.

    :param policy: a ScalePolicy on its device
    :param learners: in the order of a gradient step
    :param parts: of the policy, by whose names faults are told
    :raises Sb3ScaleError: if a part does not give what its kind must
    """
    learners = list(learners)
    modules = [policy, *(module for each in learners for module in each.modules.values())]
    with _no_trace(modules):
        for made in parts:
            if made.kind == "optimizer":
                check_optimizer(made)
            elif made.kind == "constraint":
                check_constraint(made)
            watch(made)
        batch = _made_up(policy)
        with th.no_grad():
            _act(policy, batch)
        step = Step(batch)
        for learner in learners:
            _try_loss(learner, step)


def _act(policy: Any, batch: Batch) -> None:
    """In evaluation, as in the environment and in the copies that serve as targets."""
    for deterministic in (True, False):
        actions = policy(batch.observations, deterministic)
        if not is_discrete(policy.action_space) and not bool((actions.abs() <= 1).all()):
            raise Sb3ScaleError(
                f"actor {policy.parts['actor']!r} gives the action {float(actions.abs().max()):.3g}"
                "; allowed: -1 to 1"
            )
    features = policy.features(batch.observations)
    if policy.actor.stochastic:
        policy.actor.action_log_prob(policy.actor_inputs(features))
    policy.critic_outputs(features, batch.actions)


def _try_loss(learner: Learner, step: Step) -> None:
    try:
        loss, _ = learner.loss(step)
    except (Sb3ScaleError, KeyboardInterrupt):
        raise
    # A learner is a stranger's, too.
    except BaseException as error:
        raise Sb3ScaleError(f"the loss of learner '{learner.name}' fails: {told(error)}") from error
    one = isinstance(loss, th.Tensor) and loss.numel() == 1
    if not one or not bool(loss.isfinite()):
        found = f"is {loss.item()}" if one else "is no single number"
        raise Sb3ScaleError(
            f"the loss of learner '{learner.name}' {found}; allowed: a tensor of one finite number"
        )
    trained = any(parameter.requires_grad for parameter in learner.parameters)
    if trained and not loss.requires_grad:
        raise Sb3ScaleError(
            f"the loss of learner '{learner.name}' has no gradient; allowed: one that depends on "
            "the parameters of its optimiser"
        )


def _made_up(policy: Any) -> Batch:
    generator = np.random.default_rng(0)
    space = deepcopy(policy.observation_space)
    space.seed(0)
    observations, next_observations = (
        policy.obs_to_tensor(_stacked(space, [space.sample() for _ in range(BATCH)]))[0]
        for _ in range(2)
    )

    def tensor(width: int) -> th.Tensor:
        numbers = generator.uniform(-1, 1, (BATCH, width)).astype(np.float32)
        return th.as_tensor(numbers, device=policy.device)

    if is_discrete(policy.action_space):
        choices = th.arange(BATCH, device=policy.device) % policy.action_code.dim
        actions = policy.action_code.to_environment(choices[:, None])
    else:
        actions = tensor(policy.action_code.dim)
    rewards = tensor(1)
    return Batch(
        observations,
        next_observations,
        actions,
        rewards,
        discounts=th.full_like(rewards, 0.99),
        importance_weights=th.ones_like(rewards),
        transitions=Transitions(observations, actions, next_observations),
    )


def _stacked(space: spaces.Space[Any], samples: list[Any]) -> Any:
    if isinstance(space, spaces.Dict):
        return {
            key: _stacked(each, [sample[key] for sample in samples])
            for key, each in space.spaces.items()
        }
    stacked = np.stack(samples)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        # Bounds may be as far apart as float32 goes, where no network gives finite numbers.
        low, high = space.low, space.high
        return stacked.clip(
            np.maximum(low, np.minimum(-1, high)), np.minimum(high, np.maximum(1, low))
        )
    return stacked


@contextmanager
def _no_trace(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Put back the attributes of modules, their buffers and the global random generators."""
    every = {id(each): each for module in modules for each in module.modules()}.values()
    attributes = [(dict(vars(each)), dict(each._buffers)) for each in every]
    values = [(buffer, buffer.clone()) for each in every for buffer in each.buffers(recurse=False)]
    try:
        with kept_generators():
            # Of the processor alone: seeding all devices costs a millisecond.
            th.default_generator.manual_seed(0)
            yield
    finally:
        for each, (variables, buffers) in zip(every, attributes, strict=True):
            _put_back(vars(each), variables)
            _put_back(each._buffers, buffers)
        with th.no_grad():
            for buffer, value in values:
                buffer.copy_(value)


def _put_back(now: dict[str, Any], before: dict[str, Any]) -> None:
    for name in now.keys() - before.keys():
        del now[name]
    for name, value in before.items():
        if now.get(name) is not value:
            now[name] = value
