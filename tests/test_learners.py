"""What a part brings to be trained: when it is due, its optimiser in checkpoints, its name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import SMALL, assert_same, make

from sb3_scale import SAC, Actor, Sb3ScaleError
from sb3_scale.learning.batch import Step
from sb3_scale.learning.update import Learner, Metrics
from sb3_scale.nn.actors import SquashedGaussianActor
from sb3_scale.nn.base import Part
from sb3_scale.testing.part_under_test import offered


class Count(Part):
    """A number that its learner moves."""

    def __init__(self) -> None:
        super().__init__()
        self.number = torch.nn.Parameter(torch.zeros(()))


class CountingActor(SquashedGaussianActor):
    """Counts its own steps by plain gradient descent: one every other step of the actor."""

    label = "count"

    def __init__(self, features_dim: int, action_dim: int) -> None:
        super().__init__(features_dim, action_dim, network=SMALL)
        self.count = Count()
        self.counter = torch.optim.Adam(self.count.parameters(), lr=1.0, betas=(0.0, 0.0), eps=0.0)

    def learners(self, policy: Any) -> Iterator[Learner]:
        def loss(step: Step) -> tuple[torch.Tensor, Metrics]:
            return -self.count.number, {}

        modules = {"count": self.count}
        yield Learner(self.label, modules, self.counter, loss, due=lambda n: n % 4 == 0)


class NamedAsTheCritic(CountingActor):
    """Its learner has a name that is taken."""

    label = "critic"


def spec(kind: type) -> Actor:
    return Actor("counting", f"{__name__}:{kind.__name__}", summary="Counts.")


def test_a_parts_learner_is_due_with_its_part_and_saved(tmp_path: Path) -> None:
    with offered(spec(CountingActor)):
        model = make(SAC, parts={"actor": "counting"}, policy_delay=2).learn(60)
        assert [learner.name for learner in model.learners] == [
            "critic", "actor", "count", "ent_coef",
        ]  # fmt: skip
        assert model._n_updates == 40
        # The optimiser of the actor holds the number too, and its loss does not depend on it.
        assert model.policy.actor.count.number.item() == pytest.approx(10)
        model.save(tmp_path / "model")
        loaded = SAC.load(tmp_path / "model", device="cpu")
    assert "learners.count.optimizer" in loaded.get_parameters()
    assert_same(loaded.get_parameters(), model.get_parameters(), "parameters")


def test_two_learners_of_one_name() -> None:
    with offered(spec(NamedAsTheCritic)), pytest.raises(Sb3ScaleError) as raised:
        make(SAC, parts={"actor": "counting"})
    assert str(raised.value) == "two learners of the policy are named 'critic'; allowed: one"
