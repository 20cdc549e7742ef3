"""Q(s0, a0) minus the return, where both are known."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.testing import check_component
from sb3_scale_asymmetric.overestimation import Overestimation

STEPS, GAMMA = 30, 0.9
GEOMETRIC = sum(GAMMA**k for k in range(STEPS))


class Constant(gymnasium.Env[Any, Any]):
    """Pays 1 at each of its 30 steps."""

    metadata: ClassVar = {"render_modes": ["rgb_array"]}
    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Box(-1, 1, (1,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return np.zeros(2, np.float32), 1.0, self.steps == STEPS, False, {}


gymnasium.register("Constant-v0", Constant)


def test_contract() -> None:
    check_component("callback", "overestimation", params={"interval": 20, "n_episodes": 1})


def measured(algorithm: Any, value: float, callback: Overestimation) -> dict[str, float]:
    model = algorithm(
        "ScalePolicy",
        "Constant-v0",
        learning_starts=10,
        buffer_size=50,
        learning_rate=0.0,
        gamma=GAMMA,
        seed=0,
        device="cpu",
        **({"ent_coef": 0.3} if algorithm is SAC else {}),
    )
    with torch.no_grad():
        for critic in (model.policy.critic, model.policy.critic_target):
            critic.output.weight.zero_()
            critic.output.bias.fill_(value)
    model.learn(25, callback=callback)
    return model.logger.name_to_value


def test_numbers() -> None:
    callback = Overestimation(interval=20, n_episodes=2)
    figures = measured(TD3, 12.5, callback)
    key = "diagnostics/overestimation/"
    assert figures[f"{key}q"] == pytest.approx(12.5)
    assert figures[f"{key}return"] == pytest.approx(GEOMETRIC)
    assert figures[f"{key}mean"] == pytest.approx(12.5 - GEOMETRIC)
    assert figures[f"{key}std"] == pytest.approx(0)
    assert callback.env is None


def test_episodes_are_cut() -> None:
    callback = Overestimation(interval=20, n_episodes=1, max_steps=3)
    figures = measured(TD3, 0.0, callback)
    assert figures["diagnostics/overestimation/mean"] == pytest.approx(-(1 + GAMMA + GAMMA**2))


def test_the_entropy_of_sac_counts() -> None:
    """An untrained policy has positive entropy per action at most log 2."""
    figures = measured(SAC, 0.0, Overestimation(interval=20, n_episodes=20))
    bonus = -figures["diagnostics/overestimation/mean"] - GEOMETRIC
    later = sum(GAMMA**k for k in range(1, STEPS))
    assert 0 < bonus < 0.3 * np.log(2) * later


@pytest.mark.parametrize("name", ["interval", "n_episodes", "max_steps"])
def test_bad_parameters(name: str) -> None:
    with pytest.raises((Sb3ScaleError, ValueError), match=f"{name} is 0; allowed: at least 1"):
        Overestimation(**{name: 0})
