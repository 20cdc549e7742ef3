"""Episodes of the present policy, and the returns that they give."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.action_spaces import has_whole_actions
from sb3_scale.collection.episodes import FloatArray


@dataclass
class Episode:
    """
    ``t`` steps from a reset.

    :param features: of the observations, ``(t, features_dim)``
    :param actions: as the replay buffer has them, ``(t, action_dim)``
    :param rewards: in units of the critic, ``(t,)``
    :param bonuses: ``-alpha log pi(a | s)`` where the critic's target has it, else 0, ``(t,)``
    :param terminated: whether the episode ended, rather than was cut
    """

    features: th.Tensor
    actions: th.Tensor
    rewards: FloatArray
    bonuses: FloatArray
    terminated: bool


@th.no_grad()
def episode(model: Any, env: VecEnv, max_steps: int) -> Episode:
    """
    Act from a reset as the policy that the critic evaluates: sampled actions of a stochastic actor,
    no noise or policy for exploration.

    :param model: the algorithm
    :param env: a vector of one environment
    :param max_steps: after which the episode is cut
    :return: the episode
    """
    policy = model.policy
    objective = model.training.objective
    features: list[th.Tensor] = []
    actions: list[th.Tensor] = []
    bonuses: list[th.Tensor] = []
    rewards: list[float] = []
    observation = env.reset()
    done = np.array([False])
    while not done[0] and len(rewards) < max_steps:
        seen = policy.features(policy.obs_to_tensor(observation)[0])
        read = policy.actor_inputs(seen)
        if policy.actor.stochastic:
            action, log_prob = policy.actor.action_log_prob(read)
            bonus = objective.bonus(log_prob)
            bonuses.append(th.zeros_like(log_prob) if bonus is None else bonus)
        else:
            action = policy.actor(read)
            bonuses.append(th.zeros(1))
        action = policy.action_code.to_environment(action)
        taken = action.cpu().numpy().reshape(-1, *policy.action_space.shape)
        played = policy.unscale_action(taken)
        if has_whole_actions(policy.action_space):
            # What is judged is what was played, rounded.
            action = th.as_tensor(policy.scale_action(played)).reshape(action.shape).to(action)
        observation, reward, done, infos = env.step(played)
        features.append(seen)
        actions.append(action)
        rewards.append(float(policy.scaled_rewards(reward[0])))
    return Episode(
        th.cat(features),
        th.cat(actions),
        np.array(rewards),
        th.cat(bonuses).flatten().double().cpu().numpy(),
        bool(done[0]) and not infos[0].get("TimeLimit.truncated", False),
    )
