"""Parts that do not fit each other, the policy or the environment are one sentence."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import zoo_commands
from gymnasium.wrappers import NormalizeReward
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from sb3_scale import (
    SAC,
    TD3,
    Actor,
    Collector,
    Constraint,
    Critic,
    Extractor,
    Loss,
    Network,
    Norm,
    Reduction,
    Sb3ScaleError,
    Spec,
    Transform,
    Value,
    hookimpl,
)
from sb3_scale.nn.base import ConstrainedModule
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.plugins import manager
from sb3_scale_crossq.algorithm import CrossQ

SETTINGS = {"buffer_size": 100, "learning_starts": 5, "batch_size": 4, "device": "cpu"}
QUANTILES = {"name": "quantiles", "n_quantiles": 5}


class Still(gym.Env):
    """No environment step is taken."""

    observation_space = gym.spaces.Box(-1, 1, (3,))

    def __init__(self, action_space: gym.Space) -> None:
        self.action_space = action_space

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        raise AssertionError("training began")


def refused(
    parts: dict[str, Any] | None = None,
    algorithm: Any = SAC,
    policy: str = "ScalePolicy",
    env: Any = None,
    **settings: Any,
) -> str:
    """The sentence with which no algorithm is made."""
    env = Still(gym.spaces.Box(-1, 1, (1,))) if env is None else env
    with pytest.raises(Sb3ScaleError) as caught:
        algorithm(policy, env, policy_kwargs=parts, **{**SETTINGS, **settings})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def critic(**options: Any) -> dict[str, Any]:
    return {"critic": {"name": "ensemble", **options}}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {**critic(value="categorical"), "loss": "mse"},
            "loss 'mse' reads scalar outputs, and those of critic .* are categorical; allowed: "
            "'cross-entropy' or another loss that reads categorical",
        ),
        (
            {**critic(), "loss": "cross-entropy"},
            "loss 'cross-entropy' reads categorical outputs, and those of critic .* are scalar; .*",
        ),
        (
            critic(reduction={"name": "subset", "size": 3}),
            "reduction 'subset' with {'size': 3}: size is 3, and there are 2 members; allowed: "
            "1 to 2",
        ),
        (
            critic(value=QUANTILES, reduction={"name": "truncated", "drop_per_member": 5}),
            ".*: drop_per_member is 5, and there are 5 outputs per member; allowed: 0 to 4",
        ),
        (
            critic(reduction="truncated"),
            ".*: reduction 'truncated' combines quantiles outputs, and those of value are "
            "scalar; .*",
        ),
        (
            critic(value={"name": "categorical", "n_atoms": 1}),
            "value 'categorical' with {'n_atoms': 1}: n_atoms is 1; allowed: at least 2",
        ),
        (
            critic(value={"name": "categorical", "v_min": 5.0, "v_max": -5.0}),
            ".*: v_min is 5.0 and v_max is -5.0; allowed: finite numbers, the first below the "
            "second",
        ),
        (
            {"transforms": [{"name": "reward-scale", "by": "greatest"}]},
            ".*: by is 'greatest', and the range of the critic's values is None; allowed: critics "
            "with a value that has a range around 0, such as 'categorical', or by: deviation",
        ),
        (
            {"transforms": "reward-scale"},
            r"policy_kwargs: transforms is 'reward-scale' \(str\); allowed: list\[.*",
        ),
        (
            {"transforms": ["reward-scal"]},
            "there is no transform 'reward-scal'; allowed: .*; did you mean 'reward-scale'?.*",
        ),
    ],
)
def test_parts_that_do_not_fit(parts: dict[str, Any], message: str) -> None:
    assert re.fullmatch(message, refused(parts))


@pytest.mark.parametrize(
    ("parts", "settings", "name"),
    [
        ({"transforms": ["reward-scale"]}, {}, "policy_kwargs: transforms"),
        ({"extractor_target": False}, {}, "policy_kwargs: extractor_target"),
        ({"critic": "ensemble"}, {}, "policy_kwargs: critic"),
        ({}, {"collector": "overlapped"}, "collector"),
        ({}, {"collector": {"name": "local", "acting_device": "cpu"}}, "collector"),
    ],
)
@pytest.mark.parametrize("algorithm", [SAC, TD3, CrossQ])
def test_options_of_ours_with_a_policy_of_the_library(
    algorithm: Any, parts: dict[str, Any], settings: dict[str, Any], name: str
) -> None:
    message = refused(parts, algorithm, "MlpPolicy", **settings)
    allowed = r"Policy does not know it; allowed with policy: ScalePolicy"
    assert re.fullmatch(rf"{name} is .*, and \w+{allowed}", message)


def test_collector_that_does_not_exist() -> None:
    message = refused(collector="overlaped")
    assert message.startswith("there is no collector 'overlaped'; allowed: ")
    assert message.endswith("; did you mean 'overlapped'?")


def test_rewards_that_would_be_scaled_twice() -> None:
    parts = {"transforms": ["reward-scale"]}
    twice = VecNormalize(make_vec_env("Pendulum-v1"))
    expected = (
        "transform 'reward-scale' scales rewards, and VecNormalize has norm_reward: true; allowed: "
        "one of them, for instance normalize: {norm_reward: false}"
    )
    assert refused(parts, env=twice) == expected
    assert refused({"transforms": ["reward-scale", {"name": "reward-scale"}]}) == (
        "transforms 'reward-scale' and {'name': 'reward-scale'} both scale rewards; allowed: one "
        "of them"
    )
    around = make_vec_env("Pendulum-v1", wrapper_class=NormalizeReward)
    assert refused(parts, env=around) == (
        "transform 'reward-scale' scales rewards, and NormalizeReward around the environment does "
        "too; allowed: one of them"
    )
    once = VecNormalize(make_vec_env("Pendulum-v1"), norm_reward=False)
    model = SAC("ScalePolicy", once, policy_kwargs=parts, **SETTINGS)
    with pytest.raises(Sb3ScaleError, match=re.escape(expected)):
        model.set_env(twice)


BOX = gym.spaces.Box(-1, 1, (1,))


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.MultiBinary(2),
        gym.spaces.Dict(a=BOX),
        gym.spaces.Tuple([BOX]),
        gym.spaces.Box(-np.inf, np.inf, (1,)),
    ],
    ids=lambda space: type(space).__name__,
)
@pytest.mark.parametrize("algorithm", [SAC, TD3, CrossQ])
def test_actions_that_a_scale_policy_cannot_choose(algorithm: Any, space: gym.Space) -> None:
    assert refused({}, algorithm, env=Still(space)) == (
        f"the action space is {space}; allowed with ScalePolicy: Box with finite bounds, Discrete, "
        "MultiDiscrete of one dimension"
    )


def test_discrete_actions_of_a_deterministic_actor_through_rl_zoo(tmp_path: Path) -> None:
    (tmp_path / "settings.yml").write_text("CartPole-v1: {policy: ScalePolicy, n_timesteps: 10}\n")
    command = "-m rl_zoo3.train --algo td3 --env CartPole-v1 --conf-file settings.yml -f logs"
    sentence = zoo_commands.refused(zoo_commands.run(tmp_path, *command.split()))
    assert sentence.startswith(
        "error: the action space is Discrete(2), and the actor of TD3 is det"
    )


class Masked(nn.Module):
    """A network whose second argument is another."""

    def __init__(self, in_features: int, n_members: int) -> None:
        super().__init__()
        self.layer, self.out_features = EnsembleLinear(in_features, 8, n_members), 8

    def forward(self, x, mask=None, training=False):
        return self.layer(x).sin()


class Replaced(nn.Module):
    """A constraint after which the optimiser trains what nobody reads."""

    def __init__(self, layers) -> None:
        super().__init__()
        self.layers = list(layers)

    def project_(self) -> None:
        for layer in self.layers:
            layer.weight = nn.Parameter(layer.weight / 2)


class Sines(nn.Module):
    """A network without an argument ``training``."""

    def __init__(self, in_features: int, n_members: int) -> None:
        super().__init__()
        self.layer, self.out_features = EnsembleLinear(in_features, 8, n_members), 8

    def forward(self, x):
        return self.layer(x).sin()


class Halves(nn.Module):
    """A norm without it."""

    def __init__(self, num_features: int, n_members: int) -> None:
        super().__init__()

    def forward(self, x):
        return x / 2


class Nothing(nn.Module):
    """A part of no kind."""

    stochastic, target, features_dim = True, False, 3

    def __init__(self, *context) -> None:
        super().__init__()

    def forward(self, x, training=False):
        return x


class NoSamples(ConstrainedModule):
    """An actor that cannot give what it claims."""

    stochastic, target = True, False

    def __init__(self, features_dim: int, action_dim: int) -> None:
        super().__init__()
        self.layer = nn.Linear(features_dim, action_dim)

    def forward(self, features, deterministic=False, training=False):
        return self.layer(features).tanh()


class Featureless(nn.Module):
    """An extractor that does not say how many features it gives."""

    def __init__(self, observation_space) -> None:
        super().__init__()


KINDS = (Constraint, Critic, Extractor, Loss, Reduction, Transform, Value, Collector)


@pytest.fixture
def faulty() -> Iterator[None]:
    class Plugin:
        @hookimpl
        def sb3_scale_components(self) -> Iterator[Spec]:
            yield Network("sines", f"{__name__}:Sines")
            yield Network("masked", f"{__name__}:Masked")
            yield Constraint("replaced", f"{__name__}:Replaced")
            yield Norm("halves", f"{__name__}:Halves")
            yield Actor("no-samples", f"{__name__}:NoSamples")
            yield Actor("nothing", f"{__name__}:Nothing")
            yield Extractor("no-samples", f"{__name__}:Featureless")
            for kind in KINDS:
                yield kind("nothing", f"{__name__}:Nothing")

    assert manager().register(Plugin(), "faulty").status == "active"
    yield
    manager().unregister("faulty")


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            critic(network="sines"),
            "network 'sines' has no argument 'training' in forward; allowed: forward(..., "
            "training=False)",
        ),
        (
            critic(network={"name": "mlp", "norm": "halves"}),
            "norm 'halves' has no argument 'training' in forward; allowed: forward(..., "
            "training=False)",
        ),
        (
            critic(network="masked"),
            "network 'masked' has 'mask' as the second argument of forward; allowed: 'training', "
            "which is given without its name",
        ),
        (
            critic(constraint="replaced"),
            "constraint 'replaced' leaves the parameter 'weight' as torch.float32 of shape (2, 4, "
            "256), another tensor; allowed: other finite values in the same tensor",
        ),
        (
            critic(constraint="nothing"),
            "constraint 'nothing' has no method 'project_'; allowed: what "
            "sb3_scale.protocols.Constraint has",
        ),
        (
            {"extractor": "no-samples"},
            "extractor 'no-samples' has no method 'actor_dim'; allowed: classes derived from "
            "sb3_scale.nn.base.Extractor, or modules with features_dim",
        ),
        (
            {"critic": "nothing"},
            "critic 'nothing' has no method 'mean'; allowed: classes derived from "
            "sb3_scale.nn.critics.EnsembleCritic",
        ),
        (
            {"actor": "nothing"},
            "actor 'nothing' has no method 'learners'; allowed: classes derived from "
            "sb3_scale.nn.base.ConstrainedModule",
        ),
        (
            {"actor": "no-samples"},
            "actor 'no-samples' has no method 'action_log_prob'; allowed: actors that have it, or "
            "whose 'stochastic' is False, beside an algorithm such as td3",
        ),
        (
            {"loss": "nothing"},
            "loss 'nothing' gives the shape (2, 2, 1) in forward for a batch of 2; allowed: ()",
        ),
        (
            critic(value="nothing"),
            "value 'nothing' has no method 'mean'; allowed: classes derived from "
            "sb3_scale.nn.values.CriticValue",
        ),
        (
            critic(reduction="nothing"),
            "reduction 'nothing' has no method 'check'; allowed: classes derived from "
            "sb3_scale.nn.reductions.CriticReduction",
        ),
        (
            {"transforms": ["nothing"]},
            "transform 'nothing' has no method 'bind'; allowed: classes derived from "
            "sb3_scale.learning.transforms.Transform",
        ),
    ],
)
def test_parts_that_lack_what_their_kind_must_have(parts: dict[str, Any], message: str) -> None:
    assert refused(parts) == message


@pytest.mark.usefixtures("faulty")
def test_collector_that_lacks_what_it_must_have() -> None:
    assert refused(collector="nothing") == (
        "collector 'nothing' has no method 'bind'; allowed: classes derived from "
        "sb3_scale.collection.local.LocalCollector"
    )
