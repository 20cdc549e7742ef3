"""The asymmetric losses against numpy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.parts import build
from sb3_scale.testing import check_component


@pytest.mark.parametrize("name", ["asymmetric", "adaptive-asymmetric"])
def test_contract(name: str) -> None:
    check_component("loss", name)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("own_targets", [False, True])
def test_section_3_4(alpha: float, own_targets: bool) -> None:
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(3, 11, 1))
    target = rng.normal(size=(3, 11, 1) if own_targets else (11, 1))
    expected = 0.0
    for member in range(3):
        for row in range(11):
            y = target[member, row, 0] if own_targets else target[row, 0]
            d = outputs[member, row, 0] - y
            expected += (alpha * max(0, d) ** 2 + (1 - alpha) * min(0, d) ** 2) / 11
    loss = build("loss", {"name": "asymmetric", "alpha": alpha})
    found = loss(torch.from_numpy(outputs), torch.from_numpy(target))
    assert float(found) == pytest.approx(expected, rel=1e-12)


def gradient(loss: Any, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    outputs = outputs.clone().requires_grad_()
    return torch.autograd.grad(loss(outputs, target), outputs)[0]


def test_one_half_has_half_of_ddpgs_gradient() -> None:
    torch.manual_seed(0)
    outputs, target = torch.randn(1, 64, 1), torch.randn(64, 1)
    found = gradient(build("loss", {"name": "asymmetric", "alpha": 0.5}), outputs, target)
    ddpg = gradient(lambda q, y: functional.mse_loss(q[0], y), outputs, target)
    torch.testing.assert_close(found, ddpg / 2)


def test_one_half_under_sac_is_its_squared_error() -> None:
    """Half of it is in either loss; no other factor is put on the asymmetric one."""
    losses = []
    for loss in ("mse", {"name": "asymmetric", "alpha": 0.5}):
        model = SAC(
            "ScalePolicy", "Pendulum-v1", policy_kwargs={"loss": loss}, buffer_size=10, device="cpu"
        )
        torch.manual_seed(0)
        outputs, target = torch.randn(2, 64, 1), torch.randn(64, 1)
        losses.append(model.training.objective.critic_loss(model.policy, outputs, target))
    torch.testing.assert_close(*losses)


def test_alpha_near_one_punishes_overestimation() -> None:
    """Fitted to noisy targets, the critic settles below their mean; near 0, above it."""
    torch.manual_seed(0)
    target = torch.randn(10_000, 1)
    settled = {}
    for alpha in (0.05, 0.5, 0.95):
        loss = build("loss", {"name": "asymmetric", "alpha": alpha})
        q = torch.zeros(())
        for _ in range(200):
            q = q - 0.5 * gradient(loss, q.expand(1, 10_000, 1), target).sum()
        settled[alpha] = float(q)
    assert settled[0.95] < -0.5 < 0.5 < settled[0.05]
    assert abs(settled[0.5]) < 0.03


@pytest.mark.parametrize("alpha", [0, 1, -0.2, 1.5])
def test_alpha_outside_of_its_range(alpha: float) -> None:
    parts = {"loss": {"name": "asymmetric", "alpha": alpha}}
    with pytest.raises(Sb3ScaleError, match=r"alpha is .*; allowed: between 0 and 1"):
        TD3("ScalePolicy", "Pendulum-v1", policy_kwargs=parts, device="cpu")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"initial": 0.2}, "initial is 0.2; allowed: from minimum, 0.4, to maximum, 0.9"),
        ({"maximum": 1.0}, "maximum is 1.0; allowed: between 0 and 1"),
        ({"minimum": 0.8, "maximum": 0.4}, "minimum is 0.8; allowed: below maximum, 0.4"),
        ({"rate": 0.0}, "rate is 0.0; allowed: above 0, and finite"),
        ({"rate": float("nan")}, "rate is nan; allowed: numbers of 64 bits, not nan"),
        ({"target_bias": float("inf")}, "target_bias is inf; allowed: finite numbers"),
    ],
)
def test_bad_parameters_of_the_adaptive_loss(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(Sb3ScaleError, match=message):
        build("loss", {"name": "adaptive-asymmetric", **parameters})


def test_calibration_by_hand() -> None:
    parameters = {"initial": 0.5, "rate": 0.2, "target_bias": 0.1}
    loss = build("loss", {"name": "adaptive-asymmetric", **parameters})
    rng = np.random.default_rng(0)
    seen, logit = np.empty((2, 0)), 0.0
    for unit, pairs in ((0.1, 50), (1.0, 1000), (3.0, 200)):
        episode = unit * np.stack((rng.normal(3, 1, pairs), rng.normal(1, 2, pairs)))
        values, returns = episode
        scale = np.sqrt(np.mean((seen if seen.size else episode) ** 2))
        seen = np.concatenate((seen, episode), axis=1)
        bias = (values - returns).mean() / scale
        logit = np.clip(logit + 0.2 * pairs / 1000 * (bias - 0.1), np.log(4 / 6), np.log(9))
        figures = loss.calibrate(torch.tensor(values), torch.tensor(returns))
        assert float(figures["bias"]) == pytest.approx(bias)
        assert float(figures["alpha"]) == pytest.approx(1 / (1 + np.exp(-logit)))
    outputs, target = torch.tensor([[[2.0]]]), torch.tensor([[1.0]])
    assert float(loss(outputs, target)) == pytest.approx(1 / (1 + np.exp(-logit)))


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_one_large_return_outweighs_many_small_ones(unit: float) -> None:
    wide = {"minimum": 1e-9, "maximum": 1 - 1e-9}
    loss = build("loss", {"name": "adaptive-asymmetric", **wide})
    rng = np.random.default_rng(0)
    biases = []
    for _ in range(4000):
        # Right on average: one episode in ten earns what ten values promise.
        returns = torch.full((1000,), 10 * unit * (rng.random() < 0.1))
        biases.append(float(loss.calibrate(torch.full((1000,), unit), returns)["bias"]))
    assert abs(np.mean(biases)) < 3 * np.std(biases) / np.sqrt(len(biases))


def test_bounds_and_checkpoints() -> None:
    loss = build("loss", "adaptive-asymmetric")
    high, low = torch.full((1000,), 5.0), torch.zeros(1000)
    for _ in range(100):
        figures = loss.calibrate(high, low)
    assert float(figures["alpha"]) == pytest.approx(0.9)
    again = build("loss", "adaptive-asymmetric")
    again.load_state_dict(loss.state_dict())
    assert float(again.mean_square) == pytest.approx(12.5)
    for _ in range(100):
        figures = again.calibrate(low, high)
    assert float(figures["alpha"]) == pytest.approx(0.4)
    assert torch.isfinite(again.calibrate(low, low)["alpha"])
    nothing = build("loss", "adaptive-asymmetric").calibrate(low, low)
    assert float(nothing["bias"]) == 0


def test_entropy_and_returns_over_several_steps_do_not_go_together(tmp_path: Path) -> None:
    parts = {"loss": "adaptive-asymmetric"}
    settings: dict[str, Any] = {"n_steps": 3, "policy_kwargs": parts, "device": "cpu"}
    with pytest.raises(Sb3ScaleError, match="n_steps is 3, and loss 'adaptive-asymmetric' compare"):
        SAC("ScalePolicy", "Pendulum-v1", **settings)
    several = SAC("ScalePolicy", "Pendulum-v1", backup_entropy=False, **settings)
    several.learn(20).save_replay_buffer(tmp_path / "buffer")
    one = SAC("ScalePolicy", "Pendulum-v1", **{**settings, "n_steps": 1})
    with pytest.raises(
        Sb3ScaleError, match="gives returns over 3 steps, and that of the algorithm"
    ):
        one.load_replay_buffer(tmp_path / "buffer")


def test_compiled_losses_read_alpha_anew() -> None:
    loss = build("loss", "adaptive-asymmetric")
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    outputs, target = torch.full((1, 4, 1), 2.0), torch.zeros(4, 1)
    for values in (5.0, -5.0):
        loss.calibrate(torch.full((900,), values), torch.zeros(900))
        alpha = float(loss.logit.sigmoid())
        assert alpha != 0.5
        assert float(compiled(outputs, target)) == pytest.approx(4 * alpha)
        loss.logit.zero_()
