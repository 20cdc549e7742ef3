"""What our algorithms share around the gradient step."""

import inspect
import io
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, Self

import gymnasium
import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.save_util import open_path
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, RolloutReturn
from stable_baselines3.common.utils import update_learning_rate
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.action_spaces import has_whole_actions
from sb3_scale.actions import is_discrete
from sb3_scale.algorithms import buffer_files, options
from sb3_scale.algorithms.added_callbacks import (
    check_learn,
    refuse_parallel_training,
    with_callbacks,
)
from sb3_scale.algorithms.buffer_checks import (
    check_fit,
    check_layout,
    check_replay_buffer,
)
from sb3_scale.algorithms.buffers import fill_up_replay_buffer
from sb3_scale.algorithms.checkpoints import Checkpoint, name_of
from sb3_scale.algorithms.checks import (
    check_number_of_envs,
    check_transforms,
    tell_of_statistics,
)
from sb3_scale.algorithms.copies import copied_state
from sb3_scale.algorithms.goals import check_first_episode, give_environment
from sb3_scale.algorithms.options import Options
from sb3_scale.algorithms.replaced_train import ReplacedTrain
from sb3_scale.algorithms.schedules import LearningRate, rate_at
from sb3_scale.algorithms.setup import check_env, checked_policy_kwargs, construct, set_up
from sb3_scale.algorithms.stacked_frames import check_stacked_once
from sb3_scale.algorithms.training import Learners, Training
from sb3_scale.execution.devices import check_device_name
from sb3_scale.files import written_whole
from sb3_scale.generators import random_states, set_random_states
from sb3_scale.learning.actor_critic import Objective
from sb3_scale.learning.batch import Batch
from sb3_scale.learning.update import Learner
from sb3_scale.plain import plain_groups
from sb3_scale.policies import ScalePolicy, check_policy_kwargs
from sb3_scale.protocols import PartConfig
from sb3_scale.quantities import Whole, whole_number
from sb3_scale.replay import files
from sb3_scale.stock_words import NONE
from sb3_scale.views import views


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

    discrete_parts: ClassVar[dict[str, Any]] = {}
    """The same where actions are discrete."""

    stock_defaults: ClassVar[dict[str, Any]] = {}
    """Own arguments that have another default with a stock policy: the library's."""

    stochastic_actor: ClassVar[bool]
    """Which kind of actor the algorithm needs."""

    changed_after_loading: ClassVar[tuple[str, ...]] = ()
    """Arguments that :meth:`change` takes, since a loaded tensor would win over them."""

    target_interval: ClassVar[str]
    """The argument that says how many gradient steps lie between two moves of the targets."""

    log_name: ClassVar[str]
    """Of the folder of TensorBoard's files; by default that of the library's class."""

    _library: ClassVar[Any]
    """The class of Stable-Baselines3 or sb3-contrib behind it."""

    policy: Any
    policy_delay: int
    actor_learning_rate: LearningRate
    critic_learning_rate: LearningRate
    collector: PartConfig
    compile: bool | Literal["auto"]
    autocast: bool
    capture: bool
    max_grad_norm: float | None
    replay_buffer_class: type[ReplayBuffer] | str | None  # type: ignore[assignment]

    part_providers: Mapping[str, str] = NONE
    """Which distribution each part comes from, saved to name one that is missing."""

    tiny_replay_buffer: ReplayBuffer | None
    """The buffer of an algorithm that was loaded for prediction."""

    own_callbacks: Sequence[PartConfig] = ()
    """Callbacks by name that join those of every ``learn``: a recipe's."""

    saw_normalized: bool = False
    """Whether the environments have been a ``VecNormalize`` of observations."""

    random_states: dict[str, Any] | None = None
    """Those of all generators when the checkpoint was saved that the algorithm comes from."""

    goes_on: bool = False
    """Whether the random states of a checkpoint wait for ``learn(reset_num_timesteps=False)``."""

    training: Training
    """All that a gradient step needs, made of policy and options; copies make their own."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._library = next(base for base in cls.__mro__ if not issubclass(base, ScaleAlgorithm))
        if "log_name" not in cls.__dict__:
            cls.log_name = inspect.signature(cls._library.learn).parameters["tb_log_name"].default
        if "__init__" not in cls.__dict__:
            options.compose_constructor(cls, cls._library, cls.options, cls.fixed)

    def _construct(self, given: dict[str, Any]) -> None:
        construct(self, given)

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
        :return: the arguments; the user's mapping is not changed
        :raises Sb3ScaleError: if an argument or the device cannot be used
        """
        return checked_policy_kwargs(self, policy, policy_kwargs, device)

    @classmethod
    def parts_for(cls, action_space: spaces.Space[Any] | None) -> dict[str, Any]:
        """
        :param action_space: of the environment, nothing for continuous actions
        :return: the parts that a user's ``policy_kwargs`` need not name
        """
        return cls.discrete_parts if is_discrete(action_space) else cls.default_parts

    def completed_parts(self, action_space: spaces.Space[Any] | None) -> dict[str, Any]:
        """
        :param action_space: of the environment, nothing for continuous actions
        :return: ``policy_kwargs`` in words of ScalePolicy, with the parts that need not be named
        :raises Sb3ScaleError: if no part does what one of them asks for
        """
        return check_policy_kwargs(self.policy_kwargs, self.parts_for(action_space))

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
        set_up(self, super()._setup_model)

    def _update_learning_rate(self, optimizers: Any) -> None:
        if not self.scaled:
            super()._update_learning_rate(optimizers)
            return
        rate = rate_at("learning_rate", self.lr_schedule, self._current_progress_remaining)
        self.logger.record("train/learning_rate", rate)
        for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
            update_learning_rate(optimizer, rate)

    def _create_aliases(self) -> None:
        super()._create_aliases()  # type: ignore[misc]
        if self.scaled:
            vars(self).update(
                {name: each for name, each in views(self.policy).items() if name in vars(self)}
            )

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
        train = vars(self).get("train")
        if self.scaled:
            refuse_parallel_training(callback)
        if self.own_callbacks:
            callback = with_callbacks(callback, self.own_callbacks)
        ready = super()._init_callback(callback, progress_bar)
        if self.scaled:
            replaced = vars(self).get("train") is not train
            self.training.replaced_train = ReplacedTrain(self) if replaced else None
            self.training.collector.start(self, ready)
            self.training.compilation.start()
        return ready

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        check_fit(self)
        if self.scaled:
            check_first_episode(self)
        set_up = partial(
            super()._setup_learn, total_timesteps, callback, reset_num_timesteps, *args, **kwargs
        )
        if not self.scaled or self.env is None:
            return set_up()
        if self.goes_on and not reset_num_timesteps:
            assert self.random_states is not None
            set_random_states(self.random_states, self.action_space)
        self.goes_on = False
        before = self._last_obs
        with self.training.experience.first_observations(self.env):
            prepared = set_up()
        if self._last_obs is not before:
            self.training.experience.restart()
        return prepared

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 4,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """
        Train as Stable-Baselines3 does. No gradient step is left when it ends, however it ends.

        :param total_timesteps: environment steps (decisions) to train for
        :param callback: called at each of them
        :param log_interval: episodes from one line of the log to the next
        :param tb_log_name: of the folder of TensorBoard's files, the algorithm's name by default
        :param reset_num_timesteps: whether to count from 0, or to go on
        :param progress_bar: whether to show one
        :return: the algorithm
        :raises Sb3ScaleError: if an argument cannot be used
        """
        total_timesteps = Whole(0)("total_timesteps", whole_number(total_timesteps))
        check_learn(callback, log_interval, tb_log_name, reset_num_timesteps)
        try:
            super().learn(
                total_timesteps,
                callback,
                log_interval,
                tb_log_name or self.log_name,
                reset_num_timesteps,
                progress_bar,
            )
        finally:
            if self.scaled:
                self.training.compilation.stop()
                self.training.collector.stop(self)
        if self.scaled and self.training.replaced_train is not None:
            self.training.replaced_train.check()
        return self

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
        env = self.training.experience.checked(env)
        collected: RolloutReturn = self.training.collector.collect(self, env, *args, **kwargs)
        return collected

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        if not self.scaled:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        with self.training.experience.choosing():
            played, stored = super()._sample_action(learning_starts, action_noise, n_envs)
        if has_whole_actions(self.action_space):
            # What is stored is what was played, rounded.
            stored = self.policy.scale_action(played)
        return played, stored

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
        if self.scaled and self.training.experience.is_choosing:
            choose: Any = self.training.collector.choose
            chosen: tuple[np.ndarray, tuple[np.ndarray, ...] | None]
            chosen = choose(self.policy.explore, observation, deterministic)
            return chosen
        return super().predict(observation, state, episode_start, deterministic)

    def _store_transition(self, replay_buffer: ReplayBuffer, *args: Any, **kwargs: Any) -> None:
        if self.scaled:
            replay_buffer = self.training.experience.observed(replay_buffer)
        super()._store_transition(replay_buffer, *args, **kwargs)

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """
        Change the environment, as in Stable-Baselines3.

        :param env: the new environment
        :param force_reset: whether to reset it before training
        :raises Sb3ScaleError: if it does not fit; the algorithm keeps the one that it has
        """
        if not self.scaled:
            super().set_env(env, force_reset)
            give_environment(self)
            return
        check_env(env, needed=True)
        check_number_of_envs(self, env)
        before = vars(self).copy()
        try:
            super().set_env(env, force_reset)
            check_stacked_once(self)
            check_transforms(self)
            check_layout(self)
            if fill_up_replay_buffer(self):
                check_replay_buffer(self)
            give_environment(self)
        except ValueError:
            vars(self).clear()
            vars(self).update(before)
            raise
        tell_of_statistics(self)

    def save_replay_buffer(self, path: Any) -> None:
        """
        Save the replay buffer, with a ``ScalePolicy`` as arrays with checksums: only the rows in
        use, without a second copy in memory. What holds other objects is pickled, see
        ``docs/replay.md``. A file is replaced as a whole.

        :param path: of the file, ``.pkl`` if it has no ending, or a file that is open
        :raises UnwritableError: if the file cannot be written; the one before is still there
        """
        with written_whole(path, "pkl") as file:
            if self.scaled:
                files.write(self.replay_buffer, open_path(file, "w"))
            else:
                super().save_replay_buffer(file)

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
        load = super().load_replay_buffer
        buffer_files.load(self, path, truncate_last_traj, trust, load)

    def save(self, path: Any, exclude: Any = None, include: Any = None) -> None:
        """
        Save as Stable-Baselines3 does, with the random states, so that training can resume.

        :param path: of the zip file, which is replaced as a whole, or an open file
        :param exclude: attributes to leave out
        :param include: attributes to keep that are left out by default
        :raises UnwritableError: if the file cannot be written; the one before is still there
        """
        if self.scaled:
            self.saved_by = name_of(type(self))
            if not self.goes_on:
                self.random_states = random_states(self.action_space)
        with written_whole(path, "zip") as file:
            super().save(file, exclude, include)

    @classmethod
    def load(
        cls,
        path: str | pathlib.Path | io.BufferedIOBase,
        env: GymEnv | str | None = None,
        device: th.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        trust: bool = True,
        **kwargs: Any,
    ) -> Self:
        """
        Load a checkpoint, see ``stable_baselines3.common.base_class.BaseAlgorithm.load``.

        :param path: of the zip file
        :param env: environment to go on with, or its id, none for prediction
        :param device: where to put the networks
        :param custom_objects: replacements for saved objects
        :param print_system_info: whether to print the versions used
        :param force_reset: whether to reset the environment before training
        :param trust: whether to unpickle what the file has, which can run any program; without it
            the few things that a checkpoint needs are read and all else is refused
        :param kwargs: arguments of the algorithm to change
        :return: the algorithm; the random generators of the process are as before, but for a
            ``seed`` that is given, and without one those of the file come with
            ``learn(reset_num_timesteps=False)``
        :raises Sb3ScaleError: if the file is damaged, another algorithm's or needs trust, an
            argument is wrong, or a part's package is missing
        """
        check_env(env, needed=False)
        check_device_name("device", device)
        if isinstance(env, str):
            env = gymnasium.make(env)
        checkpoint = Checkpoint.read(path, cls, custom_objects, kwargs, trust)
        file, data = io.BytesIO(checkpoint.content), checkpoint.data
        load = partial(super().load, file, env, device, data, print_system_info, force_reset)
        return checkpoint.make(partial(load, **checkpoint.kwargs))

    def change(self, given: dict[str, Any]) -> None:
        """
        Take other values than those of the checkpoint that the algorithm was loaded from.

        :param given: of :attr:`changed_after_loading`
        """

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """With environments of its own also where ``VecNormalize`` leaves them out of copies."""
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy.__setstate__(copied_state(self, memo))
        return copy

    def __getstate__(self) -> dict[str, Any]:
        """Without what belongs to these very networks; a copy makes its own."""
        return {name: value for name, value in vars(self).items() if name != "training"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.scaled:
            self.training = Training(self)
            give_environment(self)

    def _excluded_save_params(self) -> list[str]:
        own = ["training", "goes_on", "tiny_replay_buffer"]
        excluded = [*super()._excluded_save_params(), *own]
        if self.scaled:
            # Tensors that the library finds in the networks again; on a GPU they could not be read
            # without one.
            return [*excluded, *(name for name in vars(self) if "batch_norm_stats" in name)]
        # The library's own checkpoint; these are at their defaults with its policies.
        unknown = options.not_of(self._library, self.options) - self.stock_defaults.keys()
        return [*excluded, *unknown]

    def get_parameters(self) -> dict[str, dict[str, Any]]:
        """
        :return: see the same method of Stable-Baselines3; optimisers have plain numbers, which
            ``load`` can read
        """
        found = super().get_parameters()
        if not self.scaled:
            return found
        return {
            name: plain_groups(state) if "param_groups" in state else state
            for name, state in found.items()
        }

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names, variables = super()._get_torch_save_params()
        if self.scaled:
            names = [*names, *self.training.saved_optimizers()]
        return names, variables
