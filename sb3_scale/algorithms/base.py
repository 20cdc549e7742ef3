"""What our algorithms share around the gradient step."""

import io
import pathlib
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np
import torch as th
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, RolloutReturn
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from sb3_scale.algorithms import buffer_files, options
from sb3_scale.algorithms.buffers import (
    choose_replay_buffer,
    fill_up_replay_buffer,
    tell_of_replay_buffer,
)
from sb3_scale.algorithms.checkpoints import (
    random_states,
    set_random_states,
    whole_checkpoint,
)
from sb3_scale.algorithms.checks import (
    check_actor,
    check_batch_size,
    check_buffer_and_loss,
    check_fit,
    check_layout,
    check_number_of_envs,
    check_replay_buffer,
    check_settings,
    check_stock_kwargs,
    check_stock_policy,
    check_transforms,
    is_scale_policy,
)
from sb3_scale.algorithms.options import Options
from sb3_scale.algorithms.schedules import LearningRate
from sb3_scale.algorithms.training import Learners, Training
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.execution.allocator import keep_freed_memory
from sb3_scale.execution.captured import release
from sb3_scale.execution.devices import check_device
from sb3_scale.learning.actor_critic import Objective
from sb3_scale.learning.batch import Batch
from sb3_scale.learning.update import Learner
from sb3_scale.parts import track_providers
from sb3_scale.policies import ScalePolicy, check_policy_kwargs, check_spaces
from sb3_scale.protocols import PartConfig
from sb3_scale.replay import files


class ScaleAlgorithm(OffPolicyAlgorithm):
    """
    In front of an off-policy algorithm of Stable-Baselines3: trains a ``ScalePolicy`` by objects
    that it owns, and leaves a stock policy to the library's code.

    A subclass has its own arguments as :attr:`options` and says what it maximises.
    """

    options: ClassVar[type[Options]] = Options
    """The arguments beside those of the library's class; stock policies do not know them."""

    fixed: ClassVar[dict[str, Any]] = {}
    """Arguments of the library's class that this algorithm sets itself."""

    default_parts: ClassVar[dict[str, Any]] = {}
    """Parts of ScalePolicy where this algorithm's default differs from the policy's."""

    stock_defaults: ClassVar[dict[str, Any]] = {}
    """Own arguments that have another default with a stock policy: the library's."""

    stochastic_actor: ClassVar[bool]
    """Which kind of actor the algorithm needs."""

    target_interval: ClassVar[str]
    """The argument that says how many gradient steps lie between two moves of the targets."""

    policy: Any
    policy_delay: int
    actor_learning_rate: LearningRate
    critic_learning_rate: LearningRate
    collector: PartConfig
    compile: bool
    autocast: bool
    capture: bool
    max_grad_norm: float | None
    replay_buffer_class: type[ReplayBuffer] | str | None  # type: ignore[assignment]

    training: Training
    """All that a gradient step needs, made of policy and options; copies make their own."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            return
        library: Any = next(base for base in cls.__mro__ if not issubclass(base, ScaleAlgorithm))
        options.compose_constructor(cls, library, cls.options, cls.fixed)

    def _construct(self, given: dict[str, Any]) -> None:
        own = options.defaults(self.options)
        if not is_scale_policy(given["policy"]):
            own.update(self.stock_defaults)
        own.update({name: given.pop(name) for name in own.keys() & given.keys()})
        setup = given.pop("_init_setup_model", True)
        given["policy_kwargs"] = self.check_arguments(
            given["policy"], given.get("policy_kwargs"), given.get("device", "auto")
        )
        try:
            super().__init__(**given, **self.fixed, _init_setup_model=False)  # type: ignore[call-arg]
        except AssertionError:
            # The library asserts that it knows the action space; our users get a sentence.
            if is_scale_policy(given["policy"]):
                check_spaces(self.action_space)
            raise
        vars(self).update(own)
        if setup:
            self._setup_model()

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
            check_stock_kwargs(self.policy_aliases, policy, policy_kwargs or {})
            return policy_kwargs
        if device != "auto":
            check_device("device", device, "cpu, auto")
        policy_kwargs = {**self.default_parts, **(policy_kwargs or {})}
        check_policy_kwargs(policy_kwargs)
        return policy_kwargs

    def make_objective(self) -> Objective:
        """
        :return: what the algorithm maximises, made of its present attributes
        """
        raise NotImplementedError

    def own_learners(self, objective: Any) -> Iterable[Learner]:
        """
        :param objective: that :meth:`make_objective` made
        :return: what is trained beside the policy, after the actor
        """
        return ()

    def library_optimizers(self) -> list[th.optim.Optimizer]:
        """
        :return: those that the library's class saves and gives the common learning rate
        """
        return [self.policy.actor.optimizer, self.policy.critic.optimizer]

    def own_learning_rates(self) -> dict[str, Any]:
        """
        :return: the rates of learners that have one of their own, by name; nothing for the common
        """
        return {"actor": self.actor_learning_rate, "critic": self.critic_learning_rate}

    @property
    def learners(self) -> Learners:
        """All that is trained, by name."""
        return self.training.learners

    @property
    def scaled(self) -> bool:
        """Whether the policy is a ``ScalePolicy``."""
        return issubclass(self.policy_class, ScalePolicy)

    def _setup_model(self) -> None:
        choose_replay_buffer(self)
        if not self.scaled:
            check_stock_policy(self, {**options.defaults(self.options), **self.stock_defaults})
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
        if self.env is None:
            self.tiny_replay_buffer = self.replay_buffer
        self.part_providers = used
        check_actor(type(self).__name__, self.policy, self.stochastic_actor)
        check_batch_size(self.batch_size, self.policy)
        keep_freed_memory()
        self.prepare_optimizers()
        self.training = Training(self)
        if self.env is not None:
            tell_of_replay_buffer(self)
            check_replay_buffer(self)
            check_layout(self)
        check_buffer_and_loss(self)
        check_transforms(self)

    def prepare_optimizers(self) -> None:
        """Replace optimisers of the library by others, before learners are made of them."""

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """
        Update the policy; a stock policy is left to the code of Stable-Baselines3.

        :param gradient_steps: number of batches
        :param batch_size: transitions per batch
        :raises Sb3ScaleError: if a loss is not finite; the last batch is saved for inspection
        """
        if not self.scaled:
            super().train(gradient_steps, batch_size)
        elif gradient_steps > 0:
            self.training.train(gradient_steps, batch_size)

    def sample(self, batch_size: int) -> Batch:
        """
        :param batch_size: number of transitions
        :return: drawn from the replay buffer
        """
        return self.training.sample(batch_size)

    def _init_callback(self, callback: MaybeCallback, progress_bar: bool = False) -> BaseCallback:
        ready = super()._init_callback(callback, progress_bar)
        if self.scaled:
            self.training.collector.start(self, ready)
        return ready

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        check_fit(self)
        if not self.scaled or self.env is None:
            return super()._setup_learn(*args, **kwargs)
        before = self._last_obs
        with self.training.first_observations(self.env):
            prepared = super()._setup_learn(*args, **kwargs)
        if self._last_obs is not before:
            self.training.restart()
        return prepared

    def learn(self, *args: Any, **kwargs: Any) -> Self:
        """
        Train as Stable-Baselines3 does. No gradient step is left when it ends, however it ends.

        :param args: of ``learn`` in Stable-Baselines3
        :param kwargs: of the same
        :return: the algorithm
        """
        try:
            return super().learn(*args, **kwargs)
        finally:
            if self.scaled:
                self.training.collector.stop(self)

    def collect_rollouts(self, env: VecEnv, *args: Any, **kwargs: Any) -> RolloutReturn:
        """
        Collect transitions as the collector does.

        :param env: the environments
        :param args: of ``collect_rollouts`` in Stable-Baselines3
        :param kwargs: of the same
        :return: how much was collected
        """
        if not self.scaled:
            return super().collect_rollouts(env, *args, **kwargs)
        env = self.training.checked(env)
        collected: RolloutReturn = self.training.collector.collect(self, env, *args, **kwargs)
        return collected

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        if not self.scaled:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        with self.training.choosing():
            return super()._sample_action(learning_starts, action_noise, n_envs)

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """
        Choose actions, as in Stable-Baselines3.

        :param observation: one, or a batch of them
        :param state: without effect
        :param episode_start: without effect
        :param deterministic: whether to return the mode instead of a sample
        :return: actions, and the state
        """
        if self.scaled and self.training.is_choosing:
            choose: Any = self.training.collector.choose
            chosen: tuple[np.ndarray, tuple[np.ndarray, ...] | None]
            chosen = choose(self.policy.predict, observation, deterministic)
            return chosen
        return super().predict(observation, state, episode_start, deterministic)

    def _store_transition(self, replay_buffer: ReplayBuffer, *args: Any, **kwargs: Any) -> None:
        if self.scaled:
            replay_buffer = self.training.observed(replay_buffer)
        super()._store_transition(replay_buffer, *args, **kwargs)

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """
        Change the environment, as in Stable-Baselines3.

        :param env: the new environment
        :param force_reset: whether to reset it before training
        """
        if self.scaled:
            check_number_of_envs(self, env)
        super().set_env(env, force_reset)
        if not self.scaled:
            return
        check_transforms(self)
        check_layout(self)
        if isinstance(self.replay_buffer, HerReplayBuffer):
            self.replay_buffer.env = self.env
        if fill_up_replay_buffer(self):
            check_replay_buffer(self)

    def save_replay_buffer(self, path: Any) -> None:
        """
        Save the replay buffer, with a ``ScalePolicy`` as arrays with checksums: only the rows in
        use, without a second copy in memory. What holds other objects is pickled, see
        ``docs/replay.md``. A file is replaced as a whole.

        :param path: of the file, ``.pkl`` if it has no ending, or a file that is open
        """
        if not self.scaled:
            super().save_replay_buffer(path)
            return
        with buffer_files.writing(path) as file:
            files.write(self.replay_buffer, file)

    def load_replay_buffer(
        self, path: Any, truncate_last_traj: bool = True, trust: bool = True
    ) -> None:
        """
        Load a replay buffer, of ours or of Stable-Baselines3.

        :param path: of the file, or a file that is open
        :param truncate_last_traj: see the same method of Stable-Baselines3
        :param trust: whether it may be a pickle, which can run commands
        :raises Sb3ScaleError: if it is damaged or of another task, its returns are not those of the
            algorithm's ``n_steps`` and ``gamma``, or a learner needs single steps that it cannot
            draw; the algorithm keeps the buffer that it has
        """
        if not self.scaled and trust and not buffer_files.holds_arrays(path):
            super().load_replay_buffer(path, truncate_last_traj)
            check_fit(self)
            return
        before = self.replay_buffer
        self.replay_buffer = buffer_files.read(self, path, truncate_last_traj, trust)
        try:
            check_fit(self)
        except Sb3ScaleError:
            self.replay_buffer = before
            raise

    def save(self, path: Any, exclude: Any = None, include: Any = None) -> None:
        """
        Save as Stable-Baselines3 does, with the random states, so that training can resume.

        :param path: of the zip file
        :param exclude: attributes to leave out
        :param include: attributes to keep that are left out by default
        """
        if self.scaled:
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
        with whole_checkpoint(path, cls.__name__):
            model = super().load(
                path, env, device, custom_objects, print_system_info, force_reset, **kwargs
            )
        if model.scaled:
            release(learner.optimizer for learner in model.learners)
        if hasattr(model, "random_states") and "seed" not in kwargs:
            set_random_states(model.random_states, model.action_space)
        return model

    def __getstate__(self) -> dict[str, Any]:
        """Without what belongs to these very networks; a copy makes its own."""
        return {name: value for name, value in vars(self).items() if name != "training"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.scaled:
            self.training = Training(self)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "training", "tiny_replay_buffer"]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names, variables = super()._get_torch_save_params()
        if self.scaled:
            names = [*names, *self.training.saved_optimizers()]
        return names, variables
