"""Actor and critic as users of Stable-Baselines3 call them: on observations."""

from typing import Any

import torch as th
from stable_baselines3.common.policies import BaseModel, BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import nn

from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.policies import ScalePolicy, float32

INSTEAD = {
    "mu": "get_action_dist_params(obs)",
    "log_std": "get_action_dist_params(obs)",
    "latent_pi": "'network' of model.policy.actor",
    "action_dist": "action_log_prob(obs)",
    "get_std": "get_action_dist_params(obs)",
    "reset_noise": "an action_noise of the algorithm",
    "q_networks": "model.critic(obs, actions), a tuple with one tensor per critic",
    "net_arch": "model.policy.parts",
}
"""What stands here for attributes of Stable-Baselines3's networks."""


class _View:
    """Of a part: what it does not have itself is the part's."""

    part: Any

    @property
    def optimizer(self) -> th.optim.Optimizer:
        """Of the part; another one is taken at the next ``train`` call."""
        found: th.optim.Optimizer = self.part.optimizer
        return found

    @optimizer.setter
    def optimizer(self, optimizer: th.optim.Optimizer) -> None:
        self.part.optimizer = optimizer

    def __getattr__(self, name: str) -> Any:
        try:
            return nn.Module.__getattr__(self, name)  # type: ignore[arg-type]
        except AttributeError:
            if name == "part":
                raise
        try:
            return getattr(self.part, name)
        except AttributeError:
            kind = type(self.part).__name__
            instead = f"; allowed instead: {INSTEAD[name]}" if name in INSTEAD else ""
            raise AttributeError(f"{kind} has no attribute '{name}'{instead}") from None

    def save(self, path: str) -> None:
        """
        :param path: where Stable-Baselines3 would write it
        :raises Sb3ScaleError: always; it shares its networks with the policy
        """
        raise _saved_with_the_policy(path)

    @classmethod
    def load(cls, path: str, device: th.device | str = "auto") -> Any:
        """
        :param path: where Stable-Baselines3 would look for it
        :param device: for it
        :raises Sb3ScaleError: always; see :meth:`save`
        """
        raise _saved_with_the_policy(path)

    def set_training_mode(self, mode: bool) -> None:
        """
        Remember the mode; each forward pass is told its own.

        :param mode: whether it is being trained
        """
        self.training = mode


def _saved_with_the_policy(path: str) -> Sb3ScaleError:
    return Sb3ScaleError(
        f"the path is {shown(path)}, and actor and critic are saved with their policy; allowed: "
        "model.policy.save(path) and ScalePolicy.load(path), whose own forward gives actions, "
        "model.save(path), or sb3-scale export"
    )


class ActorView(_View, BasePolicy):
    """
    ``model.actor``: a ScalePolicy's actor with the methods of Stable-Baselines3's ``Actor``.

    It shares extractor and actor with the policy. ``model.policy.actor`` is the part itself, which
    takes features.

    :param policy: whose spaces it has
    :param extractor: of the policy, or its target
    :param part: the actor, or its target
    """

    def __init__(self, policy: ScalePolicy, extractor: nn.Module, part: nn.Module) -> None:
        super().__init__(
            policy.observation_space,
            policy.action_space,
            features_extractor=extractor,
            normalize_images=policy.normalize_images,
            squash_output=policy.squash_output,
        )
        self.part = part
        self.prepare = policy.prepare
        self.code = policy.action_code

    def forward(self, obs: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        """
        :param obs: observations, batch first, as the replay buffer gives them
        :param deterministic: whether to return the mode instead of a sample
        :return: actions in [-1, 1], shape ``(batch, action_dim)``, or discrete ones as the
            environment has them
        """
        actions: th.Tensor = self.part(self._features(obs), deterministic)
        taken: th.Tensor = self.code.to_environment(actions)
        return taken

    def action_log_prob(self, obs: PyTorchObs) -> tuple[th.Tensor, th.Tensor]:
        """
        :param obs: observations, batch first
        :return: actions ``(batch, action_dim)`` and log-probabilities ``(batch,)``; stochastic
            actors only
        """
        actions, log_prob = self.part.action_log_prob(self._features(obs))
        return self.code.to_environment(actions), log_prob.squeeze(-1)

    def log_probs(self, obs: PyTorchObs) -> th.Tensor:
        """
        :param obs: observations, batch first
        :return: logarithms of the probabilities of all joint actions, ``(batch, n_actions)``;
            actors over discrete actions only
        """
        found: th.Tensor = self.part.log_probs(self._features(obs))
        return found

    def get_action_dist_params(
        self, obs: PyTorchObs
    ) -> tuple[th.Tensor, th.Tensor, dict[str, th.Tensor]]:
        """
        :param obs: observations, batch first
        :return: mean and log standard deviation before tanh, ``(batch, action_dim)`` each, and
            nothing else; actors that are one Gaussian only
        """
        mean, log_std = self.part.distribution(self._features(obs))
        return mean, log_std, {}

    def _features(self, obs: PyTorchObs) -> th.Tensor:
        extractor: Any = self.features_extractor
        return float32(extractor.actor_features(self.prepare(obs)))

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        return self.forward(observation, deterministic)


class CriticView(_View, BaseModel):
    """
    ``model.critic``: a ScalePolicy's critic with the methods of Stable-Baselines3's
    ``ContinuousCritic``.

    It shares extractor and critic with the policy. ``model.policy.critic`` is the part itself,
    which takes features and gives the raw outputs of all members.

    :param policy: whose spaces it has
    :param extractor: of the policy, or its target
    :param part: the critic, or its target
    """

    def __init__(self, policy: ScalePolicy, extractor: nn.Module, part: nn.Module) -> None:
        super().__init__(
            policy.observation_space,
            policy.action_space,
            features_extractor=extractor,  # type: ignore[arg-type]
            normalize_images=policy.normalize_images,
        )
        self.part = part
        self.prepare = policy.prepare
        self.code = policy.action_code

    def forward(self, obs: PyTorchObs, actions: th.Tensor) -> tuple[th.Tensor, ...]:
        """
        :param obs: observations, batch first, as the replay buffer gives them
        :param actions: in [-1, 1], or discrete, as the replay buffer has them, shape ``(batch,
            action_dim)``
        :return: the expected return of each member, shape ``(batch, 1)`` each
        """
        read = self.code.critic_inputs(self.features_extractor, self._features(obs), actions)
        return tuple(self.part.mean(self.part(*read)).unbind())

    def action_values(self, obs: PyTorchObs) -> tuple[th.Tensor, ...]:
        """
        :param obs: observations, batch first
        :return: the expected returns of all joint actions by each member, shape ``(batch,
            n_actions)`` each; critics of discrete actions only
        """
        code: Any = self.code
        outputs = self.part.all_outputs(
            code.critic_features(self.features_extractor, self._features(obs))
        )
        means = self.part.mean(outputs.flatten(1, 2))
        return tuple(means.view(outputs.shape[:3]).unbind())

    def q1_forward(self, obs: PyTorchObs, actions: th.Tensor) -> th.Tensor:
        """
        :param obs: observations, batch first
        :param actions: in [-1, 1], or discrete, as the replay buffer has them, shape ``(batch,
            action_dim)``
        :return: the expected return of the first member, shape ``(batch, 1)``
        """
        return self(obs, actions)[0]  # type: ignore[no-any-return]

    def _features(self, obs: PyTorchObs) -> th.Tensor:
        extractor: Any = self.features_extractor
        return float32(extractor(self.prepare(obs)))


def views(policy: ScalePolicy) -> dict[str, ActorView | CriticView]:
    """
    :param policy: of an algorithm
    :return: what stands in the place of Stable-Baselines3's aliases of actor, critic and their
        targets; a part without a target is its own
    """
    actor = ActorView(policy, policy.extractor, policy.actor)
    critic = CriticView(policy, policy.extractor, policy.critic)
    targets: tuple[Any, Any] = policy.extractor_target, policy.actor_target
    own = policy.actor_target is not policy.actor
    actor_target = ActorView(policy, *targets) if own else actor
    own = policy.critic_target is not policy.critic
    critic_target = (
        CriticView(policy, policy.extractor_target, policy.critic_target) if own else critic
    )
    return {
        "actor": actor,
        "critic": critic,
        "actor_target": actor_target,
        "critic_target": critic_target,
    }
