"""ScalePolicy: names in, modules out."""

import inspect
import pickle
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Self

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import nn

from sb3_scale.action_spaces import check_spaces, has_whole_actions
from sb3_scale.actions import action_code, is_discrete
from sb3_scale.errors import Sb3ScaleError, check_key, shown
from sb3_scale.fitting_parts import check_fit_to_actions
from sb3_scale.generators import kept_generators
from sb3_scale.guard import told
from sb3_scale.nn.base import Explorer, ReadsBytes
from sb3_scale.nn.linear import linear_layers
from sb3_scale.parts import build, spec_of
from sb3_scale.protocols import ExtractorConfig, PartConfig
from sb3_scale.specs import StateActionExtractor
from sb3_scale.stock_words import NO_SDE, NONE, in_our_words
from sb3_scale.value_types import check_type

WRONG_CONTENT = (
    AttributeError, EOFError, KeyError, RuntimeError, TypeError, ValueError,
    pickle.UnpicklingError,
)  # fmt: skip
"""What PyTorch and constructors raise over a file of something else."""


class ScalePolicy(BasePolicy):
    """
    Actor, critic, extractor and loss, each a part chosen by name.

    A part is a name, or a mapping with ``name`` and the part's parameters; ``sb3-scale plugins``
    lists the names and ``sb3-scale describe NAME`` their parameters.

    :param observation_space: observation space
    :param action_space: action space, a box, or one of discrete actions
    :param lr_schedule: learning rate at the start is ``lr_schedule(1)``
    :param actor: the actor part
    :param critic: the critic part
    :param loss: the critic's loss; by default the one that goes with the critic's value
    :param extractor: features of the observation, trained by the critic's loss or by one of its
        own; also a class of Stable-Baselines3's kind, or its path ``"module:Class"``
    :param extractor_target: whether a target critic reads a Polyak copy of a learned extractor, or
        the extractor itself
    :param transforms: what is done to each batch before the losses see it, in this order
    :param optimizer: of actor and critic, where they have none of their own
    :param actor_optimizer: of the actor
    :param critic_optimizer: of critic and of an extractor that has no learner of its own
    :param normalize_images: whether to divide images by 255
    :param use_sde: not supported, must be false
    :raises Sb3ScaleError: if a name, a parameter or a value is wrong, or parts do not fit
    """

    actor: Any
    critic: Any
    action_code: Any

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        actor: PartConfig = "squashed-gaussian",
        critic: PartConfig = "ensemble",
        loss: PartConfig | None = None,
        extractor: ExtractorConfig = "flatten",
        extractor_target: bool = True,
        transforms: list[PartConfig] | None = None,
        optimizer: PartConfig = "adam",
        actor_optimizer: PartConfig | None = None,
        critic_optimizer: PartConfig | None = None,
        normalize_images: bool = True,
        use_sde: bool = False,
    ) -> None:
        check_spaces(action_space)
        super().__init__(
            observation_space,
            action_space,
            normalize_images=normalize_images,
            squash_output=isinstance(action_space, spaces.Box),
        )
        self._whole_actions = has_whole_actions(action_space)
        if isinstance(action_space, spaces.Box):
            self._bounds = action_space.low.astype(np.float64), action_space.high.astype(np.float64)
        if use_sde:
            raise Sb3ScaleError(NO_SDE)
        self.parts: dict[str, Any] = {
            "actor": actor,
            "critic": critic,
            "loss": loss,
            "extractor": extractor,
            "extractor_target": extractor_target,
            "transforms": transforms,
            "optimizer": optimizer,
            "actor_optimizer": actor_optimizer,
            "critic_optimizer": critic_optimizer,
        }
        check_fit_to_actions(self.parts, action_space)
        self.action_code = action_code(action_space)
        action_dim = self.action_code.dim
        self.extractor = build_extractor(extractor, observation_space, action_dim)
        reads = isinstance(self.extractor, ReadsBytes)
        self._byte_keys: tuple[str, ...] | None = self.extractor.byte_keys if reads else ()
        if self._byte_keys != () and not normalize_images:
            raise Sb3ScaleError(
                f"normalize_images is false, and extractor {shown(extractor)} scales images of "
                "uint8 itself; allowed: true"
            )
        self.actor = build("actor", actor, self.extractor.actor_dim(), action_dim)
        self.critic = build("critic", critic, *self.action_code.critic_dims(self.extractor))
        self.loss = build("loss", self.critic.value.loss if loss is None else loss)
        _check_loss(self.loss, loss, self.critic, critic)
        self.transforms = nn.ModuleList(build("transform", part) for part in transforms or ())
        self.actor_target = _target(self.actor, self.actor.target)
        self.critic_target = _target(self.critic, self.critic.target)
        learned = next(self.extractor.parameters(), None) is not None
        self.extractor_target = _target(
            self.extractor, extractor_target and self.critic.target and learned
        )

        self.actor_joint_batch: bool = getattr(self.actor, "joint_batch", False)
        self._exploring = False
        apart = [learner.modules.values() for learner in self.extractor.learners(self)]
        self.critic_trains_extractor = not any(
            module is self.extractor for modules in apart for module in modules
        )
        trained = nn.ModuleList(
            [self.extractor, self.critic] if self.critic_trains_extractor else [self.critic]
        )
        lr = lr_schedule(1)
        self.actor.optimizer = build("optimizer", actor_optimizer or optimizer, self.actor, lr)
        self.critic.optimizer = build("optimizer", critic_optimizer or optimizer, trained, lr)

    def features(self, observations: PyTorchObs, training: bool = False) -> th.Tensor:
        """
        :param observations: as the replay buffer gives them
        :param training: whether norms use the statistics of this batch
        :return: shape ``(batch, features_dim)``
        """
        features = self.extractor(self.prepare(observations), training)
        return float32(features)

    def target_features(self, observations: PyTorchObs) -> th.Tensor:
        """
        :param observations: as the replay buffer gives them
        :return: features for the target critic, shape ``(batch, features_dim)``
        """
        return float32(self.extractor_target(self.prepare(observations), False))

    def actor_features(self, observations: PyTorchObs) -> th.Tensor:
        """
        :param observations: of which the keys that only the critic sees may be missing
        :return: what the actor reads when it acts, shape ``(batch, actor_dim)``
        """
        return float32(self.extractor.actor_features(self.prepare(observations)))

    def actor_inputs(self, features: th.Tensor) -> th.Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :return: what of them the actor and its target read, shape ``(batch, actor_dim)``
        """
        read: th.Tensor = self.extractor.actor_inputs(features)
        return read

    def prepare(self, observations: PyTorchObs) -> Any:
        """
        :param observations: as the replay buffer gives them
        :return: as extractors get them: images scaled to [0, 1], discrete values one-hot; as they
            are for an extractor that reads bytes
        """
        bytes_in = self._byte_keys
        if bytes_in is None:
            return observations
        space, scaled = self.observation_space, self.normalize_images
        if not bytes_in:
            return preprocess_obs(observations, space, normalize_images=scaled)
        assert isinstance(space, spaces.Dict)
        assert isinstance(observations, dict)
        return {
            key: each if key in bytes_in else preprocess_obs(each, space[key], scaled)
            for key, each in observations.items()
        }

    def critic_outputs(
        self, features: th.Tensor, actions: th.Tensor, training: bool = False
    ) -> th.Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :param actions: as the replay buffer has them, shape ``(batch, action_dim)``
        :param training: whether the critic's norms use the statistics of this batch
        :return: of the critic, shape ``(n_critics, batch, n_outputs)``
        """
        read = self.action_code.critic_inputs(self.extractor, features, actions)
        outputs: th.Tensor = self.critic(*read, training=training)
        return outputs

    def target_outputs(
        self, features: th.Tensor, actions: th.Tensor, training: bool = False
    ) -> th.Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :param actions: as the replay buffer has them, shape ``(batch, action_dim)``
        :param training: whether the critic's norms use the statistics of this batch
        :return: of the target critic, shape ``(n_critics, batch, n_outputs)``
        """
        read = self.action_code.critic_inputs(self.extractor_target, features, actions)
        outputs: th.Tensor = self.critic_target(*read, training=training)
        return outputs

    def all_critic_outputs(self, features: th.Tensor, training: bool = False) -> th.Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :param training: whether the critic's norms use the statistics of this batch
        :return: of the critic for all discrete actions, shape ``(n_critics, batch, n_actions,
            n_outputs)``
        """
        read = self.action_code.critic_features(self.extractor, features)
        outputs: th.Tensor = self.critic.all_outputs(read, training)
        return outputs

    def all_target_outputs(self, features: th.Tensor, training: bool = False) -> th.Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :param training: whether the critic's norms use the statistics of this batch
        :return: of the target critic for all discrete actions, shape ``(n_critics, batch,
            n_actions, n_outputs)``
        """
        read = self.action_code.critic_features(self.extractor_target, features)
        outputs: th.Tensor = self.critic_target.all_outputs(read, training)  # type: ignore[operator]
        return outputs

    def targets_of(self, modules: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """
        :param modules: of a learner, by name
        :return: the Polyak copies of those that have one, by the same names
        """
        pairs = (
            (self.extractor, self.extractor_target),
            (self.critic, self.critic_target),
            (self.actor, self.actor_target),
        )
        return {
            name: copy
            for name, module in modules.items()
            for online, copy in pairs
            if module is online and copy is not online
        }

    def scaled_rewards(self, rewards: Any) -> Any:
        """
        :param rewards: in units of the replay buffer, an array or a tensor
        :return: in units of the critic
        """
        for transform in self.transforms:
            rewards = transform.scaled_rewards(rewards)  # type: ignore[operator]
        return rewards

    def forward(self, obs: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        """
        :param obs: observations, batch first
        :param deterministic: whether to return the mode instead of a sample
        :return: actions in [-1, 1], shape ``(batch, action_dim)``, or discrete ones as the
            environment has them
        """
        return self._predict(obs, deterministic)

    def explore(
        self, observation: np.ndarray | dict[str, np.ndarray], deterministic: bool = False
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """
        Choose the actions of the training, where an actor may explore in its own way.

        :param observation: of all environments
        :param deterministic: whether to return the mode instead
        :return: actions and state, as from ``predict``
        """
        self._exploring = not deterministic and isinstance(self.actor, Explorer)
        try:
            return self.predict(observation, deterministic=deterministic)
        finally:
            self._exploring = False

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        features = self.actor_features(observation)
        explores = self._exploring
        chosen = self.actor.explore(features) if explores else self.actor(features, deterministic)
        actions: th.Tensor = self.action_code.to_environment(chosen)
        return actions

    def scale_action(self, action: np.ndarray) -> np.ndarray:
        """
        :param action: between the bounds of the action space, or discrete
        :return: the same in [-1, 1], or as it is
        """
        if is_discrete(self.action_space):
            return action
        if not self._whole_actions:
            return super().scale_action(action)
        # Differences of small integer types would overflow.
        low, high = self._bounds
        scaled: np.ndarray = (2 * ((action - low) / (high - low)) - 1).astype(np.float32)
        return scaled

    def unscale_action(self, scaled_action: np.ndarray) -> np.ndarray:
        """
        :param scaled_action: in [-1, 1], or discrete
        :return: the same between the bounds of the action space; whole numbers where it has those
        """
        if is_discrete(self.action_space):
            return scaled_action
        if not self._whole_actions:
            return super().unscale_action(scaled_action)
        low, high = self._bounds
        action = np.rint(low + 0.5 * (scaled_action.astype(np.float64) + 1) * (high - low))
        whole: np.ndarray = np.clip(action, low, high).astype(self.action_space.dtype)
        return whole

    def set_training_mode(self, mode: bool) -> None:
        """
        Remember the mode without walking through the modules: each forward pass is told its mode.

        :param mode: whether the policy is being trained
        """
        self.training = mode

    @classmethod
    def load(cls, path: Any, device: th.device | str = "auto") -> Self:
        """
        Load what ``save`` wrote. The file is a pickle, which can run any program.

        :param path: of the file
        :param device: where to put the networks
        :return: the policy; the random generators of the process are as before
        :raises Sb3ScaleError: if it is not a whole file of a ScalePolicy, or a part's package is
            missing
        """
        try:
            with kept_generators():
                return super().load(path, device)
        except (Sb3ScaleError, FileNotFoundError):
            raise
        except (*WRONG_CONTENT, OSError) as error:
            raise Sb3ScaleError(
                f"{shown(path)} cannot be loaded as a {cls.__name__}: {told(error)}; allowed: "
                "what policy.save wrote"
            ) from error

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {
            **super()._get_constructor_parameters(),
            **self.parts,
            "lr_schedule": self._dummy_schedule,
        }


def float32(features: th.Tensor) -> th.Tensor:
    """Autocast rounds the result of a learned extractor."""
    return features.to(th.promote_types(features.dtype, th.float32))


def build_extractor(
    part: ExtractorConfig, observation_space: spaces.Space[Any], action_dim: int
) -> Any:
    """
    :param part: the extractor part
    :param observation_space: observation space
    :param action_dim: number of actions, which only a ``StateActionExtractor`` gets
    :return: the extractor
    :raises Sb3ScaleError: if the name, a parameter or a value is wrong
    """
    context: list[Any] = [observation_space]
    if isinstance(spec_of("extractor", part), StateActionExtractor):
        context.append(action_dim)
    return build("extractor", part, *context)


def _target(online: nn.Module, wanted: bool) -> nn.Module:
    return deepcopy(online).requires_grad_(False) if wanted else online


def synced_buffers(module: nn.Module) -> list[th.Tensor]:
    """
    Buffers that a target copies, such as running statistics.

    Buffers inside a linear layer belong to its constraint, which follows the target's own weights.

    :param module: an online module or its target
    :return: its buffers in a fixed order
    """
    own = {id(buffer) for layer in linear_layers(module) for buffer in layer.buffers()}
    return [buffer for buffer in module.buffers() if id(buffer) not in own]


def _check_loss(
    loss: Any, loss_part: PartConfig | None, critic: Any, critic_part: PartConfig
) -> None:
    outputs = critic.value.outputs
    if outputs not in loss.reads:
        raise Sb3ScaleError(
            f"loss {shown(loss_part)} reads {' or '.join(loss.reads)} outputs, and those of critic "
            f"{shown(critic_part)} are {outputs}; allowed: {critic.value.loss!r} or another loss "
            f"that reads {outputs}"
        )


def check_policy_kwargs(
    policy_kwargs: Mapping[str, Any], defaults: Mapping[str, Any] = NONE
) -> dict[str, Any]:
    """
    Check names and types before anything is made.

    :param policy_kwargs: arguments of :class:`ScalePolicy`, or of Stable-Baselines3's policies
    :param defaults: parts that need not be named
    :return: the same as arguments of ScalePolicy alone
    :raises Sb3ScaleError: if a key is unknown or a value has the wrong type
    """
    given = ("self", "observation_space", "action_space", "lr_schedule")
    signature = inspect.signature(ScalePolicy.__init__)
    known = {key: par for key, par in signature.parameters.items() if key not in given}
    words = in_our_words(policy_kwargs, defaults)
    for key, value in words.items():
        check_key("policy_kwargs has the unknown key", key, value, known)
        check_type("policy_kwargs", key, value, known[key].annotation)
    return words
