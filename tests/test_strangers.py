"""Files of strangers: without trust nothing in them runs, and what is wrong in them is told."""

import io
import pickle
import random
import warnings
import zipfile
from collections import deque
from pathlib import Path
from typing import Any

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3
import torch
from gymnasium import spaces
from small_models import SMALL, assert_same, make
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from strangers import Hidden, pickled, rewrite

import sb3_scale
from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.runs import read_run
from sb3_scale.trust.files import read_vec_normalize
from sb3_scale.trust.objects import STABLE_BASELINES
from sb3_scale.trust.pickles import read
from sb3_scale_asymmetric.td2 import TD2
from sb3_scale_crossq.algorithm import CrossQ


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "m.zip"
    make(SAC, action_noise=NormalActionNoise(np.zeros(1), np.ones(1))).learn(22).save(path)
    return path


def refusal(path: Path, algorithm: Any = SAC, **arguments: Any) -> str:
    with pytest.raises(Sb3ScaleError) as caught:
        algorithm.load(path, device="cpu", **{"trust": False, **arguments})
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700
    return message.replace(str(path), "FILE")


def test_a_checkpoint_of_ours_needs_no_trust(saved: Path) -> None:
    trusted, other = (SAC.load(saved, device="cpu", trust=trust) for trust in (True, False))
    assert_same(other.get_parameters(), trusted.get_parameters(), "parameters")
    assert other.observation_space == trusted.observation_space
    assert other.action_space.np_random.random() == trusted.action_space.np_random.random()
    assert other.replay_buffer_class is trusted.replay_buffer_class
    assert (other.train_freq, other.ep_info_buffer) == (trusted.train_freq, trusted.ep_info_buffer)
    assert repr(other.action_noise) == repr(trusted.action_noise)
    for name in ("torch", "numpy"):
        ours, theirs = (model.random_states[name] for model in (other, trusted))
        assert str(ours) == str(theirs)


HIDING = ["random_states", "lr_schedule", "policy_class", "_last_obs", "unknown"]


@pytest.mark.parametrize("key", HIDING)
def test_a_checkpoint_runs_nothing_without_trust(key: str, saved: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for value in (Hidden(mark), [{"deep": Hidden(mark)}], lambda _: mark.touch()):
        path = rewrite(saved, tmp_path / "m.zip", {key: pickled(value)})
        message = refusal(path)
        assert message.startswith(f"'{key}' of checkpoint FILE needs ")
        assert ("code that is in the file" in message) == callable(value)
        assert message.endswith("trust=True, which runs whatever is in the file")
    assert not mark.exists()


def test_what_is_replaced_is_not_read(saved: Path, tmp_path: Path) -> None:
    hidden = pickled(Hidden(tmp_path / "ran"))
    path = rewrite(saved, tmp_path / "m.zip", {"lr_schedule": hidden, "action_noise": hidden})
    given = {"lr_schedule": lambda _: 0.0, "action_noise": None}
    assert SAC.load(path, device="cpu", trust=False, custom_objects=given).action_noise is None
    assert not (tmp_path / "ran").exists()


class Script:
    """Becomes what its own class pickles it as."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


def test_known_names_cannot_be_abused(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    space = spaces.Box(-1, 1, (2,))
    state = {**vars(space), "low": Hidden(mark)}
    tries = [
        Script(spaces.Box.__new__, (spaces.Box,), state),
        Script(getattr, (space, "sample")),
        Script(deque, ([Hidden(mark)],)),
        Script(NormalActionNoise.__new__, (NormalActionNoise,), {"__call__": print}),
        Script(np.dtype, ("O",)),
        Script(eval, ("1",)),
        np.array([Hidden(mark)], object),
    ]
    for each in tries:
        with pytest.raises(Sb3ScaleError):
            read(cloudpickle.dumps(each), STABLE_BASELINES, "it")

    class Sub(spaces.Box):
        def seed(self, seed: Any = None) -> Any:
            mark.touch()

    with pytest.raises(Sb3ScaleError):
        read(cloudpickle.dumps(Sub(-1, 1)), STABLE_BASELINES, "it")
    assert not mark.exists()
    assert spaces.Box(-1, 1, (2,)) == space


def test_a_small_pickle_does_not_take_the_memory() -> None:
    many: list[Any] = [0]
    for _ in range(60):
        many = [many, many]
    looped: list[Any] = []
    looped.append(looped)
    memory = b"\x80\x04Nr\xff\xff\xff\xff."
    room = b"\x80\x05\x96" + (2**50).to_bytes(8, "little") + b"."
    for content in (pickle.dumps(many), pickle.dumps(looped), memory, room, b"", b"no pickle"):
        with pytest.raises(Sb3ScaleError, match="it cannot be read: "):
            read(content, STABLE_BASELINES, "it")


def test_escapes_that_python_does_not_know_warn_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(rb"S'a\yb'" + b"\n.", STABLE_BASELINES, "it") == r"a\yb"


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_spaces_and_arrays_are_read_as_they_were(protocol: int) -> None:
    one = spaces.Dict(
        a=spaces.Box(-1, 1, (2,)), b=spaces.Discrete(3, start=1), c=spaces.MultiDiscrete([2, 3])
    )
    pair = spaces.Tuple([one, spaces.MultiBinary(3)])
    one.seed(0)
    found = read(pickle.dumps([one, pair], protocol), STABLE_BASELINES, "it")
    assert found == [one, pair]
    assert str(found[0].sample()) == str(one.sample())
    images = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    arrays = np.arange(6.0).reshape(2, 3).T, np.zeros((0, 3), ">i4"), np.array(["ab"])
    for array in (*arrays, images.transpose(0, 3, 1, 2), images[:, ::-1].transpose(3, 0, 2, 1)):
        again = read(pickle.dumps(array, protocol), STABLE_BASELINES, "it")
        assert again.dtype == array.dtype
        assert np.array_equal(again, array)


def test_tensors_are_read_as_they_were() -> None:
    for tensor in (torch.arange(6.0).reshape(2, 3).T, torch.zeros(1, 0), torch.tensor(3)):
        assert torch.equal(read(pickle.dumps(tensor), STABLE_BASELINES, "it"), tensor)
    with pytest.raises(Sb3ScaleError, match="larger than its numbers"):
        read(pickle.dumps(torch.zeros(1).expand(2**40)), STABLE_BASELINES, "it")


def test_statistics_are_read_without_running_them(tmp_path: Path) -> None:
    path, mark = tmp_path / "vecnormalize.pkl", tmp_path / "ran"
    env = VecNormalize(DummyVecEnv([lambda: gym.make("Pendulum-v1")]))
    env.reset()
    env.step(np.zeros((1, 1)))
    env.save(str(path))
    observations = np.ones((1, 3))
    found = read_vec_normalize(path)
    assert np.array_equal(found.normalize_obs(observations), env.normalize_obs(observations))
    for value in (Hidden(mark), {"obs_rms": Hidden(mark)}, env.obs_rms):
        path.write_bytes(pickle.dumps(value))
        with pytest.raises(Sb3ScaleError, match="vecnormalize"):
            read_vec_normalize(path)
    assert not mark.exists()


def test_a_folder_of_a_stranger_runs_nothing_in_report(tmp_path: Path) -> None:
    mark, settings = tmp_path / "ran", tmp_path / "Pendulum-v1"
    settings.mkdir()
    tags = f"!!python/object/apply:os.system ['touch {mark}']"
    (tmp_path / "0.monitor.csv").write_text('#{"t_start": 0}\nr,l,t\n-1.0,5,0.1\n')
    (settings / "args.yml").write_text(f"algo: sac\nenv: Pendulum-v1\nseed: 1\nx: {tags}\n")
    (settings / "config.yml").write_text(f"gamma: {tags}\n")
    assert read_run(tmp_path).decisions == 5
    results = np.array([[Hidden(mark)]], object)
    np.savez(tmp_path / "evaluations.npz", results=results, timesteps=[1])
    with pytest.raises(Sb3ScaleError, match="evaluations"):
        read_run(tmp_path)
    (tmp_path / "evaluations.npz").unlink()
    (tmp_path / "Pendulum-v1.zip").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "Pendulum-v1.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("data", b" " * 2**26)
    with pytest.raises(Sb3ScaleError, match="would become"):
        read_run(tmp_path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("args.yml", "algo: sac\nenv: Pendulum-v1\nseed: x\n"),
        ("args.yml", "[1]"),
        ("config.yml", "env_kwargs: [1]\n"),
        ("config.yml", "env_kwargs: {action_repeat: x}\n"),
        ("../0.monitor.csv", "r\nx\n"),
        ("../0.monitor.csv", "#{}\nr,l,t\nx,y,z\n"),
        ("../evaluations.npz", {"results": [1.0], "timesteps": [1]}),
        ("../evaluations.npz", {"results": [["x"]], "timesteps": [1]}),
        ("../Pendulum-v1.zip", "[]"),
        ("../Pendulum-v1.zip", '{"num_timesteps": null, "_n_updates": []}'),
    ],
)
def test_wrong_files_of_a_run_are_one_sentence(file: str, content: Any, tmp_path: Path) -> None:
    settings = tmp_path / "Pendulum-v1"
    settings.mkdir()
    (settings / "args.yml").write_text("algo: sac\nenv: Pendulum-v1\nseed: 1\n")
    (settings / "config.yml").write_text("gamma: 0.9\n")
    (tmp_path / "0.monitor.csv").write_text('#{"t_start": 0}\nr,l,t\n')
    path = settings / file
    if isinstance(content, dict):
        np.savez(path, **content)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data", content)
    else:
        path.write_text(content)
    with pytest.raises(Sb3ScaleError) as caught:
        read_run(tmp_path)
    assert "\n" not in str(caught.value)


WRONG = {
    "n_envs": (0, "x", None, ...),
    "num_timesteps": ("x", -1, 1.5),
    "_n_updates": (None, True),
    "gamma": (..., "x", None),
    "observation_space": (..., None, {}),
    "policy_class": (..., "x"),
    "policy_kwargs": (None, [], {}),
    "learning_rate": (None,),
    "seed": ("x", -1),
    "ep_info_buffer": ("x", [1]),
    "random_states": ({}, "x"),
    "part_providers": ([],),
    "predict": ("x",),
    "env": ({},),
    "_last_obs": ("x",),
    "saved_by": (5,),
    "action_space": ({":serialized:": "?"}, {":serialized:": 5}),
}


@pytest.mark.parametrize("trust", [True, False])
def test_wrong_entries_are_one_sentence_that_names_them(
    trust: bool, saved: Path, tmp_path: Path
) -> None:
    for key, values in WRONG.items():
        for value in values:
            path = rewrite(saved, tmp_path / "m.zip", {key: value})
            message = refusal(path, trust=trust)
            assert "FILE" in message
            assert key in message or value == {} or key == "saved_by"


def tensors(**content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def test_wrong_tensors_are_one_sentence(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    assert "log_ent_coef" in refusal(rewrite(saved, path, pytorch_variables_pth=None))
    assert "log_ent_coef" in refusal(rewrite(saved, path, pytorch_variables_pth=tensors()))
    for value in (torch.zeros(2), torch.full((1,), torch.nan), torch.full((1,), torch.inf),
                  torch.zeros(1, dtype=torch.float64), 5):  # fmt: skip
        changed = tensors(log_ent_coef=value)
        message = refusal(rewrite(saved, path, pytorch_variables_pth=changed))
        assert "log_ent_coef" in message or "pytorch_variables.pth" in message
    model = SAC.load(saved, device="cpu")
    with torch.no_grad():
        next(model.policy.actor.parameters())[:] = torch.nan
    model.save(path)
    assert "policy.pth holds nan" in refusal(path)
    model = SAC.load(saved, device="cpu")
    model.policy.critic.optimizer.param_groups[0]["lr"] = "x"
    model.save(path)
    assert "the optimizer of the critic has lr 'x'" in refusal(path)
    model = SAC.load(saved, device="cpu")
    state = next(iter(model.policy.actor.optimizer.state.values()))
    state["exp_avg"] = torch.zeros(1).expand(2**40)
    model.save(path)
    assert "exp_avg" in refusal(path)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("betas", (0.9,), " has betas (0.9,); allowed: 2 numbers"),
        ("betas", (2.0, -1.0), " cannot be used: Invalid beta parameter at index 0: 2.0"),
        ("weight_decay", -5, " cannot be used: Invalid weight_decay value: -5"),
        ("amsgrad", True, " has amsgrad True; allowed: False, as set"),
        ("maximize", True, " has maximize True; allowed: False, as set"),
        ("step", torch.tensor(-5.0), " has step tensor(-5.); allowed: at least 0"),
        ("step", torch.tensor(torch.nan), " has step tensor(nan); allowed: at least 0"),
        ("exp_avg", torch.inf, ": exp_avg holds inf; allowed: finite numbers"),
        ("exp_avg_sq", -1.0, ": exp_avg_sq holds numbers below 0; allowed: at least 0"),
        ("exp_avg_sq", None, " lacks 'exp_avg_sq' of a parameter"),
    ],
)
def test_an_optimizer_that_could_not_step_is_named(
    key: str, value: Any, sentence: str, saved: Path, tmp_path: Path
) -> None:
    model = SAC.load(saved, device="cpu")
    optimizer = model.policy.critic.optimizer
    state = next(iter(optimizer.state.values()))
    if key not in state:
        optimizer.param_groups[0][key] = value
    elif value is None:
        del state[key]
    else:
        state[key] = torch.full_like(state[key], float(value))
    model.save(tmp_path / "m.zip")
    assert f"the optimizer of the critic{sentence}" in refusal(tmp_path / "m.zip")


def test_an_infinite_weight_and_an_empty_member_are_named(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    for name in ("policy_pth", "pytorch_variables_pth"):
        message = refusal(rewrite(saved, path, **{name: b""}))
        assert message.endswith("does not fit its own settings: EOFError")
    model = SAC.load(saved, device="cpu")
    with torch.no_grad():
        next(model.policy.critic.parameters())[:] = torch.inf
    model.save(path)
    assert "policy.pth holds inf" in refusal(path)


def test_a_file_that_would_fill_the_memory_is_refused(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("zeros", b"0" * 2**25)
    assert "would become" in refusal(path)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"0" * 2**25)
    assert "would become" in refusal(rewrite(saved, path, policy_pth=inner.getvalue()))
    parts = {"critic": {"name": "ensemble", "network": {"name": "mlp", "width": 10**9}}}
    refusal(rewrite(saved, path, {"policy_kwargs": parts}))


def test_a_checkpoint_of_another_algorithm_is_refused(saved: Path, tmp_path: Path) -> None:
    message = "checkpoint FILE was saved by sb3_scale.SAC; load it with sb3_scale.SAC.load, not "
    assert refusal(saved, TD3) == f"{message}with sb3_scale.TD3.load"
    for env in (None, gym.make("Pendulum-v1")):
        assert refusal(saved, TD3, env=env, trust=True).startswith(message)
    # Files of earlier versions do not name their algorithm.
    older = rewrite(saved, tmp_path / "m.zip", {"saved_by": ...})
    assert "has no 'target_policy_noise', so sb3_scale.TD3 did not" in refusal(older, TD3)
    assert SAC.load(older, device="cpu", trust=False).num_timesteps == 22

    class Mine(SAC):
        """A user's own."""

    mine = Mine.load(saved, device="cpu")
    mine.save(tmp_path / "mine")
    assert SAC.load(tmp_path / "mine", device="cpu").num_timesteps == 22


def test_a_stock_policy_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"buffer_size": 50, "device": "cpu"}
    sb3_scale.SAC("MlpPolicy", "Pendulum-v1", **settings).save(tmp_path / "sac")
    stable_baselines3.TD3("MlpPolicy", "Pendulum-v1", **settings).save(tmp_path / "td3")
    sb3_contrib.TQC("MlpPolicy", "Pendulum-v1", **settings).save(tmp_path / "tqc")
    stable_baselines3.PPO("MlpPolicy", "Pendulum-v1", device="cpu").save(tmp_path / "ppo")
    for file, algorithm, policy in (
        ("sac", TD2, "SACPolicy of stable_baselines3.sac.policies"),
        ("sac", CrossQ, "SACPolicy of stable_baselines3.sac.policies"),
        ("tqc", SAC, "TQCPolicy of sb3_contrib.tqc.policies"),
        ("td3", SAC, "has no 'ent_coef'"),
    ):
        with pytest.raises(Sb3ScaleError, match=policy):
            algorithm.load(tmp_path / file, device="cpu")
    with pytest.raises(Sb3ScaleError, match="has one optimiser for all, as PPO, A2C and DQN save"):
        SAC.load(tmp_path / "ppo", device="cpu")


def test_wrong_arguments_of_load_are_refused(saved: Path) -> None:
    assert "did you mean 'gamma'?" in refusal(saved, gama=0.5)
    actor = {"name": "squashed-gaussian", "network": SMALL}
    other = {"actor": actor, "critic": {"name": "ensemble", "n_critics": 5, "network": SMALL}}
    assert "policy_kwargs: critic is" in refusal(saved, policy_kwargs=other)
    with pytest.raises(Sb3ScaleError, match=r"^device is 'gpu'; allowed: auto, cpu, cuda, cuda:1"):
        SAC.load(saved, device="gpu")
    with pytest.raises(Sb3ScaleError, match=r"^use_sde is true, and ScalePolicy has no state-dep"):
        SAC.load(saved, device="cpu", use_sde=True)
    with pytest.raises(Sb3ScaleError, match=r"^checkpoint is 3; allowed: a path, or an open file"):
        SAC.load(3, device="cpu")  # type: ignore[arg-type]
    same = {"actor": actor, "critic": {"name": "ensemble", "network": SMALL, "n_critics": 2}}
    assert SAC.load(saved, device="cpu", policy_kwargs=same, gamma=0.5).gamma == 0.5


def drawn() -> list[float]:
    return [random.random(), np.random.random(), float(torch.rand(1))]


@pytest.mark.parametrize("env", [None, "Pendulum-v1"])
def test_loading_leaves_the_generators_of_the_process_alone(env: Any, saved: Path) -> None:
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    expected = drawn()
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    SAC.load(saved, env and gym.make(env), device="cpu")
    assert drawn() == expected


def test_two_models_of_one_checkpoint_differ_by_their_seeds(saved: Path) -> None:
    first, second, third = (
        SAC.load(saved, gym.make("Pendulum-v1"), device="cpu", seed=seed).learn(24)
        for seed in (1, 2, 1)
    )
    parameters = [model.get_parameters() for model in (first, second, third)]
    assert_same(parameters[0], parameters[2], "parameters")
    with pytest.raises(AssertionError):
        assert_same(parameters[0], parameters[1], "parameters")


def test_random_states_wait_in_a_file_that_is_saved_again(saved: Path, tmp_path: Path) -> None:
    SAC.load(saved, device="cpu").save(tmp_path / "m")
    resumed = []
    for path in (saved, tmp_path / "m"):
        drawn()
        model = SAC.load(path, gym.make("Pendulum-v1"), device="cpu", learning_starts=100)
        model.learn(1, reset_num_timesteps=False)
        resumed.append(drawn())
    assert resumed[0] == resumed[1]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [("auto", 0.02, 0.02), (0.02, "auto_0.5", 0.5), ("auto", "auto_0.5", 0.5), (0.02, 0.3, 0.3)],
)
def test_another_temperature_at_loading_counts(
    before: Any, after: Any, expected: float, tmp_path: Path
) -> None:
    make(SAC, ent_coef=before).learn(21).save(tmp_path / "m")
    for given in ({"ent_coef": after}, {"custom_objects": {"ent_coef": after}}):
        env = gym.make("Pendulum-v1")
        model = SAC.load(tmp_path / "m", env, device="cpu", trust=False, **given)
        assert float(model.ent_coef_value()) == pytest.approx(expected)
        model.learn(21, reset_num_timesteps=False)
        moved = isinstance(after, str)
        assert (float(model.ent_coef_value()) == pytest.approx(expected, abs=1e-7)) != moved
        model.save(tmp_path / "again")
        again = SAC.load(tmp_path / "again", device="cpu")
        assert again.ent_coef_value() == model.ent_coef_value()


def test_other_settings_of_the_temperature_at_loading_count(saved: Path) -> None:
    kwargs = {"betas": [0.5, 0.9]}
    model = SAC.load(saved, device="cpu", ent_coef_optimizer_kwargs=kwargs)
    assert model.ent_coef_optimizer.param_groups[0]["betas"] == [0.5, 0.9]
    assert SAC.load(saved, device="cpu", target_entropy=-3).target_entropy == -3


def test_stock_policies_are_read_without_trust(tmp_path: Path) -> None:
    kwargs = {"net_arch": [8], "activation_fn": torch.nn.Tanh}
    settings = {"buffer_size": 50, "learning_starts": 2, "batch_size": 4, "device": "cpu"}
    model = sb3_scale.SAC("MlpPolicy", "Pendulum-v1", policy_kwargs=kwargs, **settings).learn(5)
    model.replay_buffer_class = ReplayBuffer
    model.save(tmp_path / "m")
    loaded = SAC.load(tmp_path / "m", device="cpu", trust=False)
    assert loaded.policy_kwargs["activation_fn"] is torch.nn.Tanh
