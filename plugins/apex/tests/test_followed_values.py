"""Collectors that compute priorities follow what callbacks change of the objective."""

from typing import Any

import pytest
import small_models
import torch

from sb3_scale import SAC, TD3
from sb3_scale_apex.weights import Networks


@pytest.mark.parametrize(
    ("algorithm", "settings", "attributes"),
    [
        (SAC, {"ent_coef": 0.1}, {"ent_coef_tensor": torch.tensor(0.9)}),
        (TD3, {}, {"target_policy_noise": 0.7, "target_noise_clip": 0.3}),
    ],
)
def test_values_come_with_the_weights(
    algorithm: Any, settings: dict[str, Any], attributes: dict[str, Any]
) -> None:
    model = small_models.make(algorithm, **settings).learn(25)
    ours = Networks(model.policy, model.training.objective, judges=True)
    theirs = ours.copy([learner.optimizer for learner in model.learners])
    vars(model).update(attributes)
    model.train(1, 16)
    found = [float(each) for each in theirs.objective.buffers()]
    assert found != pytest.approx([float(each) for each in attributes.values()])
    theirs.load(ours.snapshot())
    found = [float(each) for each in theirs.objective.buffers()]
    assert found == pytest.approx([float(each) for each in attributes.values()])
