"""``model.actor`` and ``model.critic`` as users of Stable-Baselines3 call them."""

import inspect
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3
import torch
import yaml
from gymnasium import spaces
from small_models import OFENET, make
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.envs import BitFlippingEnv

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.stock_words import in_our_words
from sb3_scale_asymmetric.td2 import DDPG, TD2


class Drawn(gym.Env[Any, Any]):
    """Observations of any space, drawn."""

    action_space = spaces.Box(-2, 2, (2,))

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.observation_space = space

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        return self.observation_space.sample(), 0.0, False, False, {}


BOX = spaces.Box(-9, 9, (3,))
SPACES = {
    "box": BOX,
    "dict": spaces.Dict({"a": BOX, "b": spaces.Discrete(4)}),
    "discrete": spaces.Discrete(5),
    "image": spaces.Box(0, 255, (3, 36, 36), np.uint8),
}


@pytest.mark.parametrize("algorithm", [SAC, TD3])
@pytest.mark.parametrize(
    ("space", "extractor"),
    [(name, "symlog") for name in SPACES] + [("box", {**OFENET, "pretraining_steps": 0})],
    ids=str,
)
def test_they_are_right_on_observations(algorithm: Any, space: str, extractor: Any) -> None:
    model = make(algorithm, Drawn(SPACES[space]), extractor, learning_starts=4, batch_size=4)
    model.learn(6)
    batch, policy = model.replay_buffer.sample(4), model.policy
    features = policy.features(batch.observations)
    actions = model.actor(batch.observations, deterministic=True)
    assert torch.equal(actions, policy(batch.observations, deterministic=True))
    values = model.critic(batch.observations, batch.actions)
    assert [each.shape for each in values] == [(4, 1), (4, 1)]
    expected = policy.critic_outputs(features, batch.actions)
    assert torch.equal(torch.stack(values), expected)
    assert torch.cat(values, dim=1).shape == (4, 2)
    assert torch.equal(model.critic.q1_forward(batch.observations, batch.actions), values[0])
    target = model.critic_target(batch.observations, batch.actions)
    expected = policy.target_outputs(policy.target_features(batch.observations), batch.actions)
    assert torch.equal(torch.stack(target), expected)
    if algorithm is TD3:
        expected = policy.actor_target(policy.target_features(batch.observations))
        assert torch.equal(model.actor_target(batch.observations), expected)
    else:
        sampled, log_prob = model.actor.action_log_prob(batch.observations)
        assert (sampled.shape, log_prob.shape) == ((4, 2), (4,))
        mean, log_std, _ = model.actor.get_action_dist_params(batch.observations)
        assert torch.equal(torch.tanh(mean), actions)
        assert log_std.shape == (4, 2)


def test_they_have_what_networks_of_stable_baselines3_have(tmp_path: Path) -> None:
    model = make(SAC, Drawn(BOX))
    observation = BOX.sample()
    for predicted in (model.actor.predict, model.policy.predict):
        found = predicted(observation, deterministic=True)[0]
        assert np.array_equal(found, model.predict(observation, deterministic=True)[0])
    for view in (model.actor, model.critic):
        assert view.device == torch.device("cpu")
        assert (view.observation_space, view.action_space) == (BOX, Drawn.action_space)
        assert view.features_extractor is model.policy.extractor
        view.set_training_mode(True)
        assert all(module.training for module in view.modules())
    assert model.actor.network is model.policy.actor.network
    for name in ("mu", "log_std", "latent_pi"):
        with pytest.raises(AttributeError, match=rf"no attribute '{name}'; allowed instead: "):
            getattr(model.actor, name)
    with pytest.raises(AttributeError, match=r"'q_networks'; allowed instead: model.critic\(obs"):
        _ = model.critic.q_networks
    with pytest.raises(AttributeError, match=r"SquashedGaussianActor has no attribute 'other'$"):
        _ = model.actor.other
    for refused in (model.actor.save, type(model.critic).load):
        with pytest.raises(Sb3ScaleError, match=r"^the path is 'actor\.pth', and actor and "):
            refused("actor.pth")
    assert not any("part" in name for name in model.policy.state_dict())
    model.save(tmp_path / "model")
    for copy in (deepcopy(model), SAC.load(tmp_path / "model", device="cpu")):
        assert copy.actor.part is copy.policy.actor
        assert copy.critic.part is copy.policy.critic


def test_they_can_be_exported() -> None:
    model, observations = make(SAC, Drawn(BOX), "symlog"), torch.randn(4, 3)
    program = torch.export.export(model.actor, (observations, True)).module()
    expected = model.policy(observations, deterministic=True)
    torch.testing.assert_close(program(observations, True), expected)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(SAC, stable_baselines3.SAC), (TD3, stable_baselines3.TD3), (DDPG, stable_baselines3.DDPG)],
)
def test_learn_has_the_arguments_of_stable_baselines3(ours: Any, theirs: Any) -> None:
    signatures = [inspect.signature(each.learn).parameters for each in (ours, theirs)]
    found, expected = ([(p.name, p.default, p.kind) for p in s.values()] for s in signatures)
    # Its default is an algorithm's own name.
    assert [p for p in found if p[0] != "tb_log_name"] == [
        p for p in expected if p[0] != "tb_log_name"
    ]
    assert [p[0] for p in found] == [p[0] for p in expected]
    assert issubclass(ours, theirs)


@pytest.mark.parametrize("algorithm", [TD2, DDPG])
def test_logs_have_the_name_of_the_algorithm(algorithm: Any, tmp_path: Path) -> None:
    make(algorithm, tensorboard_log=str(tmp_path)).learn(2)
    assert [path.name for path in tmp_path.iterdir()] == [f"{algorithm.__name__}_1"]


def test_ddpg_takes_what_that_of_stable_baselines3_takes() -> None:
    model = DDPG(
        "MlpPolicy",
        "Pendulum-v1",
        policy_kwargs={"n_critics": 2, "net_arch": [8]},
        learning_starts=5,
        device="cpu",
    ).learn(8)
    assert isinstance(model, stable_baselines3.DDPG)
    assert len(model.policy.critic.q_networks) == 2


def test_collecting_without_gradient_steps() -> None:
    model = make(SAC, gradient_steps=0, learning_starts=2).learn(6)
    assert (model._n_updates, model.replay_buffer.size()) == (0, 6)
    model.gradient_steps = 1
    assert model.learn(2, reset_num_timesteps=False)._n_updates == 2


def test_hindsight_with_several_steps_trains_as_with_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    env = BitFlippingEnv(n_bits=3, continuous=True, max_steps=3)
    model = make(SAC, env, n_steps=3, replay_buffer_class=HerReplayBuffer, learning_starts=6)
    assert model.learn(8)._n_updates == 2
    assert "n_steps is 3 without effect: HerReplayBuffer" in capsys.readouterr().err


NETWORK = "network: {name: mlp, width: 8, depth: 2}"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"net_arch": [8, 8]},
            f"actor: {{name: squashed-gaussian, {NETWORK}}}, critic: {{name: ensemble, {NETWORK}}}",
        ),
        (
            {"net_arch": {"pi": [], "qf": [8, 8]}, "n_critics": 3},
            "actor: {name: squashed-gaussian, network: {name: mlp, depth: 0}}, "
            f"critic: {{name: ensemble, {NETWORK}, n_critics: 3}}",
        ),
        (
            {"activation_fn": torch.nn.Tanh, "critic": {"name": "ensemble", "target": False}},
            "actor: {name: squashed-gaussian, network: {name: mlp, activation: tanh}}, "
            "critic: {name: ensemble, target: false, network: {name: mlp, activation: tanh}}",
        ),
        (
            {"optimizer_class": torch.optim.AdamW, "optimizer_kwargs": {"weight_decay": 0.1}},
            "optimizer: {name: adamw, weight_decay: 0.1}",
        ),
        ({"optimizer_class": torch.optim.AdamW}, "optimizer: {name: adamw}"),
        (
            {
                "optimizer": {"name": "adamw", "weight_decay": 0.3, "eps": 1e-3},
                "optimizer_class": torch.optim.AdamW,
                "optimizer_kwargs": {"eps": 1.0e-5, "betas": (0.8, 0.9)},
            },
            "optimizer: {name: adamw, weight_decay: 0.3, eps: 1.0e-5, betas: [0.8, 0.9]}",
        ),
        ({"share_features_extractor": True}, ""),
    ],
    ids=str,
)
def test_words_of_stock_policies_are_read_as_ours(given: dict[str, Any], words: str) -> None:
    assert in_our_words(given) == yaml.safe_load(f"{{{words}}}")


def test_two_optimisers_are_refused() -> None:
    given = {"optimizer": "adam", "optimizer_class": torch.optim.AdamW}
    with pytest.raises(Sb3ScaleError, match=r"optimizer_class is .*AdamW.*; allowed with "):
        in_our_words(given)


def test_options_of_an_optimiser_replace_those_of_the_default() -> None:
    """That of CrossQ has betas of its own, as in sb3-contrib."""
    given = {"optimizer_kwargs": {"eps": 1e-5}}
    default = {"name": "adam", "betas": [0.5, 0.999]}
    found = in_our_words(given, {"optimizer": default})
    assert found == {"optimizer": {"name": "adam", "eps": 1e-5}}
    found = in_our_words({"optimizer_class": torch.optim.AdamW}, {"optimizer": default})
    assert found == {"optimizer": {**default, "name": "adamw"}}
