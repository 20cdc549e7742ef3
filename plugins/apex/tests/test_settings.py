"""Collectors as users name them: in settings of RL-Zoo, in recipes, and wrongly."""

import re
import threading
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import zoo_commands
from small_models import make
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import load_results
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import SubprocVecEnv, VecCheckNan

import sb3_scale
from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.collection.unmade import UnmadeVecEnv
from sb3_scale.zoo.checks import check_no_options

SETTINGS = """
Pendulum-v1:
  policy: ScalePolicy
  n_timesteps: 400
  learning_starts: 50
  batch_size: 16
  buffer_size: 2000
  normalize: true
  env_wrapper: gymnasium.wrappers.TimeAwareObservation
  collector: {name: inline, collectors: 2, envs: 2, fragment_length: 8}
  callback: [{name: q-bias, interval: 400, n_episodes: 1}]
  policy_kwargs:
    actor: {name: squashed-gaussian, network: {name: mlp, width: 8}}
    critic: {name: ensemble, network: {name: mlp, width: 8}}
"""


def test_rl_zoo_trains_evaluates_logs_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "settings.yml").write_text(SETTINGS)
    options = ["--conf-file", "settings.yml", "-f", "logs", "--eval-episodes", "1"]
    options += ["--seed", "3", "--eval-freq", "400", "--save-freq", "400"]
    printed = zoo_commands.train(tmp_path, "Pendulum-v1", 800, *options)
    assert "Using 4 environments" in printed
    assert "q_bias/mean" in printed
    assert "not of the same type" not in printed
    folder = tmp_path / "logs" / "sac" / "Pendulum-v1_1"
    assert np.load(folder / "evaluations.npz")["timesteps"].tolist() == [400, 800]
    # Four environments of 200 decisions each.
    assert load_results(str(folder)).l.tolist() == [200] * 4
    assert (folder / "rl_model_400_steps.zip").exists()
    before = SAC.load(folder / "Pendulum-v1.zip", device="cpu")._n_updates
    options += ["-i", str(folder / "rl_model_800_steps.zip")]
    printed = zoo_commands.train(tmp_path, "Pendulum-v1", 400, *options)
    folder = tmp_path / "logs" / "sac" / "Pendulum-v1_2"
    after = SAC.load(folder / "Pendulum-v1.zip", device="cpu")
    assert (after.num_timesteps, after._n_updates) == (400, before + (400 - 50) // 4)


def test_a_recipe_copies_an_environment_of_the_users_own() -> None:
    changes: dict[str, Any] = {
        "collector": {"name": "inline", "collectors": 2, "envs": 3},
        "buffer_size": 1000,
        "learning_starts": 30,
        "policy_kwargs.extractor": "flatten",
        "policy_kwargs.actor.network.width": 8,
        "policy_kwargs.critic.network.width": 8,
    }
    env = gymnasium.make("Pendulum-v1", g=5.0)
    model = sb3_scale.recipe("densenet-ofenet-s-apex", env, seed=0, **changes)
    assert model.n_envs == 6
    made = model.env.unwrapped.env_fns[0]()
    assert made is not env
    assert made.unwrapped.g == 5.0
    assert model.learn(60).num_timesteps == 60


def test_one_environment_stands_for_those_of_all_collectors(tmp_path: Path) -> None:
    collector = {"name": "inline", "collectors": 2, "envs": 2}
    for env in ("Pendulum-v1", gymnasium.make("Pendulum-v1")):
        model = make(SAC, env, collector=collector)
        assert model.n_envs == model.replay_buffer.n_envs == 4
    model.learn(40).save(tmp_path / "model")
    loaded = SAC.load(tmp_path / "model", gymnasium.make("Pendulum-v1"), device="cpu")
    assert loaded.learn(40, reset_num_timesteps=False).num_timesteps == 80


def unmade(n_envs: int = 2) -> Any:
    return make_vec_env("Pendulum-v1", n_envs, vec_env_cls=UnmadeVecEnv)


def refused(env: Any = None, collector: Any = "inline", algo: Any = SAC, **settings: Any) -> str:
    with pytest.raises(Sb3ScaleError) as error:
        make(algo, env or unmade(), collector=collector, **settings).learn(40)
    return str(error.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"collectors": 0}, "collectors is 0; allowed: at least 1"),
        ({"fragment_length": 0}, "fragment_length is 0; allowed: at least 1"),
        ({"in_flight": -1}, "in_flight is -1; allowed: at least 0"),
        ({"envs": 3}, "n_envs is 2, and there are 2 collectors of 3 environments; allowed: n_env"),
        ({"collectors": 3}, "n_envs is 2, and there are 3 collectors; allowed: a multiple of the"),
        ({"updates_per_decision": [1]}, "updates_per_decision is [1]; allowed: [min, max] with"),
        ({"updates_per_decision": [0, 0]}, "updates_per_decision is [0, 0]; allowed: [min, max]"),
        ({"updates_per_decision": [2, 1]}, "updates_per_decision is [2, 1], its min above its max"),
        ({"noise": [0.1]}, "noise is [0.1]; allowed: [first, last], two numbers above 0, or noth"),
        ({"spread": [-1, 1]}, "spread is [-1, 1]; allowed: [first, last], two numbers above 0"),
        ({"first_priorities": "td-error"}, "first_priorities is 'td-error', and CompactReplayBuf"),
        ({"fragment_length": 300}, "fragment_length is 300, and the replay buffer holds 250 tran"),
        ({"colectors": 2}, "collector 'inline' has no parameter 'colectors' (its value was 2); "),
    ],
)
def test_a_wrong_parameter_is_told_before_anything_is_collected(
    parameters: dict[str, Any], message: str
) -> None:
    assert message in refused(collector={"name": "inline", **parameters})


def test_what_does_not_go_with_collectors_is_told() -> None:
    assert "train_freq is in episodes" in refused(train_freq=(1, "episode"))
    assert refused(gradient_steps=-1, collector={"name": "inline", "updates_per_decision": [1, 1]})
    noise = NormalActionNoise(np.zeros(1), np.ones(1))
    collector = {"name": "inline", "noise": [0.1, 0.2]}
    message = refused(algo=TD3, action_noise=noise, collector=collector)
    assert re.fullmatch(
        r"noise is \[0.1, 0.2\], and the algorithm has action_noise .*; allowed: one of them",
        message,
    )
    message = refused(VecCheckNan(unmade()))
    assert message.startswith("collectors cannot put VecCheckNan around their environments; allow")
    message = refused(n_steps=3)
    assert message.startswith("collectors fill replay buffers of streams, and NStepReplayBuffer is")


def test_environments_in_other_processes_cannot_be_copied() -> None:
    env = make_vec_env("Pendulum-v1", 2, vec_env_cls=SubprocVecEnv)
    message = refused(env)
    env.close()
    assert message.startswith("collectors cannot make the environments of SubprocVecEnv; allowed")


def test_an_environment_that_cannot_be_pickled_is_named() -> None:
    class Held(gymnasium.Wrapper[Any, Any, Any, Any]):
        def __init__(self, env: Any) -> None:
            super().__init__(env)
            self.lock = threading.Lock()

    env = make_vec_env(lambda: Held(gymnasium.make("Pendulum-v1")), 2)
    message = refused(env)
    env.close()
    assert "cannot be sent to collectors: cannot pickle" in message


def test_environments_that_collectors_make_say_so() -> None:
    env = unmade(3)
    assert env.reset().shape == (3, 3)
    assert env.env_method("__str__")[0].startswith("<Monitor<")
    with pytest.raises(Sb3ScaleError, match="cannot step: collectors make it elsewhere"):
        env.step(np.zeros((3, 1)))
    with pytest.raises(AttributeError, match="have no 'gravity' here"):
        env.get_attr("gravity")
    message = refused(unmade(1), collector="local")
    assert "cannot step: collectors make it elsewhere; allowed: a collector that does" in message


def test_algorithms_that_do_not_know_collectors_refuse_them() -> None:
    message = (
        "collector is 'ray', and --algo ppo does not know it; allowed with policy: ScalePolicy "
        "and --algo "
    )
    with pytest.raises(Sb3ScaleError, match=re.escape(message)):
        check_no_options("ppo", PPO, {"policy": "MlpPolicy", "collector": "ray"})
    check_no_options("ppo", PPO, {"policy": "MlpPolicy", "n_steps": 64})


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sb3_scale_apex.collector.find_spec", lambda name: None)
    message = refused(collector="ray")
    assert message.endswith(
        "needs Ray, which is not installed; allowed: after pip install 'sb3-scale[apex]', or "
        "collector: inline"
    )
