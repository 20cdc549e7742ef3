"""``Dict`` observations by part: an extractor for each key, and keys that only the critic sees."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
import zoo_commands
from gymnasium import spaces
from small_models import SMALL
from stable_baselines3.common.torch_layers import (
    BaseFeaturesExtractor,
    CombinedExtractor,
    FlattenExtractor,
    NatureCNN,
)

from sb3_scale import SAC, TD3
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import build
from sb3_scale.replay.compact import CompactReplayBuffer

POSITION = spaces.Box(-1, 1, (2,))
VELOCITY = spaces.Box(-np.inf, np.inf, (2,))
SPACE = spaces.Dict(mode=spaces.Discrete(3), position=POSITION, velocity=VELOCITY)
PIXELS = spaces.Dict(image=spaces.Box(0, 255, (3, 36, 36), np.uint8), position=POSITION)
EMBEDDED = {"name": "network", "network": {"name": "mlp", "width": 4, "depth": 1}}
PRIVILEGED = {
    "name": "dict",
    "keys": {"position": "symlog", "velocity": EMBEDDED},
    "critic_only": ["velocity"],
}


class Sampled(gym.Env[Any, Any]):
    """Random observations of a space."""

    action_space = spaces.Box(-1, 1, (1,))

    def __init__(self, space: Any = SPACE) -> None:
        self.observation_space = space

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.observation_space.sample(), float(action[0]), False, False, {}


class Normed(BaseFeaturesExtractor):
    """A user's own, with layers that depend on the mode."""

    def __init__(self, observation_space: Any, features_dim: int = 3) -> None:
        super().__init__(observation_space, features_dim)
        self.norm = torch.nn.BatchNorm1d(observation_space.shape[0])
        self.layer = torch.nn.Linear(observation_space.shape[0], features_dim)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.layer(self.norm(observations)).relu()


def make(
    extractor: Any, algorithm: Any = SAC, space: Any = SPACE, steps: int = 0, **options: Any
) -> Any:
    actor = "squashed-gaussian" if algorithm is SAC else "deterministic"
    parts = {
        "actor": {"name": actor, "network": SMALL},
        "critic": {"name": "ensemble", "network": SMALL},
        "extractor": extractor,
    }
    settings = {"learning_starts": 8, "batch_size": 8, "buffer_size": 100, "seed": 0} | options
    parts |= settings.pop("parts", {})
    space.seed(0)
    model = algorithm("ScalePolicy", Sampled(space), policy_kwargs=parts, device="cpu", **settings)
    return model.learn(steps) if steps else model


def refused(extractor: Any, space: Any = SPACE, **parts: Any) -> str:
    with pytest.raises(Sb3ScaleError) as caught:
        make(extractor, space=space, parts=parts)
    return str(caught.value)


def test_the_features_are_those_of_each_key_with_the_critics_keys_last() -> None:
    extractor = build("extractor", {**PRIVILEGED, "critic_only": ["mode"]}, SPACE)
    seen = {
        "mode": torch.eye(3)[:2],
        "position": torch.tensor([[1.0, -1.0], [0.5, 0.0]]),
        "velocity": torch.tensor([[3.0, 4.0], [-5.0, 0.0]]),
    }
    embedded = extractor.extractors[1](seen["velocity"])
    wanted = [seen["position"].sign() * seen["position"].abs().log1p(), embedded, seen["mode"]]
    assert extractor(seen).equal(torch.cat(wanted, dim=1))
    assert (extractor.features_dim, extractor.actor_dim()) == (9, 6)
    assert extractor.actor_inputs(extractor(seen)).equal(torch.cat(wanted[:2], dim=1))
    del seen["mode"]
    assert extractor.actor_features(seen).equal(torch.cat(wanted[:2], dim=1))


def test_keys_without_an_extractor_are_flattened_and_null_ones_left_out() -> None:
    extractor = build("extractor", {"name": "dict", "keys": {"velocity": None}}, SPACE)
    assert extractor.features_dim == extractor.actor_dim() == 5
    assert extractor.hidden_keys == ("velocity",)


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_the_actor_does_not_see_what_the_critic_alone_sees(algorithm: Any) -> None:
    model = make(PRIVILEGED, algorithm, steps=20)
    assert type(model.replay_buffer) is CompactReplayBuffer
    policy, step = model.policy, model.sample(8)
    seen = dict(step.observations)
    other = {**seen, "velocity": seen["velocity"] + 1}
    for act in (policy, model.actor):
        assert act(seen, deterministic=True).equal(act(other, deterministic=True))
    value = model.critic(seen, step.actions)[0]
    assert not value.equal(model.critic(other, step.actions)[0])
    features = policy.features(seen).detach().requires_grad_()
    policy.actor(policy.actor_inputs(features), deterministic=True).sum().backward()
    assert features.grad[:, :5].any()
    assert not features.grad[:, 5:].any()


def test_neither_acting_nor_the_actors_gradients_read_the_critics_keys() -> None:
    model = make(PRIVILEGED, steps=12)
    embedding = model.policy.extractor.extractors[2]
    with torch.no_grad():
        for parameter in embedding.parameters():
            parameter.fill_(float("nan"))
    observation = SPACE.sample()
    both, _ = model.predict(observation, deterministic=True)
    del observation["velocity"]
    alone, _ = model.predict(observation, deterministic=True)
    many, _ = model.predict({key: np.stack([each] * 3) for key, each in observation.items()})
    assert np.isfinite(both).all()
    assert np.array_equal(both, alone)
    assert many.shape == (3, 1)


def test_a_key_that_the_actor_needs_cannot_be_missing() -> None:
    model = make(PRIVILEGED)
    with pytest.raises(KeyError, match="position"):
        model.predict({"mode": np.array(1)}, deterministic=True)


def test_the_critics_loss_trains_the_extractors_of_all_keys_and_their_target_follows() -> None:
    extractor = {
        **PRIVILEGED,
        "keys": {"position": {"name": Normed, "features_dim": 2}, "velocity": EMBEDDED},
    }
    model = make(extractor, tau=0.5)
    policy = model.policy
    held = {id(each) for group in policy.critic.optimizer.param_groups for each in group["params"]}
    assert {id(each) for each in policy.extractor.parameters()} <= held
    before = [each.clone() for each in policy.extractor.parameters()]
    model.learn(12)
    now = list(policy.extractor.parameters())
    assert not any(each.equal(old) for each, old in zip(now, before, strict=True))
    norms = [each.extractors[1].module.norm for each in (policy.extractor, policy.extractor_target)]
    assert norms[0].num_batches_tracked == model._n_updates
    assert norms[0].running_mean.equal(norms[1].running_mean)
    copies = policy.extractor_target.parameters()
    assert not any(each.equal(old) for each, old in zip(copies, before, strict=True))
    assert not any(
        each.equal(copy)
        for each, copy in zip(now, policy.extractor_target.parameters(), strict=True)
    )


@pytest.mark.parametrize(
    ("extractor", "space"),
    [
        (PRIVILEGED, SPACE),
        ({"name": "dict", "keys": {"image": {"name": NatureCNN, "features_dim": 4}}}, PIXELS),
        (CombinedExtractor, SPACE),
        ("stable_baselines3.common.torch_layers:FlattenExtractor", POSITION),
    ],
    ids=["privileged", "cnn", "combined", "flatten"],
)
def test_a_model_is_saved_with_its_extractors_and_loads_without_trust(
    extractor: Any, space: Any, tmp_path: Any
) -> None:
    model = make(extractor, space=space, steps=10)
    model.save(tmp_path / "model.zip")
    again = SAC.load(tmp_path / "model.zip", trust=False)
    observation = space.sample()
    for each in (model, again):
        each.policy.set_training_mode(False)
    wanted, _ = model.predict(observation, deterministic=True)
    found, _ = again.predict(observation, deterministic=True)
    assert np.array_equal(found, wanted)
    again.set_env(Sampled(space))
    again.learn(2)


def test_a_file_does_not_import_a_module_that_nobody_else_did(tmp_path: Any) -> None:
    model = make("flatten", space=POSITION)
    model.policy_kwargs["extractor"] = {"name": "this:Nothing"}
    model.save(tmp_path / "model.zip")
    with pytest.raises(Sb3ScaleError, match="module is not imported; allowed: import this"):
        SAC.load(tmp_path / "model.zip", trust=False)


def test_images_that_are_read_as_bytes_beside_vectors() -> None:
    pytest.importorskip("sb3_scale_pixels")
    drq = {"name": "drq", "channels": 2, "features": 4}
    model = make(
        {"name": "dict", "keys": {"image": drq}},
        space=PIXELS,
        steps=10,
        parts={"transforms": [{"name": "random-shift", "copies": 2}]},
    )
    policy, batch = model.policy, model.sample(8)
    prepared = policy.prepare(batch.observations)
    assert prepared["image"].dtype == torch.uint8
    assert prepared["position"].dtype == torch.float32
    shifted = policy.transforms[0](batch).observations
    assert shifted["image"].shape[0] == 16
    assert shifted["position"].equal(torch.cat([batch.observations["position"]] * 2))
    alone = policy.extractor.extractors[0](batch.observations["image"])
    assert policy.features(batch.observations)[:, :4].equal(alone)
    assert "scales images of uint8 itself" in refused(
        {"name": "dict", "keys": {"image": drq}}, PIXELS, normalize_images=False
    )


def test_compiled_extractors_are_whole_and_equal() -> None:
    extractor = build("extractor", PRIVILEGED, SPACE)
    normed = build("extractor", {"name": "dict", "keys": {"position": Normed}}, SPACE)
    seen = {
        key: torch.randn(8, size) for key, size in (("mode", 3), ("position", 2), ("velocity", 2))
    }
    for each in (extractor, normed):
        # No code is generated: what is captured as one graph is the subject.
        whole = torch.compile(each, fullgraph=True, backend="eager")
        for training in (True, False):
            torch.testing.assert_close(whole(seen, training), each(seen, training))


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_a_program_for_stock_policies_runs_with_their_arguments(algorithm: Any) -> None:
    theirs = {
        "net_arch": {"pi": [8, 8], "qf": [6]},
        "activation_fn": torch.nn.Tanh,
        "n_critics": 3,
        "optimizer_class": torch.optim.AdamW,
        "optimizer_kwargs": {"betas": (0.8, 0.9), "weight_decay": 0.1},
        "features_extractor_class": FlattenExtractor,
        "share_features_extractor": True,
    }
    model = algorithm("ScalePolicy", Sampled(POSITION), policy_kwargs=theirs, buffer_size=9)
    policy = model.policy
    assert [layer.out_features for layer in policy.actor.network.linears] == [8, 8]
    assert [layer.out_features for layer in policy.critic.network.linears] == [6]
    assert policy.critic.network.linears[0].weight.shape[0] == 3
    assert isinstance(policy.actor.network.activation, torch.nn.Tanh)
    group = policy.actor.optimizer.param_groups[0]
    assert isinstance(policy.actor.optimizer, torch.optim.AdamW)
    assert (group["betas"], group["weight_decay"]) == ((0.8, 0.9), 0.1)
    assert isinstance(policy.extractor.module, FlattenExtractor)


@pytest.mark.parametrize(
    ("options", "space", "extractor"),
    [
        ({"features_dim": 5}, PIXELS["image"], NatureCNN),
        ({"cnn_output_dim": 5}, PIXELS, CombinedExtractor),
    ],
)
def test_arguments_alone_are_for_the_extractor_of_the_stock_policy(
    options: dict[str, int], space: "spaces.Space[Any]", extractor: type
) -> None:
    words = {"features_extractor_kwargs": options, "net_arch": [8]}
    model = SAC("ScalePolicy", Sampled(space), policy_kwargs=words, buffer_size=9)
    assert isinstance(model.policy.extractor.module, extractor)
    assert model.policy.extractor.module.features_dim == 5 + 2 * (extractor is CombinedExtractor)


def test_pictures_of_numbers_are_read_where_nothing_divides_them() -> None:
    pictures = spaces.Box(-10, 10, (1, 36, 36))
    words = {"features_extractor_kwargs": {"features_dim": 5}, "normalize_images": False}
    model = SAC("ScalePolicy", Sampled(pictures), policy_kwargs=words, buffer_size=9)
    observation = pictures.sample()
    features = model.policy.extractor.module(torch.as_tensor(observation)[None])
    assert torch.equal(model.policy.features(torch.as_tensor(observation)[None]), features)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"net_arch": [9, 8]}, "hidden layers of one width, such as [9, 9]"),
        ({"activation_fn": torch.nn.PReLU}, "activation_fn is PReLU, as for policies"),
        ({"net_arch": [8], "actor": {"name": "squashed-gaussian", "network": "simba"}}, "simba"),
        ({"optimizer_class": torch.optim.Rprop}, "there is no optimizer 'rprop'; allowed: adam"),
        ({"optimizer_kwargs": {"wd": 1}}, "optimizer 'adam' has no parameter 'wd'"),
        ({"share_features_extractor": False}, "share an extractor, which the critic's loss trains"),
        (
            {"features_extractor_kwargs": {"width": 3}},
            "with features_extractor_class, or with feat",
        ),
        ({"features_extractor_kwargs": {"features_dim": 3}, "extractor": "symlog"}, "not both"),
        ({"features_extractor_class": NatureCNN, "extractor": "symlog"}, "not both"),
        ({"log_std_init": -3}, "this belongs to use_sde"),
    ],
    ids=str,
)
def test_words_of_stock_policies_that_nothing_here_does(words: Any, message: str) -> None:
    with pytest.raises(Sb3ScaleError) as caught:
        SAC("ScalePolicy", Sampled(POSITION), policy_kwargs=words, buffer_size=9)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("extractor", "message"),
    [
        (
            {"keys": {"positon": "symlog"}},
            "no key 'positon' (its value was 'symlog'); allowed: "
            "mode, position, velocity; did you mean 'position'?",
        ),
        ({"critic_only": ["velocty"]}, "critic_only: the observation has no key 'velocty'"),
        ({"critic_only": ["mode", "position", "velocity"]}, "leaves no key to the actor"),
        ({"keys": {"mode": None}, "critic_only": ["mode"]}, "keys has null for it"),
        ({"keys": {"mode": "symlg"}}, "key 'mode' of extractor 'dict': there is no extractor"),
        ({"keys": {"mode": "ofenet"}}, "'ofenet' reads actions"),
        ({"keys": {"mode": NatureCNN}}, "key 'mode' of extractor 'dict': extractor "),
        ({"keys": {"mode": 3}}, "keys is {'mode': 3} (dict); allowed: "),
        ({"critic_only": "mode"}, "critic_only is 'mode' (str); allowed: list[str] | None"),
        ({"key": {}}, "extractor 'dict' has no parameter 'key'"),
    ],
    ids=str,
)
def test_extractors_of_keys_that_cannot_be(extractor: Any, message: str) -> None:
    assert message in refused({"name": "dict", **extractor})


@pytest.mark.parametrize(
    ("extractor", "message"),
    [
        ("stable_baselines3.common.torch_layers:NatureCN", "did you mean 'NatureCNN'?"),
        ("stable_baselines.torch_layers:NatureCNN", "cannot be imported: ModuleNotFoundError"),
        ("collections:OrderedDict", "extractor is 'collections:OrderedDict'; allowed: the name"),
        (dict, "a class derived from BaseFeaturesExtractor"),
        ({"name": FlattenExtractor, "width": 3}, "has no parameter 'width'"),
    ],
    ids=str,
)
def test_classes_that_are_no_extractors(extractor: Any, message: str) -> None:
    assert message in refused(extractor, POSITION)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Dict(a=spaces.Dict(b=POSITION)), "the observation 'a' is a Dict"),
        (spaces.Dict(a=spaces.Tuple([POSITION])), "the observation 'a' is a Tuple"),
        (spaces.Tuple([POSITION]), "the observation space is a Tuple"),
        (spaces.Dict(), "is a Dict without a key"),
        (spaces.Box(-1, 1, (0,)), "has the shape (0,), so no number"),
        (spaces.Dict(a=POSITION, b=spaces.Box(-1, 1, (2, 0))), "the observation 'b' has the shape"),
        (spaces.Text(3), "the observation space is a Text"),
    ],
    ids=str,
)
def test_observations_that_no_extractor_reads(space: Any, message: str) -> None:
    assert message in refused("flatten", space)


def test_a_dict_extractor_needs_a_dictionary() -> None:
    assert "allowed: Dict, or an extractor of one space" in refused("dict", POSITION)


def test_settings_of_rl_zoo_name_extractors_and_hidden_keys(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sb3_scale_envs")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.yml").write_text(
        """
        Pendulum-v1:
          policy: ScalePolicy
          n_timesteps: 12
          learning_starts: 8
          batch_size: 4
          env_wrapper:
            - sb3_scale_envs.hidden_columns.HiddenColumns: {columns: [2]}
          policy_kwargs:
            actor: {name: squashed-gaussian, network: {name: mlp, width: 8}}
            critic: {name: ensemble, network: {name: mlp, width: 8}}
            extractor:
              name: dict
              keys:
                seen: {name: "stable_baselines3.common.torch_layers:FlattenExtractor"}
                hidden: {name: network, network: {name: mlp, width: 3}}
              critic_only: [hidden]
        """
    )
    model, _ = zoo_commands.experiment("settings.yml", "Pendulum-v1").setup_experiment()
    model.learn(12)
    extractor = model.policy.extractor
    assert (extractor.features_dim, extractor.actor_dim()) == (5, 2)
    assert model.predict({"seen": np.zeros(2, np.float32)})[0].shape == (1,)
    stock = "Pendulum-v1: {policy: ScalePolicy, policy_kwargs: 'dict(net_arch=[9, 9])'}\n"
    (tmp_path / "settings.yml").write_text(stock)
    manager = zoo_commands.experiment("settings.yml", "Pendulum-v1", n_timesteps=12)
    model, _ = manager.setup_experiment()
    assert [each.out_features for each in model.policy.critic.network.linears] == [9, 9]
