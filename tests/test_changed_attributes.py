"""Attributes that callbacks change during a training; ``test_update_equality`` has what follows."""

import re
from pathlib import Path
from typing import Any

import discrete_models
import pytest
import torch
from small_models import make
from stable_baselines3.common.callbacks import BaseCallback

from sb3_scale import SAC, TD3, Sb3ScaleError


class Change(BaseCallback):
    """Sets attributes of the algorithm at one decision."""

    def __init__(self, at: int, **attributes: Any) -> None:
        super().__init__()
        self.at = at
        self.attributes = attributes

    def _on_step(self) -> bool:
        if self.num_timesteps == self.at:
            vars(self.model).update(self.attributes)
        return True


def changed(model: Any, **attributes: Any) -> Any:
    return model.learn(40, callback=Change(30, **attributes))


def compilations() -> int:
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


def test_the_target_entropy_of_discrete_actions_may_change() -> None:
    """Far above the greatest entropy, alpha rises again."""
    model = discrete_models.make(3).learn(30)
    before = model.log_ent_coef.item()
    assert before < 0
    model.target_entropy = 20.0
    model.learn(10, reset_num_timesteps=False)
    assert model.log_ent_coef.item() > before


SMOOTHING = {"target_policy_noise": 0.7, "target_noise_clip": 0.3}


@pytest.mark.parametrize(
    ("algorithm", "settings", "attributes"),
    [
        (SAC, {}, {"target_entropy": -5.0}),
        (SAC, {"ent_coef": 0.1}, {"ent_coef_tensor": torch.tensor(0.9)}),
        (TD3, {}, SMOOTHING),
        (TD3, {"target_policy_noise": 0.0}, SMOOTHING),
    ],
)
def test_new_values_come_in_the_same_tensors(
    algorithm: Any, settings: dict[str, Any], attributes: dict[str, Any]
) -> None:
    """Those that compiled and captured steps read."""
    model = make(algorithm, **settings).learn(25)
    before = dict(model.training.objective.named_buffers())
    changed(model, **attributes)
    after = dict(model.training.objective.named_buffers())
    assert all(after[name] is each for name, each in before.items())
    expected = [float(value) for value in attributes.values()]
    assert [float(each) for each in after.values()] == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "settings", "attributes"),
    [
        (SAC, {"ent_coef": 0.1}, {"ent_coef_tensor": torch.tensor(0.9)}),
        (TD3, {"target_policy_noise": 0.0, "policy_delay": 1}, SMOOTHING),
    ],
)
def test_nothing_is_compiled_anew(
    algorithm: Any, settings: dict[str, Any], attributes: dict[str, Any]
) -> None:
    before = compilations()
    compiled = changed(make(algorithm, compile=True, **settings), **attributes)
    assert compilations() - before == 2
    eager = changed(make(algorithm, **settings), **attributes)
    for ours, theirs in zip(compiled.policy.parameters(), eager.policy.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_a_tensor_that_was_replaced_keeps_its_value() -> None:
    model = make(SAC, ent_coef=0.1)
    first = model.ent_coef_tensor
    changed(model, ent_coef_tensor=torch.tensor(0.9))
    assert first.item() == pytest.approx(0.1)
    assert model.logger.name_to_value["train/ent_coef"] == pytest.approx(0.9)


def test_a_temperature_that_was_changed_comes_with_the_checkpoint(tmp_path: Path) -> None:
    changed(make(SAC, ent_coef=0.1), ent_coef_tensor=torch.tensor(0.9)).save(tmp_path / "m")
    loaded = SAC.load(tmp_path / "m", device="cpu")
    assert loaded.training.objective.temperature().item() == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("algorithm", "attributes", "sentence"),
    [
        (
            SAC,
            {"log_ent_coef": torch.zeros(1)},
            "log_ent_coef is another tensor than the one that is trained; allowed: a new value in "
            "the same tensor, as model.log_ent_coef.data.fill_(-1.0) gives it",
        ),
        (
            SAC,
            {"target_entropy": "auto_0.5"},
            "target_entropy is 'auto_0.5' in the training; allowed: a finite number",
        ),
        (
            TD3,
            {"target_policy_noise": -0.1},
            "target_policy_noise is -0.1; allowed: a number, at least 0, and finite",
        ),
    ],
)
def test_what_cannot_be_used_is_told(
    algorithm: Any, attributes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Sb3ScaleError, match=f"^{re.escape(sentence)}$"):
        changed(make(algorithm), **attributes)


def test_statistics_of_returns_follow_gamma() -> None:
    """Without a discount the return is the reward, and its size that of rewards."""
    model = make(SAC, parts={"transforms": ["reward-scale"]})
    scale = model.policy.transforms[0]
    changed(model, gamma=0.0)
    scale.count.zero_()
    model.learn(100, reset_num_timesteps=False)
    rewards = torch.from_numpy(model.replay_buffer.rewards[40:140]).double()
    torch.testing.assert_close(scale.variance, rewards.var(correction=0))
