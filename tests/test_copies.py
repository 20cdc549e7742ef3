"""Batches with several views of their observations, as DrQ has: K of s, M of s'."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from stable_baselines3.common.logger import configure

from sb3_scale import TD3, Sb3ScaleError, Transform
from sb3_scale.learning.actor_critic import ActorCritic, mean_of_copies
from sb3_scale.learning.batch import Batch, Step
from sb3_scale.learning.transforms import Transform as BaseTransform
from sb3_scale.testing.part_under_test import offered

NETWORK = {"name": "mlp", "width": 8, "norm": "batch"}
SIZE = 5


def views(x: torch.Tensor, copies: int) -> list[torch.Tensor]:
    return [x * (1 + 0.1 * number) for number in range(copies)]


class Views(BaseTransform):
    def __init__(self, copies: int = 2, next_copies: int = 2, forgotten: int = 0) -> None:
        super().__init__()
        self.copies, self.next_copies, self.forgotten = copies, next_copies, forgotten

    def forward(self, batch: Batch) -> Batch:
        return replace(
            batch,
            observations=torch.cat(views(batch.observations, self.copies)),
            next_observations=torch.cat(views(batch.next_observations, self.next_copies)),
            copies=self.copies - self.forgotten,
            next_copies=self.next_copies,
        )


def make(copies: int, next_copies: int, joint_batch: bool, forgotten: int = 0) -> Any:
    params = {"copies": copies, "next_copies": next_copies, "forgotten": forgotten}
    parts = {
        "actor": {"name": "deterministic", "network": {"name": "mlp", "width": 8}},
        "critic": {"name": "ensemble", "network": NETWORK, "joint_batch": joint_batch},
        "transforms": [{"name": "views", **params}],
    }
    with offered(Transform("views", f"{__name__}:Views")):
        model = TD3(
            "ScalePolicy",
            "Pendulum-v1",
            learning_starts=30,
            target_policy_noise=0.0,
            policy_kwargs=parts,
            seed=0,
            device="cpu",
            compile=False,
        )
        model.set_logger(configure(None, []))
        model.learn(40)
    return model


@pytest.mark.parametrize("joint_batch", [False, True], ids=["apart", "joint"])
@pytest.mark.parametrize(("copies", "next_copies"), [(2, 2), (1, 2), (3, 1)])
def test_the_target_is_the_mean_over_copies(
    copies: int, next_copies: int, joint_batch: bool
) -> None:
    model = make(copies, next_copies, joint_batch)
    policy, gamma = model.policy, model.gamma
    batch = replace(model.sample(SIZE), importance_weights=torch.rand(SIZE, 1))
    step = Step(batch)
    losses = ActorCritic(policy, model.make_objective())
    outputs, target = losses.outputs_and_target(step)

    # Each view by itself, but for the statistics of the norms, which see all of them.
    s, s_next = views(batch.observations, copies), views(batch.next_observations, next_copies)
    with torch.no_grad():
        a_next = [policy.actor_target(view) for view in s_next]
        x, a = torch.cat(s), torch.cat([batch.actions] * copies)
        x_next, a_all = torch.cat(s_next), torch.cat(a_next)
        if joint_batch:
            both = torch.cat((x, x_next)), torch.cat((a, a_all))
            expected = policy.critic(*both, training=True)[:, : len(x)]
            q_next = policy.critic_target(*both, training=True)[:, len(x) :]
        else:
            expected = policy.critic(x, a, training=True)
            q_next = policy.critic_target(x_next, a_all)
    targets = []
    for number in range(next_copies):
        q = q_next[:, number * SIZE : (number + 1) * SIZE].min(dim=0).values
        targets.append(batch.rewards + batch.discounts * q)
    mean = sum(targets) / next_copies
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(target, torch.cat([mean] * copies))
    assert gamma == batch.discounts.max()
    # What comes after the critic sees each transition once.
    torch.testing.assert_close(step.features, batch.observations)

    loss, _ = losses.critic_loss(step := Step(batch))
    squares = (expected - torch.cat([mean] * copies)).square()
    torch.testing.assert_close(loss.detach(), 2 * squares.mean())
    errors = (expected - torch.cat([mean] * copies)).abs().mean(dim=0).view(copies, SIZE).mean(0)
    torch.testing.assert_close(step.td_errors, errors)


def test_weights_meet_each_copy() -> None:
    model = make(2, 1, False)
    critic, batch = model.policy.critic, model.sample(SIZE)
    losses = ActorCritic(model.policy, model.make_objective())
    gradients = []
    for row in range(SIZE):
        weights = torch.zeros(SIZE, 1)
        weights[row] = 1.0
        loss, _ = losses.critic_loss(Step(replace(batch, importance_weights=weights)))
        gradients.append(torch.autograd.grad(loss, critic.output.weight)[0])
    loss, _ = losses.critic_loss(Step(batch))
    whole = torch.autograd.grad(loss, critic.output.weight)[0]
    torch.testing.assert_close(sum(gradients), whole)


def test_copies_that_nobody_tells_of() -> None:
    with pytest.raises(Sb3ScaleError, match="gives a tensor"):
        make(3, 1, False, forgotten=1)


def test_kinds_with_other_copies() -> None:
    x = torch.zeros(45, 2)
    batch = Batch(x, x[:9], x[:9], x[:9, :1], x[:9, :1], copies=5)
    assert [shape for shape, _ in batch.kinds(7, 2)] == [(63, 2), (18, 2), (9, 2), (9, 1), (9, 1)]
    torch.testing.assert_close(mean_of_copies(x, 5), x[:9])
