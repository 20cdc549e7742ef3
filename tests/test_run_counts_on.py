"""A run that was interrupted goes on in its own count by ``--resume``, and so do sweeps."""

import os
import shutil
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml
import zoo_commands
from noted_start import Start
from small_models import make
from stable_baselines3 import SAC as StockSAC
from stable_baselines3.common.callbacks import EvalCallback
from test_run_folder import train_here

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.monitors import read_episodes
from sb3_scale.runs import read_run
from sb3_scale.sweep.grid import Sweep, Training, trainings
from sb3_scale.sweep.training_folder import TrainingFolder
from sb3_scale.zoo.history import bring_episodes, bring_evaluations
from sb3_scale.zoo.resume import name_checkpoint

OPTIONS = ["--save-freq", "30", "--save-replay-buffer", "--eval-freq", "40", "--eval-episodes", "1"]
CHANGES = {"learning_rate": "lin_0.001", "env_kwargs": {"max_episode_steps": 25}}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as it is left by a kill between its decisions 80 and 90."""
    folder = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch:
        run = train_here(patch, folder, *OPTIONS, **CHANGES)
    for path in (*run.glob("rl_model_*90_steps*"), run / "Pendulum-v1.zip"):
        path.unlink()
    return run


def test_a_run_counts_on_with_its_history(
    killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--resume", str(killed)]
    name_checkpoint(words)
    assert words == ["-i", str(killed / "rl_model_60_steps.zip")]
    run = train_here(monkeypatch, tmp_path, *OPTIONS, *words, **CHANGES)
    model = SAC.load(run / "Pendulum-v1.zip", device="cpu")
    assert model.num_timesteps == 100
    # The step after the decision that the checkpoint follows is not in it.
    assert model._n_updates == 79
    assert model._current_progress_remaining == pytest.approx(0.0)
    assert model.replay_buffer_class is not None
    assert sorted(path.name for path in run.glob("rl_model_*.zip")) == ["rl_model_90_steps.zip"]
    before, after = (np.load(folder / "evaluations.npz") for folder in (killed, run))
    assert after["timesteps"].tolist() == before["timesteps"].tolist() == [40, 80]
    assert after["results"][0] == before["results"][0]
    assert (run / "best_model.zip").exists()
    found, old = read_run(run), read_run(killed)
    # Two whole episodes before the checkpoint, and one after it.
    assert found.returns[:2].tolist() == old.returns[:2].tolist()
    assert found.finished_at.tolist() == [25, 50, 85]
    assert np.all(np.diff(found.finished_after) > 0)
    assert found.decisions == 100
    again = tmp_path / "again"
    again.mkdir()
    bring_episodes(run, again, 90)
    (again / "0.monitor.csv").write_text('#{"t_start": 9e9}\nr,l,t\n-1,25,1\n')
    assert read_episodes(again)["finished_at"].tolist() == [25, 50, 85, 115]


def test_random_numbers_go_on_and_environments_do_not_repeat_themselves(
    killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--resume", str(killed)]
    name_checkpoint(words)
    callback = {"callback": "noted_start.Start"}
    train_here(monkeypatch, tmp_path, *OPTIONS, *words, **CHANGES, **callback)
    saved = SAC.load(killed / "rl_model_60_steps.zip", device="cpu").random_states
    found = Start.noted["states"]
    assert np.array_equal(found["torch"], saved["torch"])
    assert np.array_equal(found["numpy"][1], saved["numpy"][1])
    assert (found["python"], found["actions"]) == (saved["python"], saved["actions"])
    env = gymnasium.make("Pendulum-v1")
    first, other = (env.reset(seed=seed)[0] for seed in (1, 61))
    assert not np.allclose(Start.noted["observation"], first)
    assert Start.noted["observation"] == pytest.approx(other)


@pytest.mark.parametrize(("steps", "made"), [(100, [40, 60, 80, 100]), (50, [40, 60])])
def test_an_evaluation_that_was_due_with_the_checkpoint_is_made(
    steps: int, made: list[int], killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--eval-freq", "20", "--resume", str(killed)]
    name_checkpoint(words)
    run = train_here(monkeypatch, tmp_path, *OPTIONS, *words, **CHANGES, n_timesteps=steps)
    found = np.load(run / "evaluations.npz")
    assert found["timesteps"].tolist() == made
    assert found["results"][0] == np.load(killed / "evaluations.npz")["results"][0]


@pytest.mark.parametrize(("decisions", "record"), [(40, -100.0), (80, None), (60, None)])
def test_the_best_model_comes_with_its_own_return(
    decisions: int, record: float | None, killed: Path, tmp_path: Path
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        folder.mkdir()
    found = dict(np.load(killed / "evaluations.npz"))
    # The best of those that are kept has no model any more.
    np.savez(before / "evaluations.npz", **{**found, "results": np.array([[-100.0], [-50.0]])})
    model = SAC.load(killed / "rl_model_60_steps.zip", device="cpu")
    model.num_timesteps = decisions
    model.save(before / "best_model.zip")
    evaluation = EvalCallback(make(SAC).env, best_model_save_path=str(after))
    bring_evaluations(evaluation, before, 60)
    assert evaluation.best_mean_reward == (-np.inf if record is None else record)
    assert (after / "best_model.zip").exists() == (record is not None)
    assert evaluation.evaluations_timesteps == [40]


def test_a_best_model_that_is_damaged_is_left_out(
    killed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        folder.mkdir()
    shutil.copy(killed / "evaluations.npz", before)
    (before / "best_model.zip").write_bytes((killed / "best_model.zip").read_bytes()[:999])
    evaluation = EvalCallback(make(SAC).env, best_model_save_path=str(after))
    bring_evaluations(evaluation, before, 60)
    assert "best_model.zip' is damaged: " in capsys.readouterr().err
    assert evaluation.evaluations_timesteps == [40]
    assert not (after / "best_model.zip").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"results": np.zeros((0, 1))},
        {"results": np.array([["a"], ["b"]])},
        {"results": np.array([[np.nan], [1.0]])},
        {"results": None},
        {"more": np.array(3)},
    ],
    ids=["unequal", "text", "nan", "missing", "number"],
)
def test_evaluations_that_are_none_are_one_sentence(
    changes: dict[str, Any], killed: Path, tmp_path: Path
) -> None:
    found = {**dict(np.load(killed / "evaluations.npz")), **changes}
    kept = {name: each for name, each in found.items() if each is not None}
    np.savez(tmp_path / "evaluations.npz", **kept)
    evaluation = EvalCallback(make(SAC).env, best_model_save_path=str(tmp_path))
    with pytest.raises(Sb3ScaleError, match=r"^evaluations '.*evaluations.npz' is damaged: "):
        bring_evaluations(evaluation, tmp_path, 60)


def test_a_run_without_its_replay_buffer_does_not_count_on(killed: Path, tmp_path: Path) -> None:
    shutil.copy(killed / "rl_model_60_steps.zip", tmp_path)
    with pytest.raises(Sb3ScaleError, match=r"has no replay_buffer.pkl; allowed: a folder"):
        name_checkpoint(["--resume", str(tmp_path)])


def test_a_checkpoint_before_the_first_end_brings_no_episode(killed: Path, tmp_path: Path) -> None:
    bring_episodes(killed, tmp_path, 20)
    assert not len(read_episodes(tmp_path))
    path = tmp_path / "0.monitor.csv"
    path.write_text('#{"t_start": 9e9}\nr,l,t\n')
    assert read_episodes(tmp_path)["finished_at"].tolist() == []
    path.write_text('#{"t_start": 9e9}\nr,l,t\n-1,25,1\n')
    assert read_episodes(tmp_path)["finished_at"].tolist() == [45]


def test_a_run_that_ended_is_only_saved_again(
    killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"--resume={killed}"]
    name_checkpoint(words)
    run = train_here(monkeypatch, tmp_path, *OPTIONS, *words, **CHANGES, n_timesteps=50)
    assert SAC.load(run / "Pendulum-v1.zip", device="cpu").num_timesteps == 60


@pytest.mark.parametrize("words", [["--resume", "nowhere"], ["--resume"], ["--resume="]])
def test_what_is_no_folder_is_one_sentence(words: list[str]) -> None:
    with pytest.raises(Sb3ScaleError, match=r"--resume is '.*'; allowed: the folder of a run"):
        name_checkpoint(words)


def test_stock_policies_are_sent_to_the_word_of_rl_zoo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    StockSAC("MlpPolicy", make(SAC).env, buffer_size=10).save(tmp_path / "model.zip")
    (tmp_path / "replay_buffer.pkl").touch()
    words = ["--resume", str(tmp_path)]
    name_checkpoint(words)
    with pytest.raises(Sb3ScaleError, match="--resume is for runs with policy: ScalePolicy; allow"):
        train_here(
            monkeypatch, tmp_path, *words, policy="MlpPolicy", policy_kwargs={}, compile=None
        )


def test_a_sweep_goes_on_from_a_checkpoint_that_it_asked_for(killed: Path, tmp_path: Path) -> None:
    def folder(save_freq: int) -> TrainingFolder:
        settings = {"n_timesteps": 100}
        one = Training({}, "sac", "Pendulum-v1", 0, settings, 40, 1, (), save_freq)
        return TrainingFolder(one, tmp_path / one.key)

    runs = folder(30).path / "sac"
    shutil.copytree(killed, runs / "Pendulum-v1_1")
    # Killed again, before its first checkpoint, with the best model of the one before.
    shutil.copytree(killed / "Pendulum-v1", runs / "Pendulum-v1_2" / "Pendulum-v1")
    shutil.copy(killed / "best_model.zip", runs / "Pendulum-v1_2")
    assert folder(0).path == folder(30).path
    before = folder(30).prepare()
    assert before == runs / "Pendulum-v1_1"
    assert folder(30).run == runs / "Pendulum-v1_2"
    command = folder(30).command(before)
    assert command[-2:] == ["--resume", str(before)]
    assert command[command.index("--save-freq") + 1] == "30"
    assert "--save-replay-buffer" in command
    (folder(30).path / "output.log").write_text("out of order")
    for signalled in (143, 130, -9):
        assert folder(30).end(signalled, 1.0, 1).killed
        assert folder(30).prepare() == before
        assert folder(30).state is None
    for commit in ("a1", "b2", "a1"):
        with (folder(30).path / "commits.txt").open("a") as file:
            file.write(f"{commit}\n")
    # One that failed begins again, as one without checkpoints does.
    assert folder(30).end(1, 1.0, 1).commit == "a1, b2"
    assert folder(30).prepare() is None
    assert sorted(path.name for path in folder(30).path.parent.iterdir()) == [folder(30).path.name]
    assert [path.name for path in folder(30).path.iterdir()] == ["settings.yml"]


def test_a_best_model_is_no_checkpoint_to_count_on(killed: Path, tmp_path: Path) -> None:
    shutil.copy(killed / "best_model.zip", tmp_path)
    with pytest.raises(Sb3ScaleError, match="which has the best model and no checkpoint; allowed"):
        name_checkpoint(["--resume", str(tmp_path)])
    words = ["-i", str(tmp_path)]
    name_checkpoint(words)
    assert words == ["-i", str(tmp_path / "best_model.zip")]


def test_a_sweep_saves_what_can_count_on_alone() -> None:
    ours, stock = {"recipe": "sac"}, {"algo": "dqn", "env": "CartPole-v1", "n_timesteps": 2000}
    sweep = Sweep(env="Pendulum-v1", grid={"policy": {"ours": ours, "stock": stock}}, save_freq=9)
    assert [one.save_freq for one in trainings(sweep)] == [9, 0]
    with pytest.raises(Sb3ScaleError, match="save_freq is -1; allowed: at least 0"):
        trainings(Sweep(env="Pendulum-v1", save_freq=-1))


@pytest.mark.slow
def test_a_killed_run_of_frames_goes_on(tmp_path: Path) -> None:
    network = {"name": "mlp", "width": 8, "depth": 1}
    small = {"extractor": {"name": "drq", "channels": 4, "features": 8}}
    small |= {"actor": {"name": "squashed-gaussian", "network": network}}
    small |= {"critic": {"name": "ensemble", "network": network}}
    task = {"recipe": "drq", "n_timesteps": 120, "learning_starts": 20, "batch_size": 8}
    task |= {"buffer_size": 500, "compile": False, "policy_kwargs": small}
    (tmp_path / "settings.yml").write_text(yaml.safe_dump({"cartpole-swingup-pixels": task}))
    words = "-m sb3_scale.zoo train --algo sac --env cartpole-swingup-pixels --eval-freq -1".split()
    words += ["--conf-file", "settings.yml", "--save-freq", "40", "--save-replay-buffer"]
    whole = zoo_commands.run(tmp_path, *words)
    assert whole.returncode == 0, whole.stderr
    run = tmp_path / "logs" / "sac" / "cartpole-swingup-pixels_1"
    for path in (*run.glob("rl_model_*120_steps*"), run / "cartpole-swingup-pixels.zip"):
        path.unlink()
    done = zoo_commands.run(tmp_path, *words, "--resume", os.fspath(run))
    assert done.returncode == 0, done.stderr
    assert "rl_model_80_steps.zip, saved after 80 decisions" in done.stderr
    model = SAC.load(run.with_name("cartpole-swingup-pixels_2") / "cartpole-swingup-pixels.zip")
    assert model.num_timesteps == 120
