"""The effective rank against numbers known beforehand, and in a training."""

from typing import Any

import numpy as np
import pytest
import torch

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.diagnostics.replay import replay_batch
from sb3_scale.diagnostics.singular_values import singular_values
from sb3_scale.parts import build
from sb3_scale.testing import check_component
from sb3_scale_densenet.effective_rank import rank_of

NETWORK = {"name": "densenet", "width": 8, "depth": 2}


def with_singular_values(values: list[float], rows: int, columns: int) -> torch.Tensor:
    rng = np.random.default_rng(0)
    left, _ = np.linalg.qr(rng.normal(size=(rows, len(values))))
    right, _ = np.linalg.qr(rng.normal(size=(columns, len(values))))
    return torch.from_numpy(left @ np.diag(values) @ right.T)


@pytest.mark.parametrize(
    ("values", "delta", "rank"),
    [
        ([1.0, 1.0, 1.0, 1.0], 0.01, 4),
        ([1.0, 1.0, 1.0, 1.0], 0.3, 3),
        # 9 / 10 is below 0.95 and 9.6 / 10 is not.
        ([9.0, 0.6, 0.4], 0.05, 2),
        ([99.5, 0.5], 0.01, 1),
        ([98.0, 2.0], 0.01, 2),
        ([3.0], 0.01, 1),
    ],
)
def test_rank(values: list[float], delta: float, rank: int) -> None:
    features = with_singular_values(values, 20, 10)
    both = torch.stack((features, with_singular_values([5.0], 20, 10)))
    assert rank_of(singular_values(both), delta).tolist() == [rank, 1]


def test_dead_features_have_no_rank() -> None:
    assert rank_of(singular_values(torch.zeros(2, 20, 10)), 0.01).tolist() == [0, 0]


def make(**settings: Any) -> SAC:
    parts = {"critic": {"name": "ensemble", "network": NETWORK}}
    return SAC(
        "ScalePolicy",
        "Pendulum-v1",
        learning_starts=20,
        batch_size=16,
        buffer_size=100,
        policy_kwargs=parts,
        seed=0,
        **settings,
    )


def test_logs_the_rank_of_what_the_output_layer_reads() -> None:
    model = make()
    callback = build("callback", {"name": "effective-rank", "interval": 10})
    model.learn(60, callback)
    callback.measure()
    batch = replay_batch(model, 60)
    pairs = torch.cat((batch.observations, batch.actions), dim=1)
    features = model.policy.critic.network(pairs.expand(2, -1, -1)).detach().double().numpy()
    # [s, a] and two layers of 8.
    assert features.shape == (2, 60, 4 + 16)
    values = np.linalg.svd(features, compute_uv=False)
    sums = values.cumsum(axis=1) / values.sum(axis=1, keepdims=True)
    mean = np.mean([np.argmax(member >= 0.99) + 1 for member in sums])
    logged = model.logger.name_to_value
    assert logged["diagnostics/effective_rank/mean"] == mean
    assert logged["diagnostics/effective_rank/share"] == pytest.approx(mean / 20)
    assert not any(module._forward_pre_hooks for module in model.policy.modules())


@pytest.mark.parametrize("buffer", ["compact", "prioritized"])
def test_leaves_no_trace(buffer: str) -> None:
    ends = []
    for callback in (None, build("callback", {"name": "effective-rank", "interval": 3})):
        model = make(replay_buffer_class=buffer).learn(50, callback)
        ends.append([parameter.detach().clone() for parameter in model.policy.parameters()])
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"delta": 0.0}, "delta is 0.0; allowed: between 0 and 1, both excluded"),
        ({"batch_size": 0}, "batch_size is 0; allowed: at least 1"),
        ({"interval": 0}, "interval is 0; allowed: at least 1"),
    ],
)
def test_bad_parameters(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError, match=sentence):
        build("callback", {"name": "effective-rank", **params})


def test_keeps_the_contract() -> None:
    check_component("callback", "effective-rank", {"interval": 20})
