"""How far a collector's critic is from its targets: the first priorities of what it collects."""

from typing import Any

import numpy as np
import torch as th
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.learning.actor_critic import ActorCritic
from sb3_scale.learning.batch import Batch, Step
from sb3_scale_apex.fragments import Fragment
from sb3_scale_apex.weights import Networks


@th.no_grad()
def first_priorities(
    networks: Networks,
    fragment: Fragment,
    normalize: VecNormalize | None,
    n_steps: int,
    gamma: float,
) -> NDArray[np.float64]:
    """
    Source: Horgan et al., "Distributed Prioritized Experience Replay", 2018, section 3: actors
    compute priorities for what they send with their own copy of the networks. Returns over several
    steps end where the fragment does.

    :param networks: the collector's copy
    :param fragment: what it collected
    :param normalize: how the networks see observations and rewards, if not as they are
    :param n_steps: of the returns
    :param gamma: discount of a step
    :return: ``|error|``, ``(T, E)``
    """
    rewards = fragment.rewards.astype(np.float32)
    following = fragment.next_observations(0, fragment.steps)
    observations = fragment.observations[:-1]
    if normalize is not None:
        rewards = normalize.normalize_reward(rewards)
        observations = np.asarray(normalize.normalize_obs(observations))
        following = np.asarray(normalize.normalize_obs(following))
    returns, discounts, last = returns_of(fragment, rewards, n_steps, gamma)
    envs = np.arange(fragment.envs)
    batch = Batch(
        _flat(observations),
        _flat(following[last, envs]),
        _flat(fragment.actions),
        _flat(returns[..., None]),
        _flat(discounts[..., None]),
    )
    step = Step(batch)
    outputs, target = ActorCritic(networks.policy, networks.objective).outputs_and_target(step)
    errors = networks.policy.critic.td_errors(outputs, target)
    # A transform may have given several copies of each transition.
    errors = errors.view(step.batch.copies, -1).mean(0)
    found: NDArray[np.float64] = errors.abs().double().numpy()
    return found.reshape(fragment.rewards.shape)


def _flat(array: NDArray[Any]) -> th.Tensor:
    """All transitions in one axis."""
    return th.as_tensor(np.ascontiguousarray(array.reshape(-1, *array.shape[2:])))


def returns_of(
    fragment: Fragment, rewards: NDArray[np.float32], n_steps: int, gamma: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """
    :param fragment: with the ends of episodes
    :param rewards: ``(T, E)``
    :param n_steps: at most
    :param gamma: discount of a step
    :return: sums of discounted rewards, discounts of what follows them, and the decision that they
        end with, all ``(T, E)``
    """
    terminated = fragment.dones & ~fragment.timeouts
    steps, envs = rewards.shape
    returns = np.zeros((steps, envs), np.float32)
    discounts = np.ones((steps, envs), np.float32)
    last = np.tile(np.arange(steps)[:, None], (1, envs))
    goes_on = np.ones((steps, envs), bool)
    for ahead in range(n_steps):
        at = np.arange(steps)[:, None] + ahead
        goes_on &= at < steps
        at = np.minimum(at, steps - 1)
        each = (at, np.arange(envs))
        returns += goes_on * discounts * rewards[each]
        last = np.where(goes_on, at, last)
        discounts *= np.where(goes_on, gamma * ~terminated[each], 1).astype(np.float32)
        goes_on &= ~fragment.dones[each]
    return returns, discounts, last
