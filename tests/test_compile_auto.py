"""``compile: auto``: eager, until the gradient steps to come earn the compiler's time."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import small_models
import torch
from stable_baselines3.common.env_util import make_vec_env
from test_captured import Again
from test_compiled import CHANGING, assert_close, compilations, make
from zoo_commands import run

from sb3_scale import SAC
from sb3_scale.algorithms import compilation
from sb3_scale.execution.captured import CapturedRunner
from sb3_scale.parts import build


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler's time is earned within the few steps of a test."""
    monkeypatch.setattr(compilation, "EARNED_AFTER", 10)
    monkeypatch.setattr(compilation, "EAGER_FIRST", 4)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was said of compilation."""
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("compile:")]


@pytest.mark.parametrize(
    ("train_freq", "gradient_steps", "n_envs"),
    [(1, 1, 1), (4, 2, 1), (3, -1, 1), (2, 3, 2), ((1, "episode"), 5, 1), ((2, "episode"), -1, 1)],
)
def test_the_steps_to_come_are_those_that_are_taken(
    train_freq: Any, gradient_steps: int, n_envs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    env = make_vec_env("Pendulum-v1", n_envs, env_kwargs={"max_episode_steps": 10})
    model = small_models.make(
        SAC, env, train_freq=train_freq, gradient_steps=gradient_steps, verbose=1
    )
    model.learn(61, log_interval=10**6)
    assert lines(capsys) == [
        f"compile: auto: eager, {model._n_updates} gradient steps to come, "
        "fewer than the 20000 that earn the compiler's time"
    ]
    model.learn(9, log_interval=10**6, reset_num_timesteps=False)
    assert len(lines(capsys)) == 1


def test_the_dog_is_worth_the_compiler(capsys: pytest.CaptureFixture[str]) -> None:
    model = small_models.make(SAC, gradient_steps=2, learning_starts=1000, verbose=1)
    model.learn(0)
    model.num_timesteps, model._total_timesteps = 1001, 50_000
    assert compilation.steps_to_come(model, 2) == 98_000
    assert lines(capsys) == []


def test_nothing_is_compiled_or_said_outside_of_learn(
    soon: None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = compilations()
    model = small_models.make(SAC)
    twins: list[Any] = []

    def copied(*_: Any) -> bool:
        twins.append(deepcopy(model))
        return len(twins) < 22

    model.learn(10_000, copied)
    for trained in (model, twins[-1]):
        trained.train(5, 16)
        trained.train(5, 16)
    assert model._n_updates == 11
    assert compilations() == before
    assert lines(capsys) == []


def test_a_machine_without_a_compiler_trains_on(
    soon: None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = compilations()
    with torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler")}):
        model = small_models.make(SAC, verbose=1).learn(50, log_interval=10**6)
    assert model._n_updates == 30
    assert compilations() == before
    assert lines(capsys) == [
        "compile: auto: eager, 26 gradient steps to come, "
        "but there is no C++ compiler no-such-compiler"
    ]


@pytest.mark.parametrize("value", [True, False, "auto"])
def test_a_checkpoint_keeps_what_it_has(value: bool | str, tmp_path: Path) -> None:
    small_models.make(SAC, compile=value).save(tmp_path / "model.zip")
    loaded = SAC.load(tmp_path / "model.zip")
    assert loaded.compile == value
    assert type(loaded.compile) is type(value)
    assert loaded.predict([1.0, 0.0, 0.0], deterministic=True)[0].shape == (1,)


def test_capture_says_once_what_it_cannot(capsys: pytest.CaptureFixture[str]) -> None:
    """Where losses are bound anew, as when compilation begins."""
    model = small_models.make(SAC, capture=True).learn(22)
    model.policy.critic.network.linears[0].requires_grad_(False)
    model.learn(22)
    assert capsys.readouterr().err.count("capture: ") == 1


def test_a_training_with_schedules_compiles_once(
    soon: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Those of test_compiled.py, whose programs PyTorch's cache then has.
    settings = {**CHANGING, "replay_buffer_class": "prioritized"}
    eager = make("sac", compile=False, **settings).learn(45)
    before = compilations()
    model = make("sac", verbose=1, **settings).learn(45, log_interval=10**6)
    assert compilations() - before == 2
    assert_close(model, eager)
    model.learn(12, reset_num_timesteps=False, log_interval=10**6)
    assert compilations() - before == 2
    said = lines(capsys)
    assert said[0] == (
        "compile: auto: compiled, 11 gradient steps to come, and 10 earn the compiler's time"
    )
    assert [line.rsplit(" took", 1)[0] for line in said[1:]] == [
        "compile: the critic's loss",
        "compile: the actor's loss",
    ]
    model.save(tmp_path / "model.zip")
    resumed = SAC.load(tmp_path / "model.zip", gymnasium.make("Pendulum-v1"))
    resumed.learn(8, reset_num_timesteps=False)
    assert compilations() - before == 2


@pytest.mark.slow
def test_resets_copies_and_callbacks_that_stop_do_not_compile_anew(soon: None) -> None:
    before = compilations()
    model = make("sac").learn(50, build("callback", {"name": "reset", "at": [40, 45]}))
    assert compilations() - before == 2
    twin = deepcopy(model)
    twin.train(3, 32)
    assert compilations() - before == 2
    twin.learn(30)
    assert compilations() - before == 2
    twin.learn(50)
    assert compilations() - before == 4


@pytest.mark.slow
def test_what_was_compiled_in_vain_must_be_earned_too(
    soon: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A layer that is frozen and released again and again."""
    before = compilations()
    model = make("sac", verbose=1)
    layer = model.policy.critic.network.linears[0]

    def freeze(*_: Any) -> bool:
        if model._n_updates in (10, 14, 18):
            layer.requires_grad_(not layer.weight.requires_grad)
        return True

    model.learn(70, freeze, log_interval=10**6)
    said = [line for line in lines(capsys) if "auto" in line]
    assert [line.split(",")[0] for line in said] == [
        "compile: auto: compiled",
        "compile: auto: compiled",
        "compile: auto: eager",
    ]
    assert compilations() - before == 4


@pytest.mark.slow
@pytest.mark.parametrize("collector", ["local", "overlapped"])
def test_environments_in_processes_wait_for_the_compiler(
    collector: str, soon: None, beside: Any
) -> None:
    before = compilations()
    models = [
        small_models.make(SAC, beside(n_envs=2), collector=collector, compile=compile_).learn(80)
        for compile_ in (False, "auto")
    ]
    assert compilations() - before == 2
    assert_close(*models)


@pytest.mark.slow
def test_a_recording_of_eager_steps_is_not_replayed_after_compilation(soon: None) -> None:
    before = compilations()
    eager = small_models.make(SAC, compile=False, gradient_steps=2).learn(60)
    record = Again()
    model = small_models.make(SAC, gradient_steps=2)
    model.training.make_runner = lambda runner: CapturedRunner(runner, record)
    model.training.runner = model.training.make_runner(model.training.runner)
    compilation.EAGER_FIRST = 20
    model.learn(60)
    assert (record.recorded, compilations() - before) == (2, 2)
    assert_close(model, eager)


@pytest.mark.slow
def test_a_pre_training_is_compiled_from_its_first_step(soon: None) -> None:
    before = compilations()
    model = small_models.make(SAC, extractor=small_models.OFENET)
    compilation.EAGER_FIRST = 100
    model.learn(40)
    assert compilations() - before == 3


SEARCH = """
import torch
from sb3_scale.algorithms import compilation
compilation.EARNED_AFTER, compilation.EAGER_FIRST = 10, 4
from rl_zoo3.train import train
train()
print("compilations", torch._dynamo.utils.counters["stats"]["unique_graphs"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "expected"), [(1, 4), (2, 0)])
def test_a_search_compiles_each_trial_once(jobs: int, expected: int, tmp_path: Path) -> None:
    """But not in threads, which disturb each other."""
    (tmp_path / "settings.yml").write_text(
        "Pendulum-v1: {n_timesteps: 60, policy: ScalePolicy, learning_starts: 10, batch_size: 16}\n"
    )
    options = ["--algo", "sac", "--env", "Pendulum-v1", "--conf-file", "settings.yml"]
    options += ["-optimize", "--n-trials", "2", "--n-evaluations", "2", "--n-jobs", str(jobs)]
    options += ["--no-optim-plots", "--n-startup-trials", "1", "--pruner", "median"]
    done = run(tmp_path, "-c", SEARCH, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout.splitlines()[-1] == f"compilations {expected}", done.stdout
