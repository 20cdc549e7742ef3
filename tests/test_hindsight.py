"""Hindsight experience replay on compact storage next to Stable-Baselines3's own."""

import io
import pickle
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from goal_env import PLACE, Reach
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from small_models import assert_same, learned, make
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her.goal_selection_strategy import GoalSelectionStrategy
from test_dict_replay import assert_same_batch
from zoo_commands import experiment

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.replay import files
from sb3_scale.replay.hindsight import HindsightReplayBuffer
from sb3_scale_densenet.prioritized_hindsight import PrioritizedHindsightReplayBuffer

SPACES = Reach.observation_space, Reach.action_space


def playing(env: Any, seed: int = 0) -> Any:
    """Transitions of random actions, without end."""
    rng, observations = np.random.default_rng(seed), env.reset()
    while True:
        actions = rng.uniform(-1, 1, (env.num_envs, 2)).astype(np.float32)
        following, rewards, dones, infos = env.step(actions)
        last = {key: each.copy() for key, each in following.items()}
        for each in np.flatnonzero(dones):
            for key, array in infos[each]["terminal_observation"].items():
                last[key][each] = array
        yield observations, last, actions, rewards, dones, infos
        observations = following


def buffer_of(kind: Any, env: Any, size: int = 20, **settings: Any) -> Any:
    n_envs = env.num_envs
    if kind is HerReplayBuffer:
        return kind(size * n_envs, *SPACES, env, "cpu", n_envs, **settings)
    buffer = kind(size * n_envs, *SPACES, "cpu", n_envs, **settings)
    buffer.env = env
    return buffer


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize(
    "settings",
    [
        *({"goal_selection_strategy": name} for name in ("future", "final", "episode")),
        {"n_sampled_goal": 0},
        {"goal_selection_strategy": GoalSelectionStrategy.FINAL, "n_sampled_goal": 1},
        {"handle_timeout_termination": False, "copy_info_dict": True},
    ],
    ids=str,
)
def test_batches(settings: dict[str, Any], n_envs: int) -> None:
    """With the same random numbers, also after old episodes were overwritten."""
    env = make_vec_env(Reach, n_envs, seed=0)
    ours, theirs = (
        buffer_of(kind, env, **settings) for kind in (HindsightReplayBuffer, HerReplayBuffer)
    )
    drawn = 0
    for _, transition in zip(range(70), playing(env), strict=False):
        for buffer in (ours, theirs):
            buffer.add(*transition)
        assert np.array_equal(ours.episodes.lengths, theirs.ep_length)
        if theirs.ep_length.any():
            assert_same_batch(ours, theirs)
            drawn += 1
    assert drawn > 50


@pytest.mark.parametrize("normalized", [False, True])
def test_an_agent_trains_to_the_same_weights(normalized: bool) -> None:
    found = []
    for kind in ("her", HerReplayBuffer):
        env: Any = make_vec_env(Reach, 2, seed=0)
        env = VecNormalize(env) if normalized else env
        found.append(learned(make(SAC, env, replay_buffer_class=kind).learn(60)))
    assert_same(*found, "")


def test_rewards_are_asked_for_once_per_batch_with_copies_of_infos() -> None:
    env = make_vec_env(Reach, 1, seed=0)
    buffer = buffer_of(HindsightReplayBuffer, env, copy_info_dict=True)
    for _, transition in zip(range(12), playing(env), strict=False):
        buffer.add(*transition)
    asked = env.envs[0].unwrapped.infos
    asked.clear()
    buffer.sample(10)
    (infos,) = asked
    assert len(infos) == 8
    assert {info["step"] for info in infos} <= {1, 2, 3, 4, 5, 6}
    infos[0]["step"] = 99
    assert 99 not in {info["step"] for info in buffer._infos if info}


def test_goals_come_from_the_same_episode_also_where_a_stream_was_cut() -> None:
    """Where ``learn`` begins anew, Stable-Baselines3 takes two halves for one episode."""
    env = make_vec_env(lambda: Reach(1000), 1, seed=0)
    buffer = buffer_of(HindsightReplayBuffer, env, size=100, n_sampled_goal=10**6)
    reached = []
    for seed in range(2):
        part = []
        for _, transition in zip(range(9), playing(env, seed), strict=False):
            if transition[4].any():
                break
            buffer.add(*transition)
            part.append(transition[1]["achieved_goal"][0].tolist())
        reached.append(part)
    assert np.array_equal(buffer.drawable(), np.arange(len(reached[0])))
    goals = buffer.sample(50).observations["desired_goal"][1:].tolist()
    assert all(goal in reached[0] for goal in goals)
    buffer.truncate_last_trajectory()
    assert len(buffer.drawable()) == len(reached[0]) + len(reached[1])


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("kind", [HindsightReplayBuffer, PrioritizedHindsightReplayBuffer])
@pytest.mark.parametrize("steps", [9, 50])
def test_what_was_saved_comes_back(kind: Any, steps: int, pickled: bool) -> None:
    env = make_vec_env(Reach, 2, seed=0)
    buffer = buffer_of(kind, env, goal_selection_strategy="episode", n_sampled_goal=2)
    play = playing(env)
    for _, transition in zip(range(steps), play, strict=False):
        buffer.add(*transition)
    if pickled:
        again = pickle.loads(pickle.dumps(buffer))
    else:
        file = io.BytesIO()
        files.write(buffer, file)
        assert files.is_array_file(file.getvalue())
        file.seek(0)
        again = files.read(file, "b.pkl", *SPACES, 2)
    with pytest.raises(Sb3ScaleError, match="no environment that computes rewards"):
        again.sample(10)
    again.env = env
    for _, transition in zip(range(8), play, strict=False):
        assert_same_batch(again, buffer)
        for each in (again, buffer):
            each.add(*transition)
    assert_same_batch(again, buffer)


def test_priorities_are_of_episodes_that_have_ended() -> None:
    env = make_vec_env(lambda: Reach(4), 2, seed=0)
    buffer = buffer_of(PrioritizedHindsightReplayBuffer, env, size=9)
    for _, transition in zip(range(60), playing(env), strict=False):
        buffer.add(*transition)
        drawable = buffer.episodes.lengths.reshape(-1) > 0
        assert np.array_equal(buffer.tree[np.arange(18)] > 0, drawable)
        if drawable.any():
            batch = buffer.sample(20)
            assert drawable[batch.indices[0]].all()
            buffer.update_priorities(batch.indices, torch.rand(20))
    goals = batch.observations["desired_goal"].numpy()
    own = buffer.observations["desired_goal"].reshape(18, 2)[batch.indices[0]]
    # A random share of the batch, not its end.
    other = (goals != own).any(axis=1)
    assert 10 <= other.sum() <= 16


@pytest.mark.parametrize("algorithm", [SAC, TD3])
@pytest.mark.parametrize("kind", ["her", "prioritized-her"])
def test_training_goes_on_after_saving_and_loading(
    algorithm: Any, kind: str, tmp_path: Path
) -> None:
    model = make(algorithm, Reach(), replay_buffer_class=kind).learn(30)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    assert algorithm.load(tmp_path / "model").predict(model.observation_space.sample())
    again = algorithm.load(tmp_path / "model", trust=False)
    again.set_env(Reach())
    again.load_replay_buffer(tmp_path / "buffer", trust=False)
    assert type(again.replay_buffer) is type(model.replay_buffer)
    del again.replay_buffer
    again.load_replay_buffer(tmp_path / "buffer", trust=False)
    again.learn(10, reset_num_timesteps=False)
    assert again._n_updates == 20


def test_a_stock_policy_trains_with_it() -> None:
    settings = {"learning_starts": 10, "batch_size": 8, "seed": 0, "buffer_size": 50}
    weights = []
    for kind in ("her", HerReplayBuffer):
        model = SAC(
            "MultiInputPolicy", Reach(), device="cpu", replay_buffer_class=kind, **settings
        ).learn(15)
        weights.append(model.policy.state_dict())
    assert_same(dict(weights[0]), dict(weights[1]), "")


class NoRewards(Reach):
    """A goal environment that does not say what another goal is worth."""

    def __getattribute__(self, name: str) -> Any:
        if name == "compute_reward":
            raise AttributeError(name)
        return super().__getattribute__(name)


class OtherKeys(Reach):
    observation_space = spaces.Dict({"observation": PLACE, "achieved_goal": PLACE})


class OtherShapes(Reach):
    observation_space = spaces.Dict(
        {**Reach.observation_space.spaces, "desired_goal": spaces.Box(-1, 1, (3,))}
    )


@pytest.mark.parametrize("kind", ["her", HerReplayBuffer, "prioritized-her"])
@pytest.mark.parametrize(
    ("env", "message"),
    [
        (NoRewards(), "the environment has no compute_reward; allowed: environments with"),
        (OtherKeys(), "have no 'desired_goal', only 'achieved_goal', 'observation'; allowed: Dict"),
        (OtherShapes(), r"achieved_goal has shape \(2,\), and desired_goal \(3,\); allowed with"),
        ("Pendulum-v1", "observations are Box; allowed: Dict with the keys observation, achieved"),
    ],
    ids=["rewards", "keys", "shapes", "box"],
)
def test_other_environments_are_one_sentence(kind: Any, env: Any, message: str) -> None:
    with pytest.raises(Sb3ScaleError, match=message):
        make(SAC, env, replay_buffer_class=kind)


@pytest.mark.parametrize("kind", ["her", HerReplayBuffer])
def test_a_first_episode_that_is_longer_than_learning_starts_is_one_sentence(kind: Any) -> None:
    env = make_vec_env(Reach, 2, seed=0)
    model = make(SAC, env, replay_buffer_class=kind, learning_starts=9)
    with pytest.raises(Sb3ScaleError, match=r"learning_starts is 9.*allowed: at least 12"):
        model.learn(40)
    assert model.num_timesteps == 0
    make(SAC, env, replay_buffer_class=kind, learning_starts=10).learn(14)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"goal_selection_strategy": "futur"}, "allowed: episode, final, future; did you mean"),
        ({"n_sampled_goal": -1}, "n_sampled_goal is -1; allowed: at least 0"),
        ({"storage": "device"}, "has no parameter 'storage'"),
    ],
)
def test_bad_settings_are_one_sentence(settings: dict[str, Any], message: str) -> None:
    kinds = ["her", "prioritized-her", HerReplayBuffer]
    for kind in kinds if "storage" not in settings else kinds[:2]:
        with pytest.raises(Sb3ScaleError, match=message):
            make(SAC, Reach(), replay_buffer_class=kind, replay_buffer_kwargs=settings)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ("policy: ScalePolicy\n  replay_buffer_class: HerReplayBuffer", HerReplayBuffer),
        ("policy: ScalePolicy\n  replay_buffer_class: her", HindsightReplayBuffer),
        ("recipe: crossq-wn\n  n_timesteps: 20\n  replay_buffer_class: her", HindsightReplayBuffer),
        ("policy: MultiInputPolicy\n  replay_buffer_class: her", HindsightReplayBuffer),
    ],
)
def test_one_line_in_a_file_of_rl_zoo(
    settings: str, kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(gymnasium.registry, "Reach-v0", EnvSpec("Reach-v0", entry_point=Reach))
    file = tmp_path / "reach.yml"
    rest = "buffer_size: 90\n  n_timesteps: 20\n  learning_starts: 10\n  normalize: true"
    if "recipe" in settings:
        rest = rest.replace("n_timesteps: 20\n  ", "")
    file.write_text(f"Reach-v0:\n  {settings}\n  {rest}\n")
    model, _ = experiment(str(file), "Reach-v0").setup_experiment()
    buffer = model.replay_buffer
    assert (type(buffer), buffer.env, buffer.buffer_size) == (kind, model.env, 90)
    model.learn(12)


class OneReward(Reach):
    def compute_reward(self, achieved: Any, desired: Any, infos: Any) -> Any:
        return -1.0


def test_rewards_of_another_shape_are_one_sentence() -> None:
    message = r"gave rewards of shape \(\) for goals of shape \(12, 2\); allowed: 12 finite numbers"
    with pytest.raises(Sb3ScaleError, match=message):
        make(SAC, OneReward(), replay_buffer_class="her").learn(40)
