"""Files of replay buffers: what was saved comes back, or one sentence."""

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from small_models import make
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.replay import files
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale_densenet.prioritized import PrioritizedReplayBuffer

VECTOR, ACTIONS = spaces.Box(-9, 9, (3,)), spaces.Box(-1, 1, (2,))
DICT = spaces.Dict(
    {"camera 1": spaces.Box(0, 255, (3, 4, 4), np.uint8), "mode": spaces.Discrete(4)}
)
GOALS = spaces.Dict({key: VECTOR for key in ("observation", "achieved_goal", "desired_goal")})


class Distances:
    """As much of an environment as HerReplayBuffer calls."""

    def env_method(self, name: str, achieved: Any, desired: Any, *rest: Any, **more: Any) -> Any:
        return [-np.linalg.norm(achieved - desired, axis=-1)]


def fill(buffer: Any, steps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_envs = buffer.n_envs
    for space in (buffer.observation_space, buffer.action_space):
        space.seed(seed)
    for _ in range(steps):
        pair = []
        for _ in range(2):
            found = [buffer.observation_space.sample() for _ in range(n_envs)]
            if isinstance(found[0], dict):
                pair.append({key: np.stack([each[key] for each in found]) for key in found[0]})
            else:
                pair.append(np.stack(found))
        actions = np.stack([buffer.action_space.sample() for _ in range(n_envs)])
        rewards, dones = rng.normal(size=n_envs), rng.random(n_envs) < 0.3
        buffer.add(*pair, actions, rewards, dones, [{} for _ in range(n_envs)])


def assert_same_draw(one: Any, other: Any) -> Any:
    batches = []
    for buffer in (one, other):
        np.random.seed(1)
        batches.append(buffer.sample(16))
    for ours, theirs in zip(*batches, strict=True):
        assert (ours is None) == (theirs is None)
        for key in ours if isinstance(ours, dict) else [...] if ours is not None else []:
            found, wanted = np.asarray(ours[key]), np.asarray(theirs[key])
            assert found.dtype == wanted.dtype
            assert found.tobytes() == wanted.tobytes()
    return batches


def through_a_file(buffer: Any) -> Any:
    file = io.BytesIO()
    files.write(buffer, file)
    assert files.is_array_file(file.getvalue())
    file.seek(0)
    n_envs = buffer.n_envs
    return files.read(file, "b.pkl", buffer.observation_space, buffer.action_space, n_envs)


@pytest.mark.parametrize("steps", [0, 7, 45])
@pytest.mark.parametrize(
    ("kind", "space", "settings"),
    [
        *(
            (CompactReplayBuffer, spaces.Box(0, 99, (4,), dtype), {"storage": "host"})
            for dtype in (np.uint8, np.uint16, np.uint32, np.int64, np.float16, np.float64)
        ),
        (PrioritizedReplayBuffer, spaces.Box(0, 99, (2, 2), np.uint16), {"alpha": 0.7}),
        (PrioritizedReplayBuffer, VECTOR, {"n_steps": 3, "gamma": 0.9}),
        (ReplayBuffer, spaces.MultiBinary(5), {}),
        (
            ReplayBuffer,
            VECTOR,
            {"optimize_memory_usage": True, "handle_timeout_termination": False},
        ),
        (NStepReplayBuffer, VECTOR, {"n_steps": 3}),
        (DictReplayBuffer, DICT, {}),
        (HerReplayBuffer, GOALS, {"env": Distances(), "goal_selection_strategy": "final"}),
    ],
)
def test_what_was_saved_comes_back(kind: Any, space: Any, settings: Any, steps: int) -> None:
    """It draws the same and goes on the same, before the ring is full and after."""
    buffer = kind(40, space, ACTIONS, device="cpu", n_envs=2, **settings)
    fill(buffer, steps, seed=0)
    again = through_a_file(buffer)
    again.env = settings.get("env")
    for seed in range(2):
        assert (again.pos, again.full) == (buffer.pos, buffer.full)
        if steps or seed:
            ours, theirs = assert_same_draw(again, buffer)
            if kind is PrioritizedReplayBuffer:
                again.update_priorities(ours.indices, torch.linspace(0, 3, 16))
                buffer.update_priorities(theirs.indices, torch.linspace(0, 3, 16))
        fill(buffer, 9, seed)
        fill(again, 9, seed)


@pytest.mark.parametrize("begun", [b"", b"before"])
def test_whoever_unpickles_a_file_of_arrays_gets_the_buffer(begun: bytes) -> None:
    buffer = CompactReplayBuffer(40, VECTOR, ACTIONS, device="cpu", n_envs=2)
    fill(buffer, 45, seed=0)
    file = io.BytesIO()
    file.write(begun)
    files.write(buffer, file)
    file.write(b"after")
    file.seek(len(begun))
    assert_same_draw(buffer, pickle.load(file))
    assert file.read() == b"after"


def test_streams_of_different_length_come_back() -> None:
    buffer = PrioritizedReplayBuffer(40, VECTOR, ACTIONS, "cpu", 2)
    steps = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    nothing = np.zeros(7)
    actions = np.zeros((7, 2))
    buffer.add_stream(1, steps[:-1], steps[1:], actions, nothing, nothing, nothing, np.arange(7.0))
    again = through_a_file(buffer)
    assert again.size() == 0
    assert_same_draw(again, buffer)


def test_only_rows_in_use_are_written() -> None:
    buffer = ReplayBuffer(100_000, VECTOR, ACTIONS, device="cpu")
    fill(buffer, 10, seed=0)
    file = io.BytesIO()
    files.write(buffer, file)
    assert len(file.getvalue()) < 5000


@pytest.fixture(scope="module")
def good() -> bytes:
    buffer = PrioritizedReplayBuffer(12, VECTOR, ACTIONS, "cpu", 2)
    fill(buffer, 5, seed=0)
    file = io.BytesIO()
    files.write(buffer, file)
    return file.getvalue()


def read(content: bytes, space: Any = VECTOR, n_envs: int = 2) -> Any:
    return files.read(io.BytesIO(content), "b.pkl", space, ACTIONS, n_envs)


def test_a_wrong_byte_anywhere_is_refused_or_without_effect(good: bytes) -> None:
    whole = read(good)
    refused = set()
    for place in range(4, len(good), 3):
        wrong = bytearray(good)
        wrong[place] ^= 1 << place % 8
        try:
            again = read(bytes(wrong))
        except Sb3ScaleError as error:
            refused.add(str(error))
        else:
            assert_same_draw(again, whole)
            assert (again.generations == whole.generations).all()
    assert len(refused) > 10
    assert not any("\n" in sentence for sentence in refused)


def test_a_file_that_is_cut_is_refused(good: bytes) -> None:
    for end in (*range(0, len(good), 50), len(good) - 3, len(good) - 1):
        with pytest.raises(Sb3ScaleError, match="is damaged"):
            read(good[:end])


def changed(good: bytes, change: Any) -> bytes:
    """A file with right checksums and another description."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(file, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member == "about.json":
                about = json.loads(content)
                change(about)
                content = json.dumps(about).encode()
            new.writestr(member, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"class": "os:system"}, "is a os:system; allowed: parts that are installed, and Replay"),
        ({"class": "part:unheard"}, "'unheard'"),
        ({"class": "stable_baselines3:ReplayBuffer"}, "is damaged: "),
        ({"version": 2}, "is of version 2; allowed: 1"),
        ({"buffer_size": -3}, "buffer_size is -3"),
        ({"buffer_size": 10**15}, "are free"),
        ({"buffer_size": 10**40}, "buffer_size"),
        ({"n_envs": 10**9}, "is of 1000000000 environments, and the algorithm has 2"),
        ({"arguments": {"device": "cpu"}}, "is damaged: "),
        ({"arguments": {"alpha": 7}}, "alpha is 7"),
        ({"numbers": {}}, "is damaged: "),
        ({"numbers": {"largest": -1, "progress_remaining": 1}}, "priorities are negative"),
        ({"arrays": {}}, "arrays are missing"),
        ({"arrays": []}, "is damaged: "),
        ({"observation_space": 3}, "is of another task: its observation_space is something else"),
    ],
)
def test_a_whole_file_with_a_wrong_description_is_refused(
    change: dict[str, Any], sentence: str, good: bytes
) -> None:
    with pytest.raises(Sb3ScaleError) as refused:
        read(changed(good, lambda about: about.update(change)))
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_arrays_larger_than_described_take_no_memory(good: bytes) -> None:
    def grow(about: dict[str, Any]) -> None:
        about["arrays"]["rows"][1][0] = 10**12

    with pytest.raises(Sb3ScaleError, match=r"array 'rows' has \d+ bytes, and \d+ are described"):
        read(changed(good, grow))


def test_positions_outside_the_ring_are_refused() -> None:
    buffer = ReplayBuffer(12, VECTOR, ACTIONS, device="cpu", n_envs=2)
    file = io.BytesIO()
    files.write(buffer, file)
    with pytest.raises(Sb3ScaleError, match="its position is 6 of 6"):
        read(changed(file.getvalue(), lambda about: about["numbers"].update(pos=6)))


@pytest.fixture(scope="module")
def model() -> Any:
    return make(SAC, gym.make("Pendulum-v1"), buffer_size=50, learning_starts=50).learn(30)


class Tripwire:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_without_trust_a_pickle_is_not_opened(model: Any, tmp_path: Path) -> None:
    path, trap = tmp_path / "buffer.pkl", tmp_path / "created"
    path.write_bytes(pickle.dumps(Tripwire(trap)))
    before = model.replay_buffer
    with pytest.raises(Sb3ScaleError, match="is a pickle, which can run commands"):
        model.load_replay_buffer(path, trust=False)
    assert not trap.exists()
    assert model.replay_buffer is before
    model.save_replay_buffer(path)
    model.load_replay_buffer(path, trust=False)
    assert model.replay_buffer.size() == before.size()


def test_pickles_of_before_are_read(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "buffer.pkl"
    path.write_bytes(pickle.dumps(model.replay_buffer))
    before = model.replay_buffer
    model.load_replay_buffer(str(tmp_path / "buffer"))
    assert_same_draw(model.replay_buffer, before)


@pytest.mark.parametrize(
    "content",
    [b"", b"no buffer", pickle.dumps([1]), pickle.dumps(spaces.Box(0, 1))[:-9], b"\x80\x04cos\n"],
)
def test_other_files_are_refused(content: bytes, model: Any, tmp_path: Path) -> None:
    path = tmp_path / "buffer.pkl"
    path.write_bytes(content)
    before = model.replay_buffer
    with pytest.raises(Sb3ScaleError, match=r"buffer\.pkl'"):
        model.load_replay_buffer(path)
    assert model.replay_buffer is before


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize(
    ("space", "actions", "n_envs", "sentence"),
    [
        (VECTOR, spaces.Box(-2, 2, (1,)), 1, "its observation_space is Box"),
        (None, spaces.Box(-2, 1, (1,)), 1, "its action_space is Box"),
        (None, None, 2, "is of 2 environments, and the algorithm has 1"),
    ],
)
def test_a_buffer_of_another_task_is_refused(
    space: Any, actions: Any, n_envs: int, sentence: str, pickled: bool, model: Any, tmp_path: Path
) -> None:
    space, actions = space or model.observation_space, actions or model.action_space
    other = CompactReplayBuffer(50, space, actions, "cpu", n_envs)
    path = tmp_path / "buffer.pkl"
    with path.open("wb") as file:
        pickle.dump(other, file) if pickled else files.write(other, file)
    with pytest.raises(Sb3ScaleError) as refused:
        model.load_replay_buffer(path)
    assert sentence in str(refused.value)


def test_a_poisoned_buffer_is_refused(model: Any, tmp_path: Path) -> None:
    for kind in (ReplayBuffer, CompactReplayBuffer):
        buffer: Any = kind(50, model.observation_space, model.action_space, "cpu")
        fill(buffer, 5, seed=0)
        buffer.rewards[3] = np.nan
        path = tmp_path / "buffer.pkl"
        path.write_bytes(pickle.dumps(buffer))
        with pytest.raises(Sb3ScaleError, match="nan is in row 3 of its rewards"):
            model.load_replay_buffer(path)


class Keys(gym.Env[Any, Any]):
    """Actions are whole numbers."""

    observation_space, action_space = VECTOR, spaces.Box(0, 4, (2,), np.int64)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return np.zeros(3, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(3, np.float32), 0.0, False, False, {}


@pytest.mark.parametrize("kind", [None, ReplayBuffer])
def test_whole_actions_come_back_as_they_are_stored(kind: Any, tmp_path: Path) -> None:
    model = make(SAC, Keys(), replay_buffer_class=kind).learn(9)
    stored = model.replay_buffer.actions
    assert 0 < np.abs(stored[:9]).mean() < 1
    model.save_replay_buffer(tmp_path / "buffer")
    model.load_replay_buffer(tmp_path / "buffer")
    assert np.array_equal(model.replay_buffer.actions[:9], stored[:9])


class Own(CompactReplayBuffer):
    """Of a user, with more to save than the class that it derives from."""

    notes: Any = None


def test_what_holds_objects_of_a_user_is_pickled(model: Any, tmp_path: Path) -> None:
    own = Own(50, model.observation_space, model.action_space, "cpu")
    own.notes = {"any": object}
    before, model.replay_buffer = model.replay_buffer, own
    model.save_replay_buffer(tmp_path / "own.pkl")
    model.load_replay_buffer(tmp_path / "own.pkl")
    assert model.replay_buffer.notes == own.notes
    model.replay_buffer = before


@pytest.mark.filterwarnings("ignore:Path .* does not exist")
def test_files_that_are_open_and_folders_that_are_missing(model: Any, tmp_path: Path) -> None:
    stream = io.BytesIO()
    model.save_replay_buffer(stream)
    stream.seek(0)
    model.load_replay_buffer(stream)
    with pytest.warns(UserWarning, match="does not exist"):
        model.save_replay_buffer(tmp_path / "new" / "folder" / "buffer")
    with (tmp_path / "new/folder/buffer.pkl").open("rb") as file:
        model.load_replay_buffer(file)
        assert not file.closed
    assert model.replay_buffer.size() == 30
    with pytest.raises(Sb3ScaleError, match=r"replay buffer '.*folder' is a folder; allowed"):
        model.load_replay_buffer(tmp_path / "new" / "folder")


def test_a_stock_policy_saves_as_stable_baselines3_and_reads_both(
    model: Any, tmp_path: Path
) -> None:
    stock = SAC("MlpPolicy", gym.make("Pendulum-v1"), buffer_size=50, device="cpu")
    stock.save_replay_buffer(tmp_path / "stock.pkl")
    assert type(pickle.loads((tmp_path / "stock.pkl").read_bytes())) is ReplayBuffer
    stock.load_replay_buffer(tmp_path / "stock.pkl")
    model.save_replay_buffer(tmp_path / "ours.pkl")
    stock.load_replay_buffer(tmp_path / "ours.pkl")
    assert stock.replay_buffer.size() == 30


def test_a_buffer_that_is_not_what_was_asked_for_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(SAC, buffer_size=300, replay_buffer_class="compact").save_replay_buffer(tmp_path / "file")
    make(SAC, buffer_size=300).load_replay_buffer(tmp_path / "file")
    assert capsys.readouterr().err == ""
    make(SAC, buffer_size=100, replay_buffer_class="prioritized").load_replay_buffer(
        tmp_path / "file"
    )
    assert capsys.readouterr().err == (
        "the replay buffer goes on as the file has it: buffer_size 300 and not 100, "
        "replay_buffer_class CompactReplayBuffer and not PrioritizedReplayBuffer\n"
    )
