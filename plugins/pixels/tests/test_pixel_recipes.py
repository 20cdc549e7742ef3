"""Each recipe trains from pictures, with the numbers of its paper."""

from typing import Any

import numpy as np
import pytest
from pictures import Pictures
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_scale import SAC, TD3
from sb3_scale.nn.linear import linear_layers
from sb3_scale.recipes.resolve import anywhere
from sb3_scale_pixels import RECIPES
from sb3_scale_pixels.noise import NoiseSchedule
from sb3_scale_pixels.shift import RandomShift

ALGORITHMS = {"sac": SAC, "td3": TD3}
SMALL = {"width": 8, "inner_width": 8, "channels": 3}
"""In the place of the widths of the settings."""


def settings(name: str) -> dict[str, Any]:
    return anywhere({"recipe": name}, RECIPES[name][0], max_episode_steps=125)


def smaller(part: Any) -> Any:
    if isinstance(part, list):
        return [smaller(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {key: SMALL.get(key, smaller(value)) for key, value in part.items()}


def model_of(name: str, env: Any = None, **changes: Any) -> Any:
    given = settings(name)
    for key in ("n_timesteps", "policy", "callback"):
        given.pop(key, None)
    given.update({"buffer_size": 40, "batch_size": 4, "learning_starts": 10, **changes})
    given["policy_kwargs"] = smaller(given["policy_kwargs"])
    given["policy_kwargs"]["extractor"]["channels"] = 3
    env = env or Pictures()
    return ALGORITHMS[RECIPES[name][0]]("ScalePolicy", env, seed=0, device="cpu", **given)


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_trains(name: str) -> None:
    model = model_of(name)
    model.learn(14)
    assert model._n_updates > 0
    policy = model.policy
    assert policy.critic_trains_extractor
    assert type(policy.transforms[0]) is RandomShift
    divided = [layer for layer in linear_layers(policy.critic) if layer.scale is not None]
    assert bool(divided) == name.endswith("-spectral")
    # Never in the first layer, nor in the last.
    layers = linear_layers(policy.critic)
    if divided:
        assert divided == layers[1:-1]
        assert [layer for layer in linear_layers(policy.actor) if layer.scale] == linear_layers(
            policy.actor
        )[1:-1]


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("pixels-")])
def test_recipes_of_paper_1_have_table_3(name: str) -> None:
    found = settings(name)
    expected = {
        "gamma": 0.99,
        "tau": 0.01,
        "ent_coef": "auto_0.1",
        "learning_rate": 1e-3,
        "batch_size": 512,
        "policy_delay": 2,
        "target_update_interval": 2,
        "learning_starts": 1000,
    }
    assert expected.items() <= found.items()
    kwargs = found["policy_kwargs"]
    actor, critic = kwargs["actor"], kwargs["critic"]
    assert (actor["log_std_min"], actor["log_std_max"]) == (-10, 2)
    modern, deep = "modern" in name, "4" in name
    assert critic["network"]["name"] == ("modern" if modern else "mlp")
    assert critic["network"]["depth"] == (4 if deep else 2)
    assert actor["network"]["depth"] == (4 if deep and not modern else 2)
    assert actor["network"]["width"] == critic["network"]["width"] == 1024


def test_drq_has_the_numbers_of_the_released_code() -> None:
    found = settings("drq")
    assert (found["batch_size"], found["learning_starts"], found["buffer_size"]) == (
        128,
        1000,
        100_000,
    )
    (shift,) = found["policy_kwargs"]["transforms"]
    assert (shift["pad"], shift["copies"], shift["next_copies"]) == (4, 2, 2)


def test_drq_v2_has_the_schedule_of_the_released_code() -> None:
    """Of ``cfgs/task/easy.yaml``, in decisions, as ``train.py`` gives them to the agent."""
    schedule = {"name": "noise-schedule", "start": 1.0, "end": 0.1, "decisions": 100_000}
    assert settings("drq-v2")["callback"] == schedule
    assert NoiseSchedule().sigma(50_000) == pytest.approx(0.55)


def noises(learning_starts: int, decisions: int, n_envs: int = 1) -> tuple[Any, list[Any]]:
    """A trained model, and its noise in each step."""
    env = DummyVecEnv([Pictures] * n_envs)
    model = model_of("drq-v2", env, learning_starts=learning_starts)
    seen = []

    class Watched(NoiseSchedule):
        def _on_step(self) -> bool:
            seen.append(self.model.action_noise)
            return True

    model.learn(decisions, callback=Watched(start=1.0, end=0.5, decisions=8))
    return model, seen


def test_noise_follows_its_line() -> None:
    _, seen = noises(0, 12)
    # The size of a rollout of two decisions is that of its beginning.
    line = [1 - min(2 * (i // 2), 8) / 16 for i in range(12)]
    np.testing.assert_allclose([float(each._sigma[0]) for each in seen], line)


def test_random_actions_get_no_noise() -> None:
    model, seen = noises(6, 10)
    assert [each is None for each in seen] == [True] * 6 + [False] * 4
    assert (np.abs(model.replay_buffer.actions[:6]) < 1).all()


def test_each_environment_has_noise_of_its_own() -> None:
    # An episode of theirs ends after seven steps.
    model, seen = noises(4, 20, n_envs=2)
    one, other = seen[-1]()
    assert (one != other).all()
    assert model._episode_num == 2
