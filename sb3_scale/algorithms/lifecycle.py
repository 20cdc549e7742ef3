"""How an algorithm with a ScalePolicy is set up, saved and loaded."""

import io
import pathlib
import warnings
from typing import Any, ClassVar, Self

import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.utils import update_learning_rate

from sb3_scale.algorithms.allocator import keep_freed_memory
from sb3_scale.algorithms.captured import CapturedSteps, cuda_graph, release
from sb3_scale.algorithms.checkpoints import check_archive, random_states, set_random_states
from sb3_scale.algorithms.checks import (
    check_actor,
    check_batch_size,
    check_replay_buffer,
    check_settings,
    check_stock_policy,
    is_scale_policy,
)
from sb3_scale.algorithms.compiled import Compiled
from sb3_scale.algorithms.devices import check_device
from sb3_scale.algorithms.overlapped import Overlapped
from sb3_scale.algorithms.products import rounded_products
from sb3_scale.algorithms.schedules import LearningRate, schedule
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import resolve, track_providers
from sb3_scale.policies import ScalePolicy, check_policy_kwargs
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.weighted import has_priorities


class Lifecycle(Overlapped):
    """Everything around the gradient step, the same for SAC and TD3."""

    default_parts: ClassVar[dict[str, Any]] = {}
    """Parts of ScalePolicy where this algorithm's default differs from the policy's."""

    stochastic_actor: ClassVar[bool]
    """Which kind of actor the algorithm needs."""

    own_arguments: ClassVar[dict[str, Any]] = {
        "actor_learning_rate": None,
        "critic_learning_rate": None,
        "max_grad_norm": None,
        "compile": False,
        "autocast": False,
        "capture": False,
        "acting_device": None,
        "overlap": False,
    }
    """Arguments that stock policies do not know, with their defaults."""

    compile: bool
    autocast: bool
    capture: bool
    replay_buffer_class: type[ReplayBuffer] | str | None  # type: ignore[assignment]
    actor_learning_rate: LearningRate
    critic_learning_rate: LearningRate

    def check_arguments(
        self,
        policy: str | type[BasePolicy],
        policy_kwargs: dict[str, Any] | None,
        device: th.device | str,
    ) -> dict[str, Any] | None:
        """
        Check what can be checked before anything is made.

        :param policy: the policy class or its name
        :param policy_kwargs: its arguments
        :param device: the device that was asked for
        :return: the arguments completed by the algorithm's own defaults; the user's mapping is
            not changed
        :raises Sb3ScaleError: if an argument or the device cannot be used
        """
        if not is_scale_policy(policy):
            return policy_kwargs
        if device != "auto":
            check_device("device", device, "cpu, auto")
        policy_kwargs = {**self.default_parts, **(policy_kwargs or {})}
        check_policy_kwargs(policy_kwargs)
        return policy_kwargs

    def _setup_model(self) -> None:
        self._choose_replay_buffer()
        if not issubclass(self.policy_class, ScalePolicy):
            check_stock_policy(self, self.own_arguments)
            super()._setup_model()
            return
        check_settings(self)
        capacity = self.buffer_size
        if self.env is None:
            # Loaded for prediction: set_env makes the real buffer.
            self.buffer_size = 1
        providers = getattr(self, "part_providers", {})
        with warnings.catch_warnings(), track_providers(providers) as used:
            # Not ignored: check_replay_buffer wants the buffer's to be the same.
            warnings.filterwarnings("ignore", "`n_steps=.* is ignored")
            super()._setup_model()
        self.buffer_size = capacity
        self.part_providers = used
        if self.env is not None:
            self._tell_of_replay_buffer()
            check_replay_buffer(self)
        check_actor(type(self).__name__, self.policy, self.stochastic_actor)
        self._check_calibration()
        check_batch_size(self.batch_size, self.policy)
        self._schedules: dict[str, Schedule] = {}
        self.add_schedule("actor", self.actor_learning_rate)
        self.add_schedule("critic", self.critic_learning_rate)
        self._choose_execution()

    def _choose_execution(self) -> None:
        """How gradient steps run: eagerly, compiled, captured, or both."""
        keep_freed_memory()
        self._gradients = {"critic": self.critic_gradients, "actor": self.actor_gradients}
        if self.policy.learns_apart:
            self._gradients["extractor"] = self.extractor_gradients
        if self.autocast:
            self._gradients = {
                part: rounded_products(function, self.device)
                for part, function in self._gradients.items()
            }
        if self.compile:
            self._gradients = {
                part: Compiled(function, f"the {part}'s loss", verbose=self.verbose >= 1)
                for part, function in self._gradients.items()
            }
        self._steps = self.run_steps
        if self.capture and has_priorities(self.replay_buffer_class):
            print("capture: gradient steps run one by one: the replay buffer wants their errors")
        elif self.capture and self.device.type == "cuda":
            self._steps = CapturedSteps(self, cuda_graph)
        elif self.capture:
            print(f"capture: gradient steps run one by one: the device is {self.device}, not cuda")
        self._make_acting_copy()

    def _choose_replay_buffer(self) -> None:
        """Find one by its name; ours stands where Stable-Baselines3 would take its plain one."""
        if (
            self.replay_buffer_class is None
            and issubclass(self.policy_class, ScalePolicy)
            and isinstance(self.observation_space, spaces.Box)
            and self.n_steps == 1
            and not self.optimize_memory_usage
        ):
            self.replay_buffer_class = "compact"
        if isinstance(self.replay_buffer_class, str):
            part = {"name": self.replay_buffer_class, **self.replay_buffer_kwargs}
            self.replay_buffer_class, _, _ = resolve("replay-buffer", part)

    def _tell_of_replay_buffer(self) -> None:
        if self.verbose >= 1 and isinstance(self.replay_buffer, CompactReplayBuffer):
            print(self.replay_buffer.summary())

    def add_schedule(self, part: str, rate: LearningRate) -> None:
        """
        Give a part its own learning rate.

        :param part: ``actor``, ``critic`` or ``ent_coef``
        :param rate: its rate, or nothing for the common one
        :raises Sb3ScaleError: if the rate cannot be understood
        """
        if rate is not None:
            self._schedules[part] = schedule(f"{part}_learning_rate", rate)

    def _scheduled_optimizers(self) -> dict[str, th.optim.Optimizer]:
        optimizers = {"actor": self.policy.actor.optimizer, "critic": self.policy.critic.optimizer}
        temperature = getattr(self, "ent_coef_optimizer", None)
        if temperature is not None:
            optimizers["ent_coef"] = temperature
        return optimizers

    def optimizers(self) -> list[th.optim.Optimizer]:
        """
        :return: all that a gradient step may use
        """
        return [*self._scheduled_optimizers().values(), *self._own_optimizers().values()]

    def _own_optimizers(self) -> dict[str, th.optim.Optimizer]:
        """Those whose learning rates are a part's own business, by the path to them."""
        found = {}
        if hasattr(self.policy.actor, "exploration_optimizer"):
            found["policy.actor.exploration_optimizer"] = self.policy.actor.exploration_optimizer
        # Stock policies are saved this way too.
        if getattr(self.policy, "learns_apart", False):
            found["policy.extractor.optimizer"] = self.policy.extractor.optimizer
        return found

    def update_learning_rates(self) -> None:
        """Set the learning rates: the common one, then the parts' own."""
        optimizers = self._scheduled_optimizers()
        self._update_learning_rate(list(optimizers.values()))
        for part in self._schedules.keys() & optimizers.keys():
            rate = self._schedules[part](self._current_progress_remaining)
            update_learning_rate(optimizers[part], rate)
            self.logger.record(f"train/{part}_learning_rate", rate)

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """
        Change the environment, as in Stable-Baselines3.

        :param env: the new environment
        :param force_reset: whether to reset it before training
        """
        super().set_env(env, force_reset)
        buffer = self.replay_buffer
        if buffer is not None and buffer.buffer_size < self.buffer_size // self.n_envs:
            self.replay_buffer = type(buffer)(
                self.buffer_size,
                self.observation_space,
                self.action_space,
                device=self.device,
                n_envs=self.n_envs,
                optimize_memory_usage=self.optimize_memory_usage,
                **self.replay_buffer_kwargs,
            )
            self._tell_of_replay_buffer()
            if issubclass(self.policy_class, ScalePolicy):
                check_replay_buffer(self)

    def load_replay_buffer(self, path: Any, truncate_last_traj: bool = True) -> None:
        """
        Load a replay buffer as Stable-Baselines3 does.

        :param path: of the pickle
        :param truncate_last_traj: see the same method of Stable-Baselines3
        :raises Sb3ScaleError: if its returns are not those of the algorithm's ``n_steps`` and
            ``gamma``, or the extractor needs single steps that it cannot draw
        """
        super().load_replay_buffer(path, truncate_last_traj)
        if issubclass(self.policy_class, ScalePolicy):
            check_replay_buffer(self)
            self._check_calibration()

    def save(self, path: Any, exclude: Any = None, include: Any = None) -> None:
        """
        Save as Stable-Baselines3 does, with the random states, so that training can resume.

        :param path: of the zip file
        :param exclude: attributes to leave out
        :param include: attributes to keep that are left out by default
        """
        if issubclass(self.policy_class, ScalePolicy):
            self.random_states = random_states(self.action_space)
        super().save(path, exclude, include)

    @classmethod
    def load(
        cls,
        path: str | pathlib.Path | io.BufferedIOBase,
        env: GymEnv | None = None,
        device: th.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **kwargs: Any,
    ) -> Self:
        """
        Load a checkpoint, see ``stable_baselines3.common.base_class.BaseAlgorithm.load``.

        :param path: of the zip file
        :param env: environment to go on with, none for prediction
        :param device: where to put the networks
        :param custom_objects: replacements for saved objects
        :param print_system_info: whether to print the versions used
        :param force_reset: whether to reset the environment before training
        :param kwargs: attributes of the algorithm to change; without ``seed`` the random states of
            the checkpoint are restored
        :return: the algorithm
        :raises Sb3ScaleError: if the file is damaged or a part's package is missing
        """
        check_archive(path)
        try:
            model = super().load(
                path, env, device, custom_objects, print_system_info, force_reset, **kwargs
            )
        except (KeyError, RuntimeError) as error:
            # Where the names of networks and optimisers differ, or those of what they hold.
            reason = " ".join(str(error).split())
            raise Sb3ScaleError(
                f"{path} is no whole checkpoint of {cls.__name__} of this version: {reason}"
            ) from error
        if issubclass(model.policy_class, ScalePolicy):
            release(model.optimizers())
        if hasattr(model, "random_states") and "seed" not in kwargs:
            set_random_states(model.random_states, model.action_space)
        return model

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_steps", "_gradients"]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names, variables = super()._get_torch_save_params()
        return [*names, *self._own_optimizers()], variables
