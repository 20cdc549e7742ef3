"""A mistake in the settings is one sentence, before the first step in the environment."""

import math
import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.policies import ScalePolicy

CRITIC = {"name": "ensemble", "network": {"name": "mlp", "width": 8}}
KEYS = "actor, actor_optimizer, critic, critic_optimizer, extractor, extractor_target, loss, "
KEYS += "normalize_images, "
KEYS += "optimizer, transforms, use_sde"


class Counted(gym.Env):
    """Counts what is done to it."""

    observation_space = gym.spaces.Box(-1, 1, (3,))
    action_space = gym.spaces.Box(-1, 1, (1,))

    def __init__(self) -> None:
        self.calls = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        self.calls += 1
        return np.zeros(3, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        self.calls += 1
        return np.zeros(3, np.float32), 0.0, False, self.calls % 5 == 0, {}


def refused(
    algorithm: Any = SAC, policy: Any = "ScalePolicy", parts: Any = None, **settings: Any
) -> str:
    """The message with which training is refused."""
    env = Counted()
    defaults = {"buffer_size": 100, "learning_starts": 5, "batch_size": 4, "device": "cpu"}
    with pytest.raises(Sb3ScaleError) as caught:
        algorithm(policy, env, policy_kwargs=parts, **{**defaults, **settings}).learn(10)
    assert env.calls == 0, "training began"
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_same_settings_without_a_mistake_train() -> None:
    env = Counted()
    model = SAC(
        "ScalePolicy", env, policy_kwargs={"critic": CRITIC}, buffer_size=100, learning_starts=5
    )
    model.learn(10)
    assert (model._n_updates, env.calls) == (5, 10 + 1 + 2)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"critic": "ensembel"},
            r"there is no critic 'ensembel'; allowed: .*ensemble.*; did you mean 'ensemble'\?.*",
        ),
        (
            {"critic": {"name": "ensemble", "network": {"name": "mpl"}}},
            r"there is no network 'mpl'; allowed: .*mlp.*; did you mean 'mlp'\?.*",
        ),
        ({"loss": "zzz"}, r"there is no loss 'zzz'; allowed: (?!.*did you mean).*huber, mse.*"),
        ({"critic": "mlp"}, "there is no critic 'mlp': 'mlp' is a network, put it there"),
        (
            {"actor": {"name": "squashed-gaussian", "network": "ensemble"}},
            "there is no network 'ensemble': 'ensemble' is a critic, put it there",
        ),
        (
            {"critic": {"name": "ensemble", "n_critic": 3}},
            r"critic 'ensemble' has no parameter 'n_critic' \(its value was 3\); allowed: "
            r"constraint, init, .*; did you mean 'n_critics'\?",
        ),
        (
            {"critic": {"name": "ensemble", "network": {"name": "mlp", "width": "wide"}}},
            r"network 'mlp': width is 'wide' \(str\); allowed: int",
        ),
        (
            {"critic": {"name": "ensemble", "reduction": "max"}},
            "there is no reduction 'max'; allowed: mean, min, none, subset, truncated",
        ),
        (
            {"optimizer": {"name": "adam", "eps": "1e-3"}},
            r"optimizer 'adam': eps is '1e-3' \(str\); allowed: float; "
            r"YAML reads 1e-3 as text: write 0.001",
        ),
        (
            {"critic": {"name": "ensemble", "network": {"name": "mlp", "width": "1e2"}}},
            r"network 'mlp': width is '1e2' \(str\); allowed: int; "
            r"YAML reads 1e2 as text: write 100",
        ),
        (
            {"optimizer": {"name": "adam", "betas": ["1e-1", 0.9]}},
            r"optimizer 'adam': betas is \['1e-1', 0.9\] \(list\); allowed: list\[float\] \| None",
        ),
        ({"loss": {"delta": 1.0}}, "loss {'delta': 1.0} lacks the key 'name'"),
        (
            {"loss": 3},
            r"policy_kwargs: loss is 3 \(int\); allowed: str \| dict\[str, Any\] \| None",
        ),
        (
            {"critic": {"name": "ensemble", "network": None}},
            r"critic 'ensemble': network is None \(NoneType\); allowed: str \| dict\[str, Any\]",
        ),
        (
            {"critic": {"name": "ensemble", "n_critics": 0}},
            "critic 'ensemble' with {'n_critics': 0}: n_critics is 0; allowed: at least 1",
        ),
        (
            {"actor": {"name": "squashed-gaussian", "log_std_min": 3.0}},
            r"actor 'squashed-gaussian' with {'log_std_min': 3.0}: "
            r"log_std_min is 3.0 and log_std_max is 2.0; allowed: finite numbers, the first "
            r"below the second",
        ),
        (
            {"loss": {"name": "huber", "delta": 0.0}},
            "loss 'huber' with {'delta': 0.0}: delta is 0.0; allowed: above 0, and finite",
        ),
        (
            {"optimizer": {"name": "adamw", "weight_decay": {"hiden": 0.1}}},
            "optimizer 'adamw': weight_decay has the key 'hiden'; "
            "allowed: bias, hidden, other, output; "
            r"did you mean 'hidden'\?",
        ),
        (
            {"optimizer": {"name": "adam", "betas": [0.9]}},
            r"optimizer 'adam' with {'betas': \[0.9\]}: betas is \[0.9\]; allowed: two numbers, "
            r"at least 0 and below 1",
        ),
        (
            {"critics": CRITIC},
            r"policy_kwargs has the unknown key 'critics' \(its value was {'name': 'ensemble', "
            rf"'network': {{'name': 'mlp', 'width': 8}}}}\); allowed: {KEYS}; "
            r"did you mean 'critic'\?",
        ),
        (
            {"net_arch": 1},
            "policy_kwargs: net_arch is 1, as for policies of Stable-Baselines3; allowed with "
            r"ScalePolicy: widths of hidden layers, such as \[256, 256\]",
        ),
        (
            {"net_arch": [400, 300]},
            r"policy_kwargs: net_arch is \[400, 300\], as for policies of Stable-Baselines3; "
            r"allowed with ScalePolicy: hidden layers of one width, such as \[400, 400\]",
        ),
        (
            {"width": 64},
            rf"policy_kwargs has the unknown key 'width' \(its value was 64\); allowed: {KEYS}.*",
        ),
    ],
    ids=str,
)
def test_parts(parts: dict[str, Any], message: str) -> None:
    assert re.fullmatch(message, refused(parts=parts)), refused(parts=parts)


@pytest.mark.parametrize(
    ("algorithm", "actor", "message"),
    [
        (
            SAC,
            "deterministic",
            "SAC needs a stochastic actor, and the actor is 'deterministic'; "
            "did you mean 'squashed-gaussian'?",
        ),
        (
            TD3,
            {"name": "squashed-gaussian"},
            "TD3 needs a deterministic actor, and the actor is {'name': 'squashed-gaussian'}; "
            "did you mean 'deterministic'?",
        ),
    ],
)
def test_actor_of_the_other_algorithm(algorithm: Any, actor: Any, message: str) -> None:
    assert refused(algorithm, parts={"actor": actor}) == message


RATES = (
    "allowed: a number, 'lin_3e-4' or 'cos_3e-4', with the rate at the end as in 'lin_3e-4_3e-5', "
    "or a function of the remaining progress"
)
STEPS = "allowed: a whole number, at least 0, or -1 for as many as there were environment steps"
NO_SDE = "use_sde is true, and ScalePolicy has no state-dependent exploration; allowed: false, and "
NO_SDE += "for noise that lasts over several steps action_noise=OrnsteinUhlenbeckActionNoise(...), "
NO_SDE += "in a YAML file of RL-Zoo noise_type: ornstein-uhlenbeck, noise_std: 0.2"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"actor_learning_rate": "1e-3"},
            f"actor_learning_rate is '1e-3'; {RATES}",
        ),
        (
            {"critic_learning_rate": "lin_fast"},
            f"critic_learning_rate is 'lin_fast'; {RATES}",
        ),
        (
            {"ent_coef_learning_rate": [1e-3]},
            f"ent_coef_learning_rate is [0.001]; {RATES}",
        ),
        (
            {"critic_learning_rate": "cos_3e-4_3e-5_0"},
            f"critic_learning_rate is 'cos_3e-4_3e-5_0'; {RATES}",
        ),
        (
            {"target_entropy": "auto_half"},
            "target_entropy is 'auto_half'; allowed: 'auto' for -|A|, 'auto_0.5' for half of it, "
            "or a number",
        ),
        (
            {"gradient_steps": 0.5},
            f"gradient_steps is 0.5; {STEPS}; for 0.5 gradient steps per environment step write "
            "train_freq: 2, gradient_steps: 1",
        ),
        (
            {"gradient_steps": 2.5},
            f"gradient_steps is 2.5; {STEPS}; for 2.5 gradient steps per environment step write "
            "train_freq: 2, gradient_steps: 5",
        ),
        ({"gradient_steps": -2}, f"gradient_steps is -2; {STEPS}"),
        ({"policy_delay": 0}, "policy_delay is 0; allowed: a whole number, at least 1"),
        ({"policy_delay": 1.5}, "policy_delay is 1.5; allowed: a whole number, at least 1"),
        (
            {"target_update_interval": 0},
            "target_update_interval is 0; allowed: a whole number, at least 1",
        ),
        ({"max_grad_norm": "1e1"}, "max_grad_norm is '1e1'; allowed: a number above 0, or nothing"),
        ({"compile": "inductor"}, "compile is 'inductor'; allowed: true, false, auto"),
        (
            {"compile": "atuo"},
            "compile is 'atuo'; allowed: true, false, auto; did you mean 'auto'?",
        ),
        ({"autocast": "bfloat16"}, "autocast is 'bfloat16'; allowed: true, false"),
        ({"capture": 1}, "capture is 1; allowed: true, false"),
        (
            {"collector": "overlaped"},
            "there is no collector 'overlaped'; allowed: inline, local, overlapped, ray; did you "
            "mean 'overlapped'?",
        ),
        ({"max_grad_norm": 0}, "max_grad_norm is 0; allowed: a number above 0, or nothing"),
        ({"use_sde": True}, NO_SDE),
        ({"parts": {"use_sde": True}}, NO_SDE),
    ],
    ids=str,
)
def test_arguments(settings: dict[str, Any], message: str) -> None:
    assert refused(**settings) == message


def test_policy_delay_of_td3() -> None:
    message = "policy_delay is 0; allowed: a whole number, at least 1"
    assert refused(TD3, policy_delay=0) == message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:3", torch.device("cuda")])
@pytest.mark.parametrize("policy", ["ScalePolicy", ScalePolicy])
def test_gpu_that_is_not_there(policy: Any, device: Any) -> None:
    message = (
        rf"device is '{device}', and PyTorch \S+ finds no such device here; allowed: cpu, auto"
    )
    assert re.fullmatch(message, refused(policy=policy, device=device))


def test_device_that_does_not_exist() -> None:
    assert refused(device="gpu").startswith("device is 'gpu', and PyTorch ")


@pytest.mark.parametrize("device", ["gpu", "auto", "cuda:99", "mps"])
def test_device_to_act_on_that_is_not_there(device: Any) -> None:
    message = (
        rf"acting_device is '{re.escape(str(device))}', and PyTorch \S+ finds no such device here; "
    )
    message += "allowed: cpu, or nothing"
    assert re.fullmatch(message, refused(collector={"name": "local", "acting_device": device}))


@pytest.mark.parametrize(
    ("algorithm", "settings", "name", "value"),
    [
        (SAC, {"policy_delay": 2}, "policy_delay", "2"),
        (SAC, {"backup_entropy": False}, "backup_entropy", "False"),
        (SAC, {"max_grad_norm": 1.0}, "max_grad_norm", "1.0"),
        (SAC, {"ent_coef_optimizer_kwargs": {}}, "ent_coef_optimizer_kwargs", "{}"),
        (TD3, {"actor_learning_rate": 1e-3}, "actor_learning_rate", "0.001"),
        (SAC, {"collector": "overlapped"}, "collector", "'overlapped'"),
        (TD3, {"compile": True}, "compile", "True"),
    ],
)
def test_our_arguments_with_a_stock_policy(
    algorithm: Any, settings: dict[str, Any], name: str, value: str
) -> None:
    kind = "SACPolicy" if algorithm is SAC else "TD3Policy"
    message = f"{name} is {value}, and {kind} does not know it; allowed with policy: ScalePolicy"
    assert refused(algorithm, "MlpPolicy", **settings) == message


@pytest.mark.parametrize("value", ["atuo", "auto_", "auto_0", "auto_-1", -1.0, math.nan, None])
def test_temperatures(value: Any) -> None:
    allowed = (
        "auto, auto_0.1 or the like, which begins at a number above 0, or a number, at least 0"
    )
    assert refused(SAC, ent_coef=value) == f"ent_coef is {value!r}; allowed: {allowed}, that stays"


def test_the_users_mapping_is_left_as_it_was() -> None:
    parts = {"critic": {"name": "ensemble", "network": {"name": "mlp", "width": 8}}}
    TD3("ScalePolicy", Counted(), policy_kwargs=parts, buffer_size=10, device="cpu")
    assert parts == {"critic": CRITIC}
