"""Checkpoints: whole, exact to resume from, loadable anywhere, and refused where damaged."""

import json
import random
import zipfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
import zoo_commands
from small_models import SMALL, assert_same, make
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.generators import random_states

BOTH = pytest.mark.parametrize("algorithm", [SAC, TD3])

RESUME = """
import sys
import gymnasium
import sb3_scale

algorithm, path, buffer, out = sys.argv[1:]
model = getattr(sb3_scale, algorithm).load(path, gymnasium.make("Pendulum-v1"), device="cpu")
model.load_replay_buffer(buffer)
model.learn(40, reset_num_timesteps=False)
model.save(out)
model.save_replay_buffer(out + ".pkl")
"""

PREDICT = """
import sys
import sb3_scale

model = sb3_scale.SAC.load(sys.argv[1], device="cpu")
print(model.predict(model.observation_space.high, deterministic=True)[0].tolist())
"""


def run(program: str, *arguments: Any) -> str:
    done = zoo_commands.run(Path.cwd(), "-c", program, *map(str, arguments))
    assert done.returncode == 0, done.stderr
    return done.stdout


@BOTH
def test_training_resumes_exactly_in_a_new_process(algorithm: Any, tmp_path: Path) -> None:
    noise = NormalActionNoise(np.zeros(1), np.full(1, 0.1)) if algorithm is TD3 else None
    model = make(algorithm, action_noise=noise, actor_learning_rate="lin_1e-3").learn(60)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")

    # An environment cannot be saved, so the run that goes on gets a new one too, with the seed
    # that loading sets; all else goes on as it is.
    model.set_env(gym.make("Pendulum-v1"))
    model.env.seed(model.seed)
    model.learn(40, reset_num_timesteps=False)

    run(RESUME, algorithm.__name__, tmp_path / "model", tmp_path / "buffer", tmp_path / "resumed")
    resumed = algorithm.load(tmp_path / "resumed", device="cpu")
    resumed.load_replay_buffer(tmp_path / "resumed.pkl")
    assert (resumed.num_timesteps, resumed._n_updates) == (100, 80)
    assert_same(resumed.get_parameters(), model.get_parameters(), "parameters")
    if algorithm is SAC:
        assert torch.equal(resumed.log_ent_coef, model.log_ent_coef)
    for array in ("observations", "actions", "rewards", "dones"):
        assert np.array_equal(
            getattr(resumed.replay_buffer, array), getattr(model.replay_buffer, array)
        )


@BOTH
def test_round_trip(algorithm: Any, tmp_path: Path) -> None:
    model = make(algorithm).learn(60)
    model.save(tmp_path / "model")
    loaded = algorithm.load(tmp_path / "model.zip", device="cpu")
    assert_same(loaded.get_parameters(), model.get_parameters(), "parameters")
    assert (loaded.num_timesteps, loaded._n_updates) == (60, 40)
    observation = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    expected = model.predict(observation, deterministic=True)[0]
    assert np.array_equal(loaded.predict(observation, deterministic=True)[0], expected)
    if algorithm is SAC:
        assert torch.equal(loaded.log_ent_coef, model.log_ent_coef)
        (parameter,) = loaded.ent_coef_optimizer.param_groups[0]["params"]
        assert parameter is loaded.log_ent_coef


def test_fixed_temperature_round_trip(tmp_path: Path) -> None:
    make(SAC, ent_coef=0.3).learn(30).save(tmp_path / "model")
    loaded = SAC.load(tmp_path / "model", device="cpu")
    assert loaded.ent_coef_tensor.item() == pytest.approx(0.3)
    assert loaded.ent_coef_optimizer is None


@BOTH
def test_parameters_carry_over_with_the_optimisers(algorithm: Any) -> None:
    model, other = make(algorithm).learn(60), make(algorithm, seed=1)
    # load_state_dict of PyTorch's optimisers shares tensors with its source.
    other.set_parameters(deepcopy(model.get_parameters()))
    assert_same(other.get_parameters(), model.get_parameters(), "parameters")
    if algorithm is SAC:  # not among the parameters in Stable-Baselines3 either
        other.log_ent_coef.data.copy_(model.log_ent_coef.data)
    other.replay_buffer, other._n_updates = model.replay_buffer, model._n_updates
    other.set_logger(model.logger)
    for trained in (model, other):
        np.random.seed(0)
        torch.manual_seed(0)
        trained.train(4, 16)
    assert_same(other.get_parameters(), model.get_parameters(), "after training")


@BOTH
def test_wrong_parameters_are_refused(algorithm: Any) -> None:
    model = make(algorithm)
    parameters = model.get_parameters()
    del parameters["critic.optimizer"]
    with pytest.raises(ValueError, match="Names of parameters do not match"):
        model.set_parameters(parameters)


def test_loads_in_a_process_that_imports_sb3_scale_alone(tmp_path: Path) -> None:
    model = make(SAC).learn(30)
    model.save(tmp_path / "model")
    expected = model.predict(model.observation_space.high, deterministic=True)[0]
    found = json.loads(run(PREDICT, tmp_path / "model.zip"))
    assert found == expected.tolist()


def test_no_replay_buffer_without_an_environment(tmp_path: Path) -> None:
    make(SAC, make_vec_env("Pendulum-v1", 2), buffer_size=20_000).learn(30).save(tmp_path / "m")
    loaded = SAC.load(tmp_path / "m", device="cpu")
    assert loaded.replay_buffer.observations.nbytes < 100
    # Saving again must not forget the size that was asked for.
    loaded.save(tmp_path / "m")
    loaded = SAC.load(tmp_path / "m", device="cpu")
    loaded.set_env(make_vec_env("Pendulum-v1", 2))
    assert loaded.replay_buffer.observations.shape == (10_000, 2, 3)
    loaded.learn(10)
    assert loaded.replay_buffer.pos == 5
    filled = loaded.replay_buffer
    loaded.set_env(make_vec_env("Pendulum-v1", 2))
    assert loaded.replay_buffer is filled


def test_n_step_buffer_is_made_again_as_it_was(tmp_path: Path) -> None:
    make(TD3, n_steps=3, gamma=0.9).save(tmp_path / "m")
    loaded = TD3.load(tmp_path / "m", device="cpu")
    loaded.set_env(gym.make("Pendulum-v1"))
    assert (loaded.replay_buffer.n_steps, loaded.replay_buffer.gamma) == (3, 0.9)
    assert loaded.replay_buffer.buffer_size == 500


def drawn() -> list[float]:
    return [random.random(), np.random.random(), float(torch.rand(1))]


def test_seed_of_the_user_wins_over_the_random_states_of_the_file(tmp_path: Path) -> None:
    make(SAC).learn(30).save(tmp_path / "m")
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    SAC.load(tmp_path / "m", device="cpu", seed=5)
    found = np.random.random()
    np.random.seed(5)
    assert found == np.random.random()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    expected = drawn()
    loaded = SAC.load(tmp_path / "m", gym.make("Pendulum-v1"), device="cpu", learning_starts=10_000)
    drawn()
    loaded.learn(1, reset_num_timesteps=False)
    assert drawn() == expected


def test_a_checkpoint_has_no_tensors_of_networks_beside_them(tmp_path: Path) -> None:
    norm = {"name": "mlp", "width": 8, "depth": 1, "norm": "batch"}
    model = make(SAC, parts={"critic": {"name": "ensemble", "network": norm}})
    assert model.batch_norm_stats
    model.save(tmp_path / "m.zip")
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        assert "batch_norm_stats" not in archive.read("data").decode()
    loaded = SAC.load(tmp_path / "m.zip", device="cpu")
    assert len(loaded.batch_norm_stats) == len(model.batch_norm_stats)


def test_random_states_do_not_start_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert random_states(gym.spaces.Box(-1, 1, (1,)))["cuda"] == []


def test_settings_in_the_file_are_plain_data(tmp_path: Path) -> None:
    make(SAC).learn(30).save(tmp_path / "m")
    data = json.loads(zipfile.ZipFile(tmp_path / "m.zip").read("data"))
    assert data["policy_kwargs"]["actor"] == {"name": "squashed-gaussian", "network": SMALL}
    assert ":serialized:" not in data["policy_kwargs"]
    assert data["part_providers"]["critic:ensemble"] == "sb3-scale"
    # A tensor of the GPU would not load on a machine without one.
    kinds = {key: value.get(":type:", "") for key, value in data.items() if type(value) is dict}
    assert "_n_updates" in data
    assert not [key for key, kind in kinds.items() if "torch" in kind or "sb3_scale.nn" in kind]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("checkpoint") / "m.zip"
    make(SAC).learn(30).save(path)
    return path.read_bytes()


def refused(path: Path) -> str:
    with pytest.raises(Sb3ScaleError) as caught:
        SAC.load(path, device="cpu")
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_cut_off_file(checkpoint: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    size = len(checkpoint)
    # Networks are zip files within the zip file, so a cut one may look like a whole, other one.
    reasons = {
        f"checkpoint {path} is damaged: File is not a zip file",
        f"checkpoint {path} is damaged: it does not begin where its contents do",
    }
    for kept in (0, 1, 100, size // 2, size - 1000, size - 23, *range(size - 22, size)):
        path.write_bytes(checkpoint[:kept])
        assert refused(path) in reasons


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    path.write_text("this is no archive")
    assert refused(path) == f"checkpoint {path} is damaged: File is not a zip file"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "hello")
    assert refused(path) == f"{path} is no whole checkpoint: it lacks 'data'"
    for given, name in (("plain", "plain"), ("v0.1", "v0.1.zip")):
        (tmp_path / name).write_text("this is no archive")
        assert refused(tmp_path / given).endswith(f"{name} is damaged: File is not a zip file")
    with pytest.raises(FileNotFoundError):
        SAC.load(tmp_path / "missing", device="cpu")


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({"n_envs": "x"}, "a whole number, at least 1"),
        ({"num_timesteps": -5}, "a whole number, at least 0"),
        ({"_last_obs": 3}, "nothing, or arrays"),
        ({"policy_class": "MlpPolicy"}, "type\\[stable_baselines3.common.policies.BasePolicy\\]"),
        ({"custom_objects": [1]}, "dict\\[str, Any\\] | None"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_attributes_given_at_loading_are_checked_as_those_of_the_file(
    given: dict[str, Any], allowed: str, checkpoint: bytes, tmp_path: Path
) -> None:
    (tmp_path / "model.zip").write_bytes(checkpoint)
    key = next(iter(given))
    with pytest.raises(Sb3ScaleError, match=rf"^SAC\.load: {key} is .*; allowed: {allowed}"):
        SAC.load(tmp_path / "model.zip", **given)


def test_wrong_bytes_in_a_network(checkpoint: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    path.write_bytes(checkpoint)
    member = zipfile.ZipFile(path).getinfo("policy.pth")
    wrong = bytearray(checkpoint)
    wrong[member.header_offset + 1000] ^= 0xFF
    path.write_bytes(wrong)
    assert refused(path) == f"checkpoint {path} is damaged: bad checksum of 'policy.pth'"


def test_a_wrong_byte_anywhere_is_refused_or_without_effect(
    checkpoint: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "m.zip"
    path.write_bytes(checkpoint)
    whole = SAC.load(path, device="cpu").get_parameters()
    archive = zipfile.ZipFile(path)
    heads = [m.header_offset + i for m in archive.infolist() for i in range(30 + len(m.filename))]
    directory = range(archive.start_dir, len(checkpoint))
    chosen = random.Random(0)
    places = chosen.sample(heads, 60) + chosen.sample(directory, 90)
    refusals = 0
    for place in places + chosen.sample(range(len(checkpoint)), 20):
        wrong = bytearray(checkpoint)
        wrong[place] ^= chosen.choice((0xFF, 0x01, 0x08))
        path.write_bytes(wrong)
        try:
            assert_same(SAC.load(path, device="cpu").get_parameters(), whole, f"byte {place}")
        except Sb3ScaleError:
            refusals += 1
    assert refusals > 50
