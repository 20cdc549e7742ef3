"""The folder of a run: its own, whole, saved when the run is told to end, and gone on from."""

import os
import pickle
import shutil
import signal
import sys
import threading
from argparse import Namespace
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import gymnasium
import numpy as np
import pytest
import yaml
import zoo_commands
from full_disk import full_disk
from rl_zoo3.exp_manager import ExperimentManager
from rl_zoo3.train import train
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.zoo import resume
from sb3_scale.zoo.history import bring_episodes
from sb3_scale.zoo.resume import name_checkpoint, newest
from sb3_scale.zoo.run_folder import claim
from sb3_scale.zoo.termination import IN_SWEEP, Termination

NETWORK = {"network": {"name": "mlp", "width": 8, "depth": 1}}
SETTINGS = {
    "policy": "ScalePolicy",
    "n_timesteps": 100,
    "normalize": {"norm_obs": True, "norm_reward": False},
    "buffer_size": 1000,
    "learning_starts": 20,
    "batch_size": 16,
    "compile": False,
    "policy_kwargs": {
        "actor": {"name": "squashed-gaussian", **NETWORK},
        "critic": {"name": "ensemble", **NETWORK},
    },
}


def write_settings(folder: Path, **changes: Any) -> str:
    path = folder / "settings.yml"
    path.write_text(yaml.safe_dump({"Pendulum-v1": {**SETTINGS, **changes}}))
    return str(path)


def train_here(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str, **changes: Any) -> Any:
    """RL-Zoo's command in this process."""
    words = ["train", "--algo", "sac", "--env", "Pendulum-v1", "--seed", "1", "--eval-freq", "-1"]
    words += ["--conf-file", write_settings(folder, **changes), "-f", str(folder / "logs")]
    monkeypatch.setattr(sys, "argv", [*words, *options])
    train()
    return folder / "logs" / "sac" / "Pendulum-v1_1"


def statistics(path: Path) -> int:
    """Observations that the statistics of ``normalize`` have seen."""
    return round(pickle.loads(path.read_bytes()).obs_rms.count)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        options = ["--save-freq", "30", "--save-replay-buffer", "--eval-freq", "40"]
        return train_here(patch, folder, *options, "--eval-episodes", "1")


def test_a_checkpoint_has_its_own_statistics(run: Path) -> None:
    for decisions in (30, 60, 90):
        assert (run / f"rl_model_{decisions}_steps.zip").exists()
        # One observation more than decisions: that of the reset.
        own = run / f"rl_model_vecnormalize_{decisions}_steps.pkl"
        assert statistics(own) == decisions + 1
    assert statistics(run / "Pendulum-v1" / "vecnormalize.pkl") == 101
    assert np.load(run / "evaluations.npz")["timesteps"].tolist() == [40, 80]
    assert not [path for path in run.rglob("*") if ".unfinished-" in path.name]


@pytest.mark.slow
def test_a_run_goes_on_from_the_newest_whole_checkpoint_of_its_folder(
    run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    shutil.copytree(run, folder)
    # As if it had been killed while the last model was saved, and a later one cut by a disk.
    (folder / "Pendulum-v1.zip").unlink()
    (folder / ".unfinished-1-Pendulum-v1.zip").write_bytes(b"PK")
    cut = (folder / "rl_model_90_steps.zip").read_bytes()
    (folder / "rl_model_90_steps.zip").write_bytes(cut[: len(cut) // 2])
    words = ["-m", "rl_zoo3.train", "--algo", "sac", "--env", "Pendulum-v1", "-n", "5"]
    words += ["--conf-file", write_settings(tmp_path), "--eval-freq", "-1", "-i", str(folder)]
    done = zoo_commands.run(tmp_path, *words, "-params", "learning_starts:0")
    assert done.returncode == 0, done.stderr
    (left_out,) = [line for line in done.stderr.splitlines() if "left out" in line]
    assert "rl_model_90_steps.zip' is damaged: File is not a zip file" in left_out
    assert "rl_model_60_steps.zip, saved after 60 decisions" in done.stderr
    assert "Loading replay buffer" in done.stdout
    gone_on = tmp_path / "logs" / "sac" / "Pendulum-v1_1" / "Pendulum-v1" / "vecnormalize.pkl"
    # The checkpoint's 61, the observation of the reset, and one for each of 5 decisions.
    assert statistics(gone_on) == 61 + 1 + 5


def test_a_wrong_checksum_and_cut_statistics_are_left_out(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    words = ["train", f"--trained-agent={folder}", "-i", str(folder), "-f", str(folder)]
    name_checkpoint(words)
    last = f"{folder}/Pendulum-v1.zip"
    assert words == ["train", f"--trained-agent={last}", "-i", last, "-f", str(folder)]
    (folder / "Pendulum-v1" / "vecnormalize.pkl").write_bytes(b"\x80\x05")
    assert newest(folder).name == "rl_model_90_steps.zip"
    path = folder / "rl_model_90_steps.zip"
    content = bytearray(path.read_bytes())
    content[content.index(b"policy.pth") + 500] ^= 0xFF
    path.write_bytes(content)
    assert newest(folder).name == "rl_model_60_steps.zip"
    for path in folder.glob("rl_model_*.zip"):
        path.unlink()
    (folder / "Pendulum-v1.zip").unlink()
    shutil.copy(run / "Pendulum-v1" / "vecnormalize.pkl", folder / "Pendulum-v1")
    assert newest(folder).name == "best_model.zip"
    (folder / "best_model.zip").write_bytes(b"")
    with pytest.raises(Sb3ScaleError, match=r"no whole checkpoint to go on from: '.*best_model"):
        newest(folder)
    with pytest.raises(Sb3ScaleError, match=r"'.*' has no whole checkpoint .*: it has no \*\.zip"):
        newest(tmp_path)


@pytest.mark.parametrize(
    "data", ["[1, 2]", "null", '{"num_timesteps": null}', '{"num_timesteps": Infinity}', "5" * 5000]
)
def test_a_strangers_archive_in_the_folder_is_left_out(
    run: Path, tmp_path: Path, data: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    with ZipFile(folder / "notes.zip", "w") as archive:
        archive.writestr("data", data)
    assert newest(folder).name == "Pendulum-v1.zip"
    assert "notes.zip' is damaged" in capfd.readouterr().err


def goes_on(folder: Path, normalize: Any = True) -> Namespace:
    agent = str(folder / "Pendulum-v1.zip")
    manager = Namespace(continue_training=True, trained_agent=agent, env_name="Pendulum-v1")
    manager._maybe_normalize = lambda env, _: VecNormalize(env)
    resume.use(manager, normalize)
    return manager


def test_statistics_that_are_gone_or_damaged_stop_a_run_that_goes_on(
    run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    path = folder / "Pendulum-v1" / "vecnormalize.pkl"
    env = DummyVecEnv([lambda: gymnasium.make("Pendulum-v1")])
    assert goes_on(folder)._maybe_normalize(env, False).obs_rms.count > 100
    content = path.read_bytes()
    path.write_bytes(content.replace(b"VecNormalize", b"WecNormalize"))
    with pytest.raises(Sb3ScaleError, match=r"statistics '.*vecnormalize.pkl' is damaged: "):
        goes_on(folder)._maybe_normalize(env, False)
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(Sb3ScaleError, match=r"statistics '.*vecnormalize.pkl' is damaged: "):
        goes_on(folder)._maybe_normalize(env, False)
    path.unlink()
    with pytest.raises(Sb3ScaleError, match="has no statistics to go on with; allowed: Pendulum"):
        goes_on(folder)
    goes_on(folder, normalize=False)


@pytest.mark.parametrize("word", ["-i", "--trained-agent=there", "-optimize"])
def test_a_run_is_taken_up_in_one_way(run: Path, word: str) -> None:
    with pytest.raises(
        Sb3ScaleError, match=rf"--resume and {word.partition('=')[0]}; allowed: one"
    ):
        name_checkpoint(["train", "--resume", str(run), word])


def test_episodes_that_cannot_be_read_are_named(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    next(folder.glob("*monitor.csv")).write_bytes(b'#{"t_start": 0}\nr,l,t\n\xe9,1,1\n')
    with pytest.raises(Sb3ScaleError, match=r"a \*.monitor.csv in '.*run' cannot be read: "):
        bring_episodes(folder, tmp_path, 50)


def test_a_folder_without_a_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    words = ["-m", "rl_zoo3.train", "--algo", "sac", "--env", "Pendulum-v1", "-i", "."]
    sentence = zoo_commands.refused(zoo_commands.run(tmp_path, *words))
    assert "folder '.' has no whole checkpoint to go on from: it has no *.zip" in sentence
    assert not list(tmp_path.iterdir())


def test_runs_that_start_together_have_folders_of_their_own(tmp_path: Path) -> None:
    arguments = (Namespace(), "sac", "Pendulum-v1", str(tmp_path / "logs"))
    together = [ExperimentManager(*arguments) for _ in range(3)]
    named = ExperimentManager(*arguments, uuid_str="_a-b-c")
    for manager in (*together, named):
        claim(manager)
    folders = [Path(manager.save_path).name for manager in (*together, named)]
    assert folders == ["Pendulum-v1_1", "Pendulum-v1_2", "Pendulum-v1_3", "Pendulum-v1_1_a-b-c"]
    assert together[2].params_path == f"{together[2].save_path}/Pendulum-v1"
    (tmp_path / "file").write_text("")
    nowhere = ExperimentManager(*arguments[:3], str(tmp_path / "file"))
    with pytest.raises(Sb3ScaleError, match=r"folder '.*/file/sac' cannot be made: Not a direc"):
        claim(nowhere)


def test_a_full_disk_ends_a_run_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Settings and statistics fit; the model does not.
    with full_disk(10_000), pytest.raises(Sb3ScaleError) as caught:
        train_here(monkeypatch, tmp_path, "--save-freq", "10")
    folder = tmp_path / "logs" / "sac" / "Pendulum-v1_1"
    path = folder / "rl_model_10_steps.zip"
    assert str(caught.value) == (
        f"'{path}' cannot be written: File too large; no part of it is left"
    )
    assert not [path for path in folder.rglob("*") if ".unfinished-" in path.name]
    # Logs are written by others, in place.
    with pytest.raises(Sb3ScaleError, match=r"a file in '.*_2' cannot be written: No space left"):
        train_here(monkeypatch, tmp_path, callback="full_disk.FullLog")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_interrupts_and_handlers_are_put_back(number: signal.Signals) -> None:
    def own(number: int, frame: object) -> None:
        raise AssertionError

    default = signal.getsignal(number)
    before = signal.signal(signal.SIGHUP, own)
    try:
        termination = Termination()
        with pytest.raises(KeyboardInterrupt), termination.interrupts():
            signal.raise_signal(number)
        with termination.interrupts():
            assert signal.getsignal(signal.SIGHUP) is own
            signal.raise_signal(number)
        with termination.waits():
            signal.raise_signal(number)
        assert termination.number == number
        # What an exception did not end, the callback does.
        assert not termination._on_step()
        assert signal.getsignal(number) == default
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("in_sweep", [False, True])
def test_a_training_of_a_sweep_that_gets_sigint_is_not_taken_for_a_finished_one(
    in_sweep: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_sweep:
        monkeypatch.setenv(IN_SWEEP, "1")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    ended: Any = pytest.raises(SystemExit, match=r"^130$") if in_sweep else nullcontext()
    try:
        with ended:
            train_here(monkeypatch, tmp_path, callback="interrupting.Interrupting")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "logs/sac/Pendulum-v1_1/Pendulum-v1.zip").is_file()


def test_a_training_in_a_thread_leaves_signals_alone() -> None:
    seen = []

    def look() -> None:
        with Termination().interrupts():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


def test_a_run_without_a_name_of_ours_is_rl_zoos(tmp_path: Path) -> None:
    arguments = (Namespace(), "sac", "Pendulum-v1", str(tmp_path / "logs"))
    stock = ExperimentManager(*arguments, log_interval=-1)
    stock.read_hyperparameters()
    changed = {"learn", "save_trained_model", "create_callbacks", "_save_config"}
    assert not changed & vars(stock).keys()
    assert not (tmp_path / "logs").exists()
    ours = ExperimentManager(*arguments, config=write_settings(tmp_path), log_interval=-1)
    ours.read_hyperparameters()
    assert changed <= vars(ours).keys()


ASK = """
import os, signal
from stable_baselines3.common.callbacks import BaseCallback

class Ask(BaseCallback):
    def _on_step(self):
        if self.num_timesteps == 40:
            for process in self.training_env.unwrapped.processes:
                process.terminate()
                process.join()
            os.kill(os.getpid(), signal.SIGTERM)
        return True
"""


@pytest.mark.slow
def test_processes_that_end_with_the_run_do_not_keep_it_from_saving(tmp_path: Path) -> None:
    """A batch system sends SIGTERM to all of a job."""
    (tmp_path / "ask.py").write_text(ASK)
    words = "-m rl_zoo3.train --algo sac --env Pendulum-v1 --eval-freq -1 --vec-env subproc".split()
    words += ["--conf-file", write_settings(tmp_path, n_envs=2, callback="ask.Ask")]
    done = zoo_commands.run(tmp_path, *words, PYTHONPATH=os.fspath(tmp_path))
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    saved = tmp_path / "logs" / "sac" / "Pendulum-v1_1" / "Pendulum-v1.zip"
    assert SAC.load(saved, device="cpu").num_timesteps == 40
