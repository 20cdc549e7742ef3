"""What collectors judge with goes to their device as a whole; ``meta`` stands for another one."""

from typing import Any

import pytest
import torch
from small_models import make

from sb3_scale import SAC, TD3
from sb3_scale_apex.weights import Networks


@pytest.mark.parametrize(
    ("algorithm", "settings"), [(SAC, {"ent_coef": 0.1}), (SAC, {}), (TD3, {})], ids=str
)
def test_a_copy_moves_with_all_that_its_objective_holds(
    algorithm: Any, settings: dict[str, Any]
) -> None:
    model = make(algorithm, **settings)
    ours = Networks(model.policy, model.training.objective, judges=True)
    theirs = ours.copy([learner.optimizer for learner in model.learners])
    theirs.policy.to("meta")
    theirs.objective.to("meta")
    with torch.no_grad():
        chosen = theirs.objective.next_actions(theirs.policy, torch.zeros(4, 3, device="meta"))
    devices = {each.device.type for each in chosen if each is not None}
    assert devices == {"meta"}
    held = [*model.policy.parameters(), *model.training.objective.buffers()]
    assert {each.device.type for each in held} == {"cpu"}
