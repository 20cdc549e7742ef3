"""
``capture: true``: patterns, memory and fallbacks.

Here a recording runs its function again, so that all but the CUDA graph itself is tested without a
GPU; ``test_on_a_gpu`` has the rest.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import small_models
import torch

from sb3_scale import SAC
from sb3_scale.execution.captured import WARMUP, CapturedRunner

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


class Again:
    """Counts recordings; one repeats its function."""

    def __init__(self) -> None:
        self.recorded = 0
        self.replayed = 0

    def __call__(self, function: Callable[[], None]) -> Callable[[], None]:
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            function()

        return replay


def make(**settings: Any) -> Any:
    defaults: dict[str, Any] = {
        "gradient_steps": 2,
        "policy_delay": 3,
        "learning_rate": lambda left: 1e-3 * left,
    }
    return small_models.make(SAC, **{**defaults, **settings})


def captured(record: Any, **settings: Any) -> Any:
    model = make(**settings)
    model.training.runner = CapturedRunner(model.training.runner, record)
    return model


def assert_same(ours: Any, theirs: Any) -> None:
    """Apart from learning rates, which a recording has in float32."""
    for state in (_networks, _moments):
        torch.testing.assert_close(state(ours), state(theirs), rtol=1e-4, atol=1e-6)
    assert ours._n_updates == theirs._n_updates


def _networks(model: Any) -> list[torch.Tensor]:
    return [*model.policy.state_dict().values(), model.log_ent_coef.detach()]


def _moments(model: Any) -> list[dict[int, Any]]:
    return [learner.optimizer.state_dict()["state"] for learner in model.learners]


@pytest.mark.parametrize(
    ("settings", "patterns"),
    [
        ({}, 3),
        ({"gradient_steps": 6}, 1),
        ({"gradient_steps": 1, "policy_delay": 2, "target_update_interval": 4}, 3),
        # Batch norm amplifies what is lost of a rate that float32 does not have.
        (
            {
                "gradient_steps": 6,
                "learning_rate": 2**-10,
                "extractor": {**small_models.OFENET, "learning_rate": 2**-11},
            },
            1,
        ),
    ],
)
def test_replayed_training_is_the_same(settings: dict[str, Any], patterns: int) -> None:
    record = Again()
    plain = make(**settings).learn(60)
    model = captured(record, **settings).learn(60)
    assert record.recorded == patterns
    assert record.replayed == 40 - patterns * WARMUP
    assert_same(model, plain)
    logged = {key: value for key, value in plain.logger.name_to_value.items() if "train/" in key}
    assert len(logged) > 4
    for key, value in logged.items():
        assert model.logger.name_to_value[key] == pytest.approx(value, rel=1e-4)


def test_a_watched_step_is_not_replayed() -> None:
    record = Again()
    model = captured(record)
    model.learn(60)
    before, seen = record.replayed, []
    handle = model.policy.critic.optimizer.register_step_post_hook(lambda *_: seen.append(1))
    model.train(2, 16)
    assert (record.replayed, len(seen)) == (before, 2)
    handle.remove()
    model.train(2, 16)
    assert record.replayed == before + 1


def test_a_new_optimizer_state_is_recorded_anew() -> None:
    record = Again()
    model = captured(record, gradient_steps=6)
    model.learn(40)
    assert record.recorded == 1
    model.policy.critic.optimizer.state.clear()
    for _ in range(WARMUP + 3):
        model.train(6, 16)
    assert record.recorded == 2


def change_tau(model: Any) -> None:
    model.tau = 0.5


def change_norm(model: Any) -> None:
    model.max_grad_norm = 1e-3


@pytest.mark.parametrize(("change", "batch_size"), [(change_tau, 16), (change_norm, 16), (None, 8)])
def test_what_a_recording_holds_is_recorded_anew_where_it_changes(
    change: Any, batch_size: int
) -> None:
    """Its function is called again here, so that the count alone tells."""
    record = Again()
    model = captured(record, gradient_steps=6)
    model.learn(40)
    assert record.recorded == 1
    if change is not None:
        change(model)
    for _ in range(WARMUP + 1):
        model.train(6, batch_size)
    assert record.recorded == 2


def test_recordings_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sb3_scale.execution.captured.MOST", 1)
    record = Again()
    model = captured(record, gradient_steps=6)
    model.learn(40)
    for _ in range(WARMUP + 2):
        model.train(12, 16)
    assert record.recorded == 1


def test_the_reason_is_that_of_the_capture_and_not_of_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(function: Callable[[], None]) -> Callable[[], None]:
        try:
            raise RuntimeError("operation not permitted")
        except RuntimeError:
            raise RuntimeError("a previous error during capture")  # noqa: B904

    captured(refuse).learn(40)
    told = capsys.readouterr().err
    assert told == "capture: gradient steps run one by one: operation not permitted\n"


def test_what_cannot_be_captured_runs_eagerly(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(function: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    plain, model = make().learn(40), captured(refuse).learn(40)
    assert_same(model, plain)
    expected = "capture: gradient steps run one by one: operation not permitted when stream is "
    assert capsys.readouterr().err == expected + "capturing\n"


def test_a_buffer_with_priorities_that_was_loaded_gets_its_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "buffer.pkl"
    make(replay_buffer_class="prioritized").learn(30).save_replay_buffer(path)
    record = Again()
    trained = []
    for each in (lambda: make(gradient_steps=6), lambda: captured(record, gradient_steps=6)):
        trained.append(each())
        trained[-1].load_replay_buffer(path)
        trained[-1].learn(40)
    plain, model = trained
    assert record.recorded == 0
    assert_same(model, plain)
    priorities = model.replay_buffer.tree[np.arange(70)]
    np.testing.assert_array_equal(priorities, plain.replay_buffer.tree[np.arange(70)])
    assert len(np.unique(priorities)) > 50
    expected = "capture: gradient steps run one by one: the replay buffer wants their errors\n"
    loaded = "replay_buffer_class PrioritizedReplayBuffer and not CompactReplayBuffer\n"
    told = capsys.readouterr().err
    assert (told.count(loaded), told.endswith(expected)) == (2, True)


def test_a_buffer_without_priorities_is_captured_again(tmp_path: Path) -> None:
    path = tmp_path / "buffer.pkl"
    make(replay_buffer_class="prioritized").learn(30).save_replay_buffer(path)
    record = Again()
    model = captured(record, gradient_steps=6).learn(40)
    own, before = model.replay_buffer, record.replayed
    model.load_replay_buffer(path)
    model.train(6, 16)
    assert record.replayed == before
    model.replay_buffer = own
    model.train(6, 16)
    assert record.replayed == before + 1


def test_without_a_gpu_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    make(capture=True)
    expected = "capture: gradient steps run one by one: the device is cpu, not cuda\n"
    assert capsys.readouterr().err == expected


def test_a_checkpoint_trains_on_without_capture(tmp_path: Any) -> None:
    model = captured(Again())
    model.learn(60)
    model.save(tmp_path / "model.zip")
    loaded = SAC.load(tmp_path / "model.zip", gymnasium.make("Pendulum-v1"), device="cpu")
    group = loaded.policy.critic.optimizer.param_groups[0]
    assert isinstance(group["lr"], float)
    assert not group["capturable"]
    loaded.learn(30)


@needs_gpu
@pytest.mark.parametrize("compile_", [False, True])
def test_on_a_gpu(compile_: bool) -> None:
    plain = make(device="cuda").learn(80)
    model = make(device="cuda", capture=True, compile=compile_).learn(80)
    assert model.training.runner._recordings
    for found, expected in zip(model.policy.parameters(), plain.policy.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-4)
