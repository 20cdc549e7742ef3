"""What collectors, callbacks and the other parts beside the policy must be."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from torch import nn

if TYPE_CHECKING:
    import numpy as np
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
    from stable_baselines3.common.type_aliases import ReplayBufferSamples, RolloutReturn
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize
    from torch.optim import Optimizer as TorchOptimizer

    from sb3_scale.learning.batch import Batch


class Transform(Protocol):
    """
    Changes a batch before the learners see it, inside the compiled function. A module, made as
    ``Transform(**params)``; :class:`sb3_scale.learning.transforms.Transform` has all but
    ``forward``.
    """

    scales_rewards: ClassVar[bool]
    """Whether rewards leave it in other units, which no second one may change again."""

    def forward(self, batch: "Batch") -> "Batch":
        """
        :param batch: as it was sampled, ``s``, ``s'`` and rewards among it
        :return: what the losses see
        """

    def bind(self, gamma: float, value_range: tuple[float, float] | None) -> None:
        """
        Called before training, and anew where ``gamma`` has changed.

        :param gamma: discount of a step
        :param value_range: bounds of the critic's values, nothing where they have none
        :raises ValueError: if the transform does not go with them
        """

    def observe(
        self, rewards: "np.ndarray", dones: "np.ndarray", streams: "np.ndarray | None" = None
    ) -> None:
        """
        :param rewards: as the environments gave them, ``(k,)``
        :param dones: whether each episode ended, ``(k,)``
        :param streams: which environments, ``(k,)``; nothing for all of them, in their order
        """

    def restart(self, streams: "np.ndarray | None" = None) -> None:
        """
        Called when environments begin anew.

        :param streams: which, ``(k,)``; nothing for all of them
        """

    def scaled_rewards(self, rewards: Any) -> Any:
        """
        :param rewards: in units of the replay buffer, an array or a tensor
        :return: in units of the critic
        """


class Collector(Protocol):
    """
    Who acts in training, and when gradient steps run. Made as ``Collector(**params)``, named by the
    algorithm's argument ``collector``; :class:`sb3_scale.collection.local.LocalCollector` is one.
    """

    own_environments: ClassVar[bool]
    """Whether it acts in environments that it makes itself, like those of the algorithm."""

    def count_environments(self, n_envs: int | None) -> int:
        """
        :param n_envs: that were asked for, if any were
        :return: how many the training has
        :raises Sb3ScaleError: if it cannot have as many
        """

    def decisions_per_rollout(self, model: "OffPolicyAlgorithm") -> float:
        """
        :param model: the algorithm, within ``learn``
        :return: decisions from one ``train`` call to the next, as far as that is known
        """

    def bind(self, model: "OffPolicyAlgorithm", optimizers: "Sequence[TorchOptimizer]") -> None:
        """
        :param model: the algorithm, once its policy exists
        :param optimizers: of the policy
        """

    def start(self, model: "OffPolicyAlgorithm", callback: "BaseCallback") -> None:
        """
        :param model: the algorithm, whose ``learn`` begins
        :param callback: all callbacks of the training
        """

    def stop(self, model: "OffPolicyAlgorithm") -> None:
        """
        :param model: the algorithm, whose ``learn`` ends, however it ends
        """

    def collect(
        self, model: "OffPolicyAlgorithm", env: "VecEnv", *args: Any, **kwargs: Any
    ) -> "RolloutReturn":
        """
        :param model: the algorithm, whose ``_store_transition`` takes what is collected
        :param env: the environments
        :param args: of ``collect_rollouts`` in Stable-Baselines3, whose callbacks are called
        :param kwargs: of the same
        :return: how much was collected
        """

    def choose(
        self, predict: Callable[..., Any], observation: Any, deterministic: bool
    ) -> "tuple[np.ndarray, tuple[np.ndarray, ...] | None]":
        """
        :param predict: of the policy
        :param observation: of all environments
        :param deterministic: whether to take the mode instead of a sample
        :return: the actions of the next environment step, and the state
        """

    def update(
        self,
        model: "OffPolicyAlgorithm",
        gradient_steps: "Callable[[Iterable[Batch]], None]",
        batches: "Iterable[Batch]",
    ) -> None:
        """
        :param model: the algorithm
        :param gradient_steps: takes the gradient steps of a ``train`` call, here or later
        :param batches: one per step, each drawn when it is asked for
        """


class Optimizer(Protocol):
    """
    Makes the optimiser of one module, called as ``optimizer(module, lr, **params)``.

    The algorithm sets one learning rate for all parameter groups, as Stable-Baselines3 does.
    """

    def __call__(self, module: nn.Module, lr: float) -> "TorchOptimizer":
        """
        :param module: the actor, or the critic with its extractor
        :param lr: learning rate at the start
        :return: an optimiser over the module's parameters
        """


class ReplayBuffer(Protocol):
    """
    A ``stable_baselines3.common.buffers.ReplayBuffer``, named under ``replay_buffer_class``.

    Made by Stable-Baselines3 as ``ReplayBuffer(buffer_size, observation_space, action_space,
    device=..., n_envs=..., optimize_memory_usage=..., **params)``, with the parameters that
    ``replay_buffer_kwargs`` has.
    """

    def add(
        self,
        obs: "np.ndarray",
        next_obs: "np.ndarray",
        action: "np.ndarray",
        reward: "np.ndarray",
        done: "np.ndarray",
        infos: list[dict[str, Any]],
    ) -> None:
        """
        :param obs: ``(n_envs, *shape)``
        :param next_obs: ``(n_envs, *shape)``, the last one of the episode where ``done``
        :param action: ``(n_envs, *action shape)``
        :param reward: ``(n_envs,)``
        :param done: ``(n_envs,)``
        :param infos: of each environment
        """

    def sample(self, batch_size: int, env: "VecNormalize | None" = None) -> "ReplayBufferSamples":
        """
        :param batch_size: transitions to draw
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``batch_size`` rows on the buffer's device
        """


class Callback(Protocol):
    """
    A diagnostic or an intervention: a ``stable_baselines3.common.callbacks.BaseCallback``.

    Made as ``Callback(**params)``, by a YAML file under RL-Zoo's key ``callback`` or by the user
    for ``learn(callback=...)``. A parameter ``folder`` is the run's folder, where RL-Zoo has one.
    """


class EnvBackend(Protocol):
    """
    Makes the training environments as one ``stable_baselines3.common.vec_env.VecEnv``.

    Made as ``EnvBackend(env_id, n_envs, env_kwargs, **params)``, by a YAML file under the key
    ``env_backend``. Spaces, rewards and ends of episodes are those of ``n_envs`` times
    ``gymnasium.make(env_id, **env_kwargs)`` in a ``DummyVecEnv``, which evaluates the agent. It
    keeps the promises of that class: a finished environment begins again by itself, its last
    observation is ``infos[i]["terminal_observation"]``, ``infos[i]["TimeLimit.truncated"]`` tells
    a truncation, and ``seed(s)`` counts from the next ``reset``. The bridge into RL-Zoo puts a
    ``VecMonitor`` around it.

    :param env_id: the id that ``gymnasium.make`` knows
    :param n_envs: number of environments
    :param env_kwargs: arguments of ``gymnasium.make``; those that it cannot keep are an error
    """
