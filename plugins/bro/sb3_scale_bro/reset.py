"""Resets of networks and optimisers, with the replay buffer kept."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.save_util import recursive_getattr

from sb3_scale.errors import Sb3ScaleError, check_at_least, suggestion
from sb3_scale.policies import ScalePolicy

PARTS = ("actor", "critic", "extractor", "loss", "temperature")
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
    initial value. Replay buffer, counters and learning-rate schedules go on.

    Sources: D'Oro et al., "Sample-Efficient Reinforcement Learning by Breaking the Replay Ratio
    Barrier", ICLR 2023 (SR-SAC): every 2,560,000 gradient steps, which are 80,000 decisions with 32
    gradient steps each; Nauman et al., "Bigger, Regularized, Optimistic", 2024 (BRO): after 15k,
    50k, 250k, 500k, 750k and 1M environment steps. The released code of both returns to the weights
    that the run began with instead of drawing new ones.

    A checkpoint keeps the count, so that ``learn(..., reset_num_timesteps=False)`` goes on with the
    next reset. A ``learn`` that counts its steps from zero, such as RL-Zoo's ``--trained-agent``,
    counts resets from zero too. A run that would end before the first reset is refused.

    :param interval: decisions from one reset to the next; 80000 if neither it nor ``at`` is given
    :param at: the decisions to reset at instead, increasing; those beyond the run are without
        effect
    :param parts: of ``actor``, ``critic``, ``extractor``, ``loss`` and ``temperature``, all if null
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
        for part in parts or ():
            if part not in PARTS:
                raise ValueError(f"parts has '{part}'{suggestion(part, PARTS)}")
        if parts == []:
            raise ValueError(f"parts is empty{suggestion('', PARTS)}")
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
            raise Sb3ScaleError(
                f"reset {given} and the run has {total} steps; allowed: below {total}"
            )
        if self.parts and "temperature" in self.parts and not self._has_temperature():
            raise Sb3ScaleError(
                "reset parts has 'temperature', and this agent learns none; allowed: "
                + ", ".join(PARTS[:-1])
            )
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
        policy = self.model.policy
        fresh = type(policy)(**policy._get_constructor_parameters())
        for part in self.parts or PARTS:
            if part == "temperature":
                self._reset_temperature()
                continue
            for name in (part, f"{part}_target"):
                module = getattr(policy, name, None)
                if module is not None:
                    module.load_state_dict(getattr(fresh, name).state_dict())
            self._forget(getattr(policy, part).parameters())
        if policy.learns_apart and "extractor" in (self.parts or PARTS):
            self.model.pretrain_extractor(self.model.batch_size)

    def _has_temperature(self) -> bool:
        return getattr(self.model, "log_ent_coef", None) is not None

    @th.no_grad()
    def _reset_temperature(self) -> None:
        if self._has_temperature():
            _, _, initial = self.model.ent_coef.partition("_")
            self.model.log_ent_coef.fill_(float(initial or 1.0)).log_()
            self._forget([self.model.log_ent_coef])

    def _forget(self, parameters: Iterable[th.Tensor]) -> None:
        """Drop these parameters from the state of all optimisers that a checkpoint holds."""
        names, _ = self.model._get_torch_save_params()
        held = [recursive_getattr(self.model, name) for name in names]
        optimizers = [each for each in held if isinstance(each, th.optim.Optimizer)]
        for parameter in parameters:
            for optimizer in optimizers:
                optimizer.state.pop(parameter, None)
