"""Resets of networks and optimisers, with the replay buffer kept."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from torch import nn

from sb3_scale.errors import Sb3ScaleError, check_at_least, suggestion
from sb3_scale.learning.soft import Temperature
from sb3_scale.learning.update import Learner
from sb3_scale.nn.linear import linear_layers
from sb3_scale.notices import notice
from sb3_scale.policies import ScalePolicy

INTERVAL = 80_000


class Reset(BaseCallback):
    """
    Gives networks new weights and forgets the state of their optimisers, again and again.

    The unit is decisions, the environment steps that Stable-Baselines3 counts: with
    ``action_repeat: 2`` one decision is two steps of the simulation. A reset comes after the
    gradient steps of its decision and before the next action; with ``train_freq`` above one or
    several environments, at the first such moment that is not earlier. None comes at the end of a
    run. New weights are drawn from the present state of PyTorch's random numbers, targets become
    copies of them, running statistics of norms begin anew, and the temperature returns to its
    initial value; what is trained alone before the first gradient step is so again. Replay buffer,
    counters and learning-rate schedules go on, and what was frozen with ``requires_grad_(False)``
    stays, a part that is frozen as a whole with its statistics.

    Sources: D'Oro et al., "Sample-Efficient Reinforcement Learning by Breaking the Replay Ratio
    Barrier", ICLR 2023 (SR-SAC): every 2,560,000 gradient steps, which are 80,000 decisions with 32
    gradient steps each; Nauman et al., "Bigger, Regularized, Optimistic", 2024 (BRO): after 15k,
    50k, 250k, 500k, 750k and 1M environment steps. The released code of both returns to the weights
    that the run began with instead of drawing new ones.

    A checkpoint keeps the count, so that ``learn(..., reset_num_timesteps=False)`` goes on with the
    next reset. A ``learn`` that counts its steps from zero, such as RL-Zoo's ``--trained-agent``,
    counts resets from zero too. A run that is too short for its first reset says so in one line,
    and has none.

    :param interval: decisions from one reset to the next; 80000 if neither it nor ``at`` is given
    :param at: the decisions to reset at instead, increasing; those beyond the run are without
        effect
    :param parts: names of what learners train, such as ``actor``, ``critic``, ``extractor`` and the
        temperature ``ent_coef``, and ``loss``; all if null
    """

    model: Any

    def __init__(
        self,
        interval: int | None = None,
        at: list[int] | None = None,
        parts: list[str] | None = None,
    ) -> None:
        super().__init__()
        if interval is not None and at is not None:
            raise ValueError(f"interval is {interval} and at is {at}; allowed: one of the two")
        if interval is not None:
            check_at_least(1, interval=interval)
        if at is not None and (not at or at[0] < 1 or sorted(set(at)) != at):
            raise ValueError(f"at is {at}; allowed: whole numbers, at least 1, increasing")
        if parts == []:
            raise ValueError("parts is empty; allowed: at least one name, or null for all")
        self.interval = INTERVAL if interval is None else interval
        self.at = at
        self.parts = parts

    def _on_training_start(self) -> None:
        policy = self.model.policy
        if not isinstance(policy, ScalePolicy):
            raise Sb3ScaleError(
                f"callback 'reset' cannot reset {type(policy).__name__}; allowed: policy: "
                "ScalePolicy"
            )
        total = self.model._total_timesteps
        first = self.interval if self.at is None else self.at[0]
        if first >= total:
            given = f"interval is {self.interval}" if self.at is None else f"at is {self.at}"
            notice(f"no reset: {given} and the run has {total} steps")
        known = {"loss", *(name for each in self.model.learners for name in each.modules)}
        for part in self.parts or ():
            if part not in known:
                raise Sb3ScaleError(f"reset parts has '{part}'{suggestion(part, known)}")
        steps = self.model.num_timesteps
        # Kept on the model, so that checkpoints have it: one that was written after a decision and
        # before its reset must make up for it.
        self._checked = min(getattr(self.model, "reset_checked_at", steps), steps)

    def _on_rollout_start(self) -> None:
        steps = self.model.num_timesteps
        if self._passed(steps) > self._passed(self._checked):
            self._reset()
        self._checked = self.model.reset_checked_at = steps
        self.logger.record("reset/count", self._passed(steps))

    def _on_step(self) -> bool:
        return True

    def _passed(self, steps: int) -> int:
        """Number of resets up to and including this decision."""
        return steps // self.interval if self.at is None else bisect_right(self.at, steps)

    def _reset(self) -> None:
        policy, learners = self.model.policy, list(self.model.learners)
        fresh = type(policy)(**policy._get_constructor_parameters())
        if self._chosen("loss"):
            self._renew(policy.loss, fresh.loss)
        begun = [learner for learner in learners if any(map(self._chosen, learner.modules))]
        for learner in begun:
            for name in filter(self._chosen, learner.modules):
                self._reset_module(learner, name, fresh)
        self.model.training.pretrain(begun, self.model.batch_size)

    def _chosen(self, part: str) -> bool:
        return self.parts is None or part in self.parts

    def _reset_module(self, learner: Learner, name: str, fresh: ScalePolicy) -> None:
        module = learner.modules[name]
        if isinstance(module, Temperature):
            self._reset_temperature(module)
            return
        path = next(path for path, each in self.model.policy.named_modules() if each is module)
        new = fresh.get_submodule(path)
        if self._renew(module, new) and name in learner.targets:
            learner.targets[name].load_state_dict(module.state_dict())

    @th.no_grad()
    def _renew(self, module: nn.Module, new: nn.Module) -> bool:
        """Whether anything of it was not frozen."""
        frozen = _frozen(module, new)
        trained = [each for each in module.parameters() if each.requires_grad]
        if frozen and not trained:
            return False
        kept = [each.clone() for each in frozen]
        module.load_state_dict(new.state_dict())
        for each, before in zip(frozen, kept, strict=True):
            each.copy_(before)
        self._forget(trained)
        return True

    @th.no_grad()
    def _reset_temperature(self, temperature: Temperature) -> None:
        if not temperature.log_ent_coef.requires_grad:
            return
        _, _, initial = self.model.ent_coef.partition("_")
        temperature.log_ent_coef.fill_(float(initial or 1.0)).log_()
        self._forget([temperature.log_ent_coef])

    def _forget(self, parameters: Iterable[th.Tensor]) -> None:
        """Drop these parameters from the state of all optimisers."""
        for parameter in parameters:
            for learner in self.model.learners:
                learner.optimizer.state.pop(parameter, None)


def _frozen(module: nn.Module, new: nn.Module) -> list[th.Tensor]:
    """Of a part, the parameters that a user froze, and what constraints know of such weights."""
    pairs = zip(module.parameters(), new.parameters(), strict=True)
    parameters = [ours for ours, theirs in pairs if theirs.requires_grad and not ours.requires_grad]
    frozen = {id(each) for each in parameters}
    layers = [layer for layer in linear_layers(module) if id(layer.weight) in frozen]
    return [*parameters, *(buffer for layer in layers for buffer in layer.buffers())]
