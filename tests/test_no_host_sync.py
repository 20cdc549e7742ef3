"""A gradient step never waits for the device: no operator in it reads a tensor on the host."""

from typing import Any

import gymnasium
import pytest
import rivals
import small_models
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import sb3_scale
from sb3_scale.learning.update import MetricsLog

READS = {"aten::_local_scalar_dense", "aten::item", "aten::equal", "aten::is_nonzero"}
READS |= {"aten::nonzero", "aten::masked_select", "aten::unique2"}
"""Operators whose result, or its shape, must reach the host."""


class Recorder(TorchDispatchMode):
    """Names of the operators that ran."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.name().split(".")[0])
        return func(*args, **(kwargs or {}))


NETWORK = {"name": "modern", "width": 16, "inner_width": 32, "depth": 2}
SPECTRAL = {"network": NETWORK, "constraint": "spectral"}


@pytest.mark.parametrize(
    ("algorithm", "actor"),
    [
        ("SAC", "squashed-gaussian"),
        ("SAC", "conditional-flow"),
        ("SAC", "variational"),
        ("TD3", "deterministic"),
    ],
)
@pytest.mark.parametrize("loss", ["mse", "adaptive-asymmetric"])
@pytest.mark.parametrize("parts", [{}, SPECTRAL], ids=["defaults", "spectral"])
@pytest.mark.parametrize("max_grad_norm", [None, 1.0])
def test_gradient_step_reads_nothing(
    algorithm: str, actor: str, parts: dict[str, Any], loss: str, max_grad_norm: float | None
) -> None:
    model = getattr(sb3_scale, algorithm)(
        "ScalePolicy",
        gymnasium.make("Pendulum-v1"),
        learning_starts=20,
        max_grad_norm=max_grad_norm,
        policy_kwargs={
            "actor": {"name": actor, **parts},
            "critic": {"name": "ensemble", **parts},
            "loss": loss,
        },
    )
    model.learn(25)
    with Recorder() as recorder:
        model.training.update.step(model.sample(8), model.policy_delay, MetricsLog())
    assert len(recorder.names) > 50
    assert not READS & set(recorder.names)


def test_exploration_and_quantiles_read_nothing() -> None:
    model = sb3_scale.SAC(
        "ScalePolicy",
        gymnasium.make("Pendulum-v1"),
        learning_starts=20,
        policy_kwargs={
            "actor": {"name": "optimistic", "network": {"name": "bronet", "width": 16}},
            "critic": {
                "name": "ensemble",
                "value": {"name": "quantiles", "n_quantiles": 5},
                "reduction": "mean",
            },
        },
    )
    model.learn(25)
    with Recorder() as recorder:
        model.training.update.step(model.sample(8), 1, MetricsLog())
    assert "aten::std_mean" in recorder.names or "aten::std" in recorder.names
    assert not READS & set(recorder.names)


@pytest.mark.parametrize("name", ["xqc", "simba", "simbav2", "flashsac", "brc"])
def test_the_settings_of_other_papers_read_nothing(name: str) -> None:
    model = rivals.narrow(name, learning_starts=20).learn(25)
    with Recorder() as recorder:
        model.training.update.step(model.sample(8), model.policy_delay, MetricsLog())
    assert not READS & set(recorder.names)


@pytest.mark.parametrize("algorithm", [sb3_scale.SAC, sb3_scale.TD3])
def test_an_extractor_and_priorities_read_nothing(algorithm: Any) -> None:
    model = small_models.make(
        algorithm, extractor=small_models.OFENET, replay_buffer_class="prioritized"
    )
    model.learn(25)
    batch = model.sample(8)
    with Recorder() as recorder:
        model.training.update.step(batch, 2, MetricsLog())
    assert not READS & set(recorder.names)
    # An index of Python numbers would be copied to the device.
    assert "aten::index" not in recorder.names


def test_the_recorder_sees_a_read() -> None:
    with Recorder() as recorder:
        torch.ones(3).sum().item()
    assert READS & set(recorder.names)
