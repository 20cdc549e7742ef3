"""What trains a policy: its learners, the update that they make up, and who runs it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

from stable_baselines3.common.utils import update_learning_rate

from sb3_scale.algorithms.compilation import Compilation
from sb3_scale.algorithms.experience import Experience
from sb3_scale.algorithms.pretraining import pretrain
from sb3_scale.algorithms.replaced_train import ReplacedTrain
from sb3_scale.algorithms.schedules import rate_at, schedule
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.execution.choice import choose_runner, compile_losses, round_products
from sb3_scale.execution.matmul_precision import exact_fast_matmul
from sb3_scale.execution.runner import EagerRunner, check_finite
from sb3_scale.learning.actor_critic import ActorCritic
from sb3_scale.learning.batch import Batch
from sb3_scale.learning.bound import Bound
from sb3_scale.learning.sampling import sample
from sb3_scale.learning.target import Target
from sb3_scale.learning.update import Both, Every, Learner, Update, unique_names
from sb3_scale.parts import build
from sb3_scale.policies import synced_buffers
from sb3_scale.replay.weighted import has_priorities

if TYPE_CHECKING:
    from sb3_scale.algorithms.base import ScaleAlgorithm


class Learners(SimpleNamespace):
    """The learners by name, in the order in which a gradient step takes them."""

    def __iter__(self) -> Iterator[Learner]:
        return iter(vars(self).values())


class Training:
    """
    Made of the policy and the options of one algorithm, and of nothing else: a copy of the
    algorithm makes its own.

    :param model: the algorithm, with policy and optimisers
    :raises Sb3ScaleError: if the parts do not fit
    """

    def __init__(self, model: "ScaleAlgorithm") -> None:
        self.model = model
        policy = model.policy
        self.objective = model.make_objective()
        self.actor_critic = ActorCritic(policy, self.objective)
        self.learners = Learners(**unique_names(self._make_learners()))
        self._set_schedules()
        self._reads_transitions = any(each.reads_transitions for each in self.learners)
        self.update = Update(
            list(self.learners),
            [
                Target(learner.modules[name], copy, synced_buffers)
                for learner in self.learners
                for name, copy in learner.targets.items()
            ],
            Every(model, model.target_interval),
            model,
        )
        self.compilation = Compilation(model)
        self.make_runner = choose_runner(
            model.device, model.capture, has_priorities(model.replay_buffer_class)
        )
        self._bind(Bound(self.update.learners, model.library_optimizers()))
        self.collector = build("collector", model.collector)
        self.collector.bind(model, [learner.optimizer for learner in self.learners])
        self.replaced_train: ReplacedTrain | None = None
        self.experience = Experience(model, self.objective, self.collector.own_environments)
        self._bind_transforms()

    def _bind(self, bound: Bound) -> None:
        """Have steps run as the options say, on what is bound."""
        model, self._bound = self.model, bound
        if model.autocast:
            round_products(self.learners, model.device)
        if self.compilation.on:
            compile_losses(self.learners, model.verbose >= 1, self.compilation.asked)
        self.runner = self.make_runner(EagerRunner(self.update, model))

    def _bind_anew(self) -> bool:
        """
        Notice what the user froze, or which optimisers they put in place.

        :return: whether anything changed since the last time
        """
        optimizers = self.model.library_optimizers()
        if self._bound.still_holds(optimizers):
            return False
        self.compilation.unbind()
        self._bind(self._bound.replaced(optimizers))
        return True

    def _make_learners(self) -> Iterable[Learner]:
        model, policy = self.model, self.model.policy
        yield from policy.extractor.learners(policy)
        modules = {"critic": policy.critic}
        if policy.critic_trains_extractor:
            modules["extractor"] = policy.extractor
        yield Learner(
            "critic",
            modules,
            policy.critic.optimizer,
            self.actor_critic.critic_loss,
            targets=policy.targets_of(modules),
            clipped=True,
        )
        yield from policy.critic.learners(policy)
        yield from policy.loss.learners(policy)
        modules = {"actor": policy.actor}
        actor = Learner(
            "actor",
            modules,
            policy.actor.optimizer,
            self.actor_critic.actor_loss,
            due=Every(model, "policy_delay"),
            targets=policy.targets_of(modules),
            clipped=True,
        )
        yield actor
        for learner in (*policy.actor.learners(policy), *model.own_learners(self.objective)):
            yield replace(learner, due=Both(actor.due, learner.due))

    def _set_schedules(self) -> None:
        """Those of the learners that the user gave rates of their own."""
        for name, rate in self.model.own_learning_rates().items():
            if rate is not None:
                delay = 1 if name == "critic" else self.model.policy_delay
                found = schedule(f"{name}_learning_rate", rate, delay=delay)
                if name in vars(self.learners):
                    vars(self.learners)[name].schedule = found

    def _bind_transforms(self) -> None:
        policy, self._gamma = self.model.policy, self.model.gamma
        named = policy.parts["transforms"] or ()
        for transform, part in zip(policy.transforms, named, strict=True):
            try:
                transform.bind(self._gamma, policy.critic.value.value_range)
            except ValueError as error:
                raise Sb3ScaleError(f"transform {shown(part)}: {error}") from None

    def saved_optimizers(self) -> list[str]:
        """
        :return: paths from the algorithm to the optimisers that Stable-Baselines3 does not save
        """
        seen = {id(optimizer) for optimizer in self._bound.named}
        names = []
        for learner in self.learners:
            if id(learner.optimizer) not in seen:
                seen.add(id(learner.optimizer))
                names.append(f"learners.{learner.name}.optimizer")
        return names

    def train(self, gradient_steps: int, batch_size: int) -> None:
        """
        Take gradient steps, or have the collector take them later.

        :param gradient_steps: their number
        :param batch_size: transitions per batch
        :raises Sb3ScaleError: if a loss is not finite
        """
        model = self.model
        self.objective.follow(model)
        if model.gamma != self._gamma:
            self._bind_transforms()
        first = model._n_updates == 0
        pretrains = first and any(each.pretraining_steps > 0 for each in self.learners)
        if self.compilation.begins(gradient_steps, at_once=pretrains):
            self._bind(self._bound.replaced(model.library_optimizers()))
        self.experience.calibrate()
        self._set_learning_rates()
        if first:
            self.pretrain(self.learners, batch_size)
        batches = (self.sample(batch_size) for _ in range(gradient_steps))
        self.collector.update(model, self._take, batches)

    def _take(self, batches: Iterable[Batch]) -> None:
        model = self.model
        if self._bind_anew():
            self._set_learning_rates()
        with exact_fast_matmul(model.device):
            done = self.runner.run(batches, model._n_updates)
        model._n_updates = done.n_updates
        metrics = done.metrics.means()
        check_finite(metrics, done.n_updates, done.step, model.logger.dir)
        model.logger.record("train/n_updates", done.n_updates, exclude="tensorboard")
        for name, value in metrics.items():
            model.logger.record(f"train/{name}", value)

    def sample(self, batch_size: int) -> Batch:
        """
        :param batch_size: number of transitions
        :return: drawn from the replay buffer
        """
        model = self.model
        return sample(
            model.replay_buffer,
            batch_size,
            model.gamma,
            model._vec_normalize_env,
            model._current_progress_remaining,
            self._reads_transitions,
        )

    def _set_learning_rates(self) -> None:
        """The common rate, then those of learners that have a schedule of their own."""
        model, progress = self.model, self.model._current_progress_remaining
        model._update_learning_rate(self._bound.named)
        for learner in self.learners:
            if learner.schedule is not None:
                rate = rate_at(f"{learner.name}_learning_rate", learner.schedule, progress)
                update_learning_rate(learner.optimizer, rate)
                model.logger.record(f"train/{learner.name}_learning_rate", rate)

    def pretrain(self, learners: Iterable[Learner], batch_size: int) -> None:
        """
        Take the steps that learners take alone. Their targets then begin where they end.

        :param learners: of which those with ``pretraining_steps`` are trained
        :param batch_size: transitions per step
        :raises Sb3ScaleError: if a loss is not finite
        """
        self._bind_anew()
        for learner in learners:
            pretrain(self.model, learner, batch_size)
