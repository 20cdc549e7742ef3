"""Numbers, names and classes that an algorithm is given are checked before anything is made."""

import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import FloatSchedule

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.errors import shown

SETTINGS = {"buffer_size": 100, "learning_starts": 5, "batch_size": 4, "device": "cpu"}
NETWORK = {"name": "mlp", "width": 8, "depth": 1}
PARTS = {"critic": {"name": "ensemble", "network": NETWORK}, "actor": None}
FINITE = "a number, at least 0, and finite"
NAN = math.nan


class Still(gym.Env):
    """No environment step is taken."""

    observation_space: spaces.Space = spaces.Box(-1, 1, (3,))
    action_space = spaces.Box(-1, 1, (1,))


class Keyed(Still):
    observation_space = spaces.Dict({"a": Still.observation_space})


def make(
    algorithm: Any = SAC, policy: Any = "ScalePolicy", env: Any = None, **settings: Any
) -> Any:
    kind = "squashed-gaussian" if algorithm is SAC else "deterministic"
    parts = {**PARTS, "actor": {"name": kind, "network": NETWORK}}
    given = {} if policy != "ScalePolicy" else {"policy_kwargs": parts}
    return algorithm(policy, Still() if env is None else env, **{**SETTINGS, **given, **settings})


def refused(*args: Any, **settings: Any) -> str:
    with pytest.raises(Sb3ScaleError) as caught:
        make(*args, **settings)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


WRONG = {
    "buffer_size": [10**12, 0, -1, 1e6, "1000000", True, None, NAN, [100], 10**30],
    "batch_size": [0, -2, 8.0, "8", False, None, NAN, np.array([1, 2])],
    "learning_starts": [-1, "10", True, None, NAN, math.inf],
    "n_steps": [10**12, 0, 1.5, "3", True],
    "train_freq": [
        10**15,
        0,
        -1,
        1.5,
        "1",
        True,
        (1,),
        (0, "step"),
        (1.0, "step"),
        (1, "steps"),
        (1, 2, 3),
    ],
    "gradient_steps": [-2, 0.5, "1", None, True, NAN],
    "gamma": [-0.1, 1.1, NAN, "0.99", True, None],
    "tau": [-0.1, 1.5, NAN, "1", True, [0.1]],
    "seed": [-1, 2**32, "x", 1.0, True],
    "stats_window_size": [10**30, 0, -1, 2.5, "10"],
    "verbose": ["x", -1],
    "learning_rate": [-1e-3, NAN, math.inf, "lin_1e-3", None, True, [1e-3], 10**400, 1e30],
    "policy_kwargs": [{"net_arhc": [8]}, [1], "critic", {1: 2}, 3],
    "policy": [None, 3, "ScalePolicy ", int, SAC],
    "replay_buffer_class": [
        3,
        "compct",
        int,
        ReplayBuffer(1, spaces.Box(-1, 1), spaces.Box(-1, 1)),
    ],
    "replay_buffer_kwargs": [[1], "x", {"size": 3}, np.array([1, 2])],
    "optimize_memory_usage": [True, 1, "yes"],
    "action_noise": [0.1, "normal", int, abs],
    "tensorboard_log": [3, __file__, Path(__file__, "folder"), "a\0b"],
    "device": [None, "gpu", 1.5, [1], np.array([1, 2])],
    "use_sde": ["yes", np.array([1, 2])],
}
CASES = [(name, value) for name, values in WRONG.items() for value in values]


def label(value: Any) -> str:
    """The same in each process."""
    return shown(value).partition(" at 0x")[0]


@pytest.mark.parametrize(("name", "value"), CASES, ids=label)
@pytest.mark.parametrize("policy", ["ScalePolicy", "MlpPolicy"])
def test_a_wrong_value_is_named(policy: str, name: str, value: Any) -> None:
    told = refused(**{"policy": policy, name: value})
    words = {"replay_buffer_class": "replay-buffer", "replay_buffer_kwargs": "no "}
    assert name in told or words.get(name, "policy") in told


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"buffer_size": 1e6}, "buffer_size is 1000000.0; allowed: a whole number, at least 1; "
         "write 1000000, without a point"),
        ({"batch_size": "1e2"}, "batch_size is '1e2'; allowed: a whole number, at least 1; write "
         "100, not text"),
        ({"gamma": 2.0}, "gamma is 2.0; allowed: a number, at least 0, at most 1"),
        ({"tau": "0.1"}, "tau is '0.1'; allowed: a number, at least 0, at most 1; write "
         "0.1, not text"),
        ({"seed": -1}, "seed is -1; allowed: a whole number, at least 0, at most 4294967295"),
        ({"batch_size": -(10**5000)}, "batch_size is a number of 5000 digits; allowed: a whole "
         "number, at least 1"),
        ({"policy": "MlpPolcy"}, "SAC has no policy 'MlpPolcy'; allowed: CnnPolicy, MlpPolicy, "
         "MultiInputPolicy, ScalePolicy; did you mean 'MlpPolicy'?"),
        ({"train_freq": (1, "epsiode")}, "train_freq is (1, 'epsiode'); allowed: a whole number of "
         "steps, at least 1, or one with its unit, such as (4, 'step') or (1, 'episode'); did you "
         "mean 'episode'?"),
        ({"train_freq": (1, "episode"), "env": make_vec_env(Still, 2)},
         "train_freq is in episodes, and there are 2 environments; allowed: steps"),
        ({"ent_coef_optimizer_kwargs": {"beta": 1}}, "ent_coef_optimizer_kwargs has no key 'beta' "
         "(its value was 1); allowed: amsgrad, betas, capturable, decoupled_weight_decay, "
         "differentiable, eps, foreach, maximize, weight_decay; did you mean 'betas'?"),
        ({"ent_coef_optimizer_kwargs": {"eps": -1.0}},
         "ent_coef_optimizer_kwargs is {'eps': -1.0}: Invalid epsilon value: -1.0"),
        ({"ent_coef_optimizer_kwargs": {"amsgrad": "yes"}},
         "ent_coef_optimizer_kwargs: amsgrad is 'yes' (str); allowed: bool"),
        ({"n_steps": 2, "replay_buffer_kwargs": {"n_steps": 3}}, "replay_buffer_kwargs has n_steps "
         "3, and that of the algorithm is 2; allowed: the same"),
        ({"n_steps": 2, "gamma": 0.9, "replay_buffer_kwargs": {"gamma": 0.5}},
         "replay_buffer_kwargs has gamma 0.5, and that of the algorithm is 0.9; allowed: the same"),
        ({"replay_buffer_class": DictReplayBuffer}, "replay_buffer_class is DictReplayBuffer, and "
         "the observations are Box(-1.0, 1.0, (3,), float32); allowed: ReplayBuffer, or nothing, "
         "or compact"),
        ({"replay_buffer_class": ReplayBuffer, "env": Keyed()}, "replay_buffer_class is "
         "ReplayBuffer, and the observations are Dict('a': Box(-1.0, 1.0, (3,), float32)); "
         "allowed: DictReplayBuffer, or nothing, or compact"),
        ({"policy_kwargs": {"optimizer_kwargs": 3}}, "policy_kwargs: optimizer_kwargs is 3, as for "
         "policies of Stable-Baselines3; allowed with ScalePolicy: a mapping of arguments"),
        ({"replay_buffer_class": ReplayBuffer, "replay_buffer_kwargs": {"storge": 1}},
         "ReplayBuffer has no argument 'storge' (its value was 1); allowed: "
         "handle_timeout_termination"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)  # fmt: skip
def test_messages(settings: dict[str, Any], message: str) -> None:
    assert refused(**settings) == message


def test_a_target_that_never_moves_is_for_stock_policies() -> None:
    assert refused(tau=0) == "tau is 0; allowed: a number, above 0, at most 1"
    assert make(policy="MlpPolicy", tau=0).tau == 0


@pytest.mark.parametrize("size", [10**12, 2**63])
def test_a_batch_that_no_machine_holds(size: int) -> None:
    assert refused(batch_size=size).startswith(f"batch_size is {size}: ")


def test_several_steps_of_dict_observations() -> None:
    env = Still()
    env.observation_space = spaces.Dict({"x": spaces.Box(-1, 1, (2,))})
    assert refused(env=env, n_steps=3).startswith("n_steps is 3, and Stable-Baselines3 has no")
    told = refused(env=env, n_steps=3, replay_buffer_class=DictReplayBuffer)
    assert told.startswith("n_steps is 3, and DictReplayBuffer gives returns over 1; allowed: ")


@pytest.mark.parametrize("name", ["target_policy_noise", "target_noise_clip", "policy_delay"])
@pytest.mark.parametrize("value", [-1, NAN, "0.2", True])
def test_arguments_of_td3(name: str, value: Any) -> None:
    assert refused(TD3, **{name: value}).startswith(f"{name} is ")


@pytest.mark.parametrize("value", [NAN, math.inf, True, "auto_nan", "auto_", [1.0], None])
def test_target_entropy(value: Any) -> None:
    assert refused(target_entropy=value).startswith("target_entropy is ")


@pytest.mark.parametrize("value", [-0.1, NAN, True, "auto_nan", "auto_inf", "-1", np.inf])
@pytest.mark.parametrize("policy", ["ScalePolicy", "MlpPolicy"])
def test_temperature(policy: str, value: Any) -> None:
    assert refused(policy=policy, ent_coef=value).startswith("ent_coef is ")


RATES = [
    -1e-3, NAN, math.inf, "lin_-1e-3", "cos_inf", "lin_nan", "cos_1e-3_-1e-3",
    FloatSchedule(-1.0), lambda left: left - 0.6, lambda left: 1e-3 / (left or NAN),
    lambda left: None, lambda left: 1 / left, lambda: 1e-3,
]  # fmt: skip


@pytest.mark.parametrize("rate", RATES, ids=label)
@pytest.mark.parametrize("name", ["actor", "critic", "ent_coef", ""])
def test_rates(name: str, rate: Any) -> None:
    key = f"{name}_learning_rate".strip("_")
    assert refused(**{key: rate}).startswith(f"{key} ")


def test_where_a_schedule_goes_wrong_is_told() -> None:
    told = refused(actor_learning_rate=lambda remaining: 0.6 - remaining)
    assert told == f"actor_learning_rate is -0.4 where 1 of the training remains; allowed: {FINITE}"
    told = refused(critic_learning_rate="lin_-1e-3")
    assert told == (
        f"critic_learning_rate is 'lin_-1e-3', so -0.001 where 1 of the training remains; allowed: "
        f"{FINITE}"
    )


@pytest.mark.parametrize("key", ["learning_rate", "critic_learning_rate"])
def test_a_rate_that_goes_wrong_later_stops_the_training_in_a_sentence(key: str) -> None:
    spike = lambda remaining: NAN if 0.1 < remaining < 0.4 else 1e-3  # noqa: E731
    model = make(env="Pendulum-v1", **{key: spike})
    with pytest.raises(Sb3ScaleError, match=rf"^{key} is nan where 0\.\d+ of the training remains"):
        model.learn(20)
    assert model._n_updates > 0
    for parameter in model.policy.parameters():
        assert torch.isfinite(parameter).all()


def test_a_line_to_zero_ends_there_where_the_last_steps_go_beyond() -> None:
    model = make(env=make_vec_env("Pendulum-v1", 4), learning_rate=lambda left: 1e-2 * left)
    model.learn(10)
    assert model.num_timesteps == 12
    assert model.policy.critic.optimizer.param_groups[0]["lr"] == 0


PARTS_WITH_RATES = [
    {"optimizer": {"name": "adam", "eps": NAN}},
    {"optimizer": {"name": "adam", "betas": [0.9, 1.0]}},
    {"optimizer": {"name": "adam", "betas": [0.9, NAN]}},
    {"critic_optimizer": {"name": "adamw", "weight_decay": -0.1}},
    {"actor_optimizer": {"name": "adamw", "weight_decay": {"hidden": math.inf}}},
    {"extractor": {"name": "ofenet", "width": 4, "depth": 1, "learning_rate": -1e-3}},
    {"extractor": {"name": "ofenet", "width": 4, "depth": 1, "learning_rate": math.inf}},
    {"actor": {"name": "optimistic", "multiplier_learning_rate": NAN}},
    {"actor": {"name": "optimistic", "multiplier_learning_rate": -3e-5}},
    {"critic": {"name": "ensemble", "n_critics": True}},
    {"critic": {"name": "ensemble", "network": {"name": "mlp", "width": True}}},
]


@pytest.mark.parametrize("parts", PARTS_WITH_RATES, ids=label)
def test_numbers_of_parts(parts: dict[str, Any]) -> None:
    part = next(iter(parts.values()))
    key = next(key for key in reversed(part) if key != "name")
    told = refused(policy_kwargs=parts)
    assert key in told or "hidden is inf" in told or "width is True" in told


def test_numpy_numbers_become_plain_ones() -> None:
    model = make(
        buffer_size=np.int64(100), batch_size=np.int32(4), gamma=np.float32(0.5), tau=np.float64(1),
        train_freq=(np.int64(2), "step"), gradient_steps=np.int8(-1), seed=np.uint32(3),
        learning_rate=np.float32(1e-3),
    )  # fmt: skip
    for name in ("buffer_size", "batch_size", "gradient_steps", "seed"):
        assert type(getattr(model, name)) is int, name
    assert type(model.gamma) is type(model.tau) is float
    assert type(model.train_freq.frequency) is int
    assert model.lr_schedule(1) == pytest.approx(1e-3)


@pytest.mark.parametrize("policy", ["ScalePolicy", "MlpPolicy"])
@pytest.mark.parametrize(
    "settings",
    [
        {"gamma": 1},
        {"gamma": 0.0},
        {"tau": 1},
        {"learning_rate": 0},
        {"learning_starts": 7.0},
        {"train_freq": [2, "step"]},
        {"train_freq": (1, "episode")},
        {"gradient_steps": 0},
        {"gradient_steps": -1},
        {"max_grad_norm": None},
    ],
    ids=str,
)
def test_values_at_the_edge_train(policy: str, settings: dict[str, Any]) -> None:
    model = make(policy=policy, env="Pendulum-v1", **settings)
    model.learn(12)
    assert model.num_timesteps >= 12
    assert (model._n_updates == 0) == (settings.get("gradient_steps") == 0)


def test_a_loaded_model_is_checked_too(tmp_path: Any) -> None:
    make().save(tmp_path / "model")
    with pytest.raises(Sb3ScaleError, match=r"^gamma is 2; allowed: "):
        SAC.load(tmp_path / "model", gamma=2)
