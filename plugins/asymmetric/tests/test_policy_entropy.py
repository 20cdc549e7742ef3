"""Log pi and the entropy per dimension, where both are known."""

from typing import Any

import numpy as np
import pytest
import torch

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.testing import check_component
from sb3_scale_asymmetric.policy_entropy import PolicyEntropy

MEAN, LOG_STD = 0.3, -0.5
SMALL = {"name": "mlp", "width": 8, "depth": 1}


def test_contract() -> None:
    check_component("callback", "policy-entropy", params={"interval": 20})


def squashed_entropy() -> float:
    """Of tanh(N(mean, std^2)) by a sum over a grid, from the density of the action."""
    edges = np.tanh(np.linspace(-6, 6, 200_001))
    a = (edges[1:] + edges[:-1]) / 2
    std = np.exp(LOG_STD)
    density = np.exp(-0.5 * ((np.arctanh(a) - MEAN) / std) ** 2) / (std * np.sqrt(2 * np.pi))
    density /= 1 - a**2
    return float(-(density * np.log(density) * np.diff(edges)).sum())


def measured(
    actor: Any, env: str = "Pendulum-v1", algorithm: Any = SAC, posterior_mean: float = 0.0
) -> dict[str, float]:
    model = algorithm(
        "ScalePolicy",
        env,
        learning_starts=10,
        buffer_size=50,
        learning_rate=0.0,
        seed=0,
        device="cpu",
        policy_kwargs={"actor": actor},
    )
    with torch.no_grad():
        for name, parameter in model.policy.actor.named_parameters():
            if "output" in name:
                parameter.zero_()
                if name in ("output.bias", "base.output.bias", "policy.output.bias"):
                    half = parameter.shape[-1] // 2
                    parameter[..., :half] = MEAN
                    parameter[..., half:] = LOG_STD
                if name == "posterior.output.bias":
                    parameter[..., :1] = posterior_mean
    model.learn(25, callback=PolicyEntropy(interval=20, batch_size=40_000))
    key = "diagnostics/policy_entropy/"
    found = {
        name.removeprefix(key): value
        for name, value in model.logger.name_to_value.items()
        if name.startswith(key)
    }
    assert found["entropy_per_dimension"] == -found["log_prob_per_dimension"]
    return found


@pytest.mark.parametrize("name", ["squashed-gaussian", "conditional-flow"])
def test_the_entropy_is_that_of_the_density(name: str) -> None:
    coupling = {"coupling_network": SMALL} if name == "conditional-flow" else {}
    found = measured({"name": name, "network": SMALL, **coupling})
    assert found["entropy_per_dimension"] == pytest.approx(squashed_entropy(), abs=0.02)


def test_it_is_per_dimension() -> None:
    found = measured({"name": "squashed-gaussian", "network": SMALL}, "navigation-10")
    assert found["log_prob"] == pytest.approx(-10 * squashed_entropy(), abs=0.1)
    assert found["log_prob_per_dimension"] == pytest.approx(-squashed_entropy(), abs=0.01)


@pytest.mark.parametrize("posterior_mean", [0.0, 2.0])
def test_the_bound_of_the_variational_actor_is_below_by_the_divergence(
    posterior_mean: float,
) -> None:
    """Z has no effect on the action, so its true posterior is the prior N(0, 1)."""
    actor = {"name": "variational", "network": SMALL, "latent_dim": 1}
    found = measured(actor, posterior_mean=posterior_mean)
    expected = squashed_entropy() - posterior_mean**2 / 2
    assert found["entropy_per_dimension"] == pytest.approx(expected, abs=0.05)


def test_it_draws_no_random_numbers_of_the_training() -> None:
    actor = {"name": "squashed-gaussian", "network": SMALL}
    ends = []
    for callback in (None, PolicyEntropy(interval=5, batch_size=16)):
        model = SAC(
            "ScalePolicy",
            "Pendulum-v1",
            learning_starts=10,
            seed=0,
            device="cpu",
            policy_kwargs={"actor": actor},
        )
        ends.append(model.learn(30, callback=callback).policy.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_deterministic_actors_are_refused() -> None:
    expected = "needs log-probabilities, and the actor is .*allowed: stochastic actors"
    with pytest.raises(Sb3ScaleError, match=expected):
        measured({"name": "deterministic", "network": SMALL}, algorithm=TD3)
