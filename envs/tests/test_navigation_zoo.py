"""Navigation in RL-Zoo's own commands, and its benchmark."""

from pathlib import Path

import pytest
import yaml
from stable_baselines3.common.monitor import load_results
from zoo_commands import refused, run

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "navigation.py"
SETTINGS = {
    "n_timesteps": 200,
    "policy": "ScalePolicy",
    "learning_starts": 100,
    "buffer_size": 500,
    "n_envs": 4,
    "env_kwargs": {"n": 3, "episode_steps": 25},
    "monitor_kwargs": "dict(info_keywords=('best_return', 'normalized_return'))",
}


def train(folder: Path, env: str, **settings):
    (folder / "settings.yml").write_text(yaml.safe_dump({env: SETTINGS | settings}))
    command = f"-m rl_zoo3.train --algo sac --env {env} --seed 1 -f logs --conf-file settings.yml"
    return run(folder, *command.split(), "--eval-freq", "100", "--eval-episodes", "2")


def test_both_backends_train_in_the_same_environments(tmp_path: Path):
    starts = {}
    for backend in ("gymnasium", "navigation"):
        folder = tmp_path / backend
        folder.mkdir()
        done = train(folder, "navigation", env_backend=backend)
        assert done.returncode == 0, done.stdout + done.stderr
        episodes = load_results(str(folder / "logs" / "sac" / "navigation_1"))
        assert list(episodes["l"]) == [25] * 8
        ratio = episodes["r"] / episodes["best_return"]
        assert list(episodes["normalized_return"]) == pytest.approx(list(ratio), abs=1e-4)
        assert (episodes["normalized_return"] < 1).all()
        starts[backend] = sorted(episodes["best_return"])
    assert starts["navigation"] == pytest.approx(starts["gymnasium"], rel=1e-12)


def test_another_environment_is_refused(tmp_path: Path):
    kwargs = {"env_kwargs": {}, "monitor_kwargs": {}}
    done = train(tmp_path, "Pendulum-v1", env_backend="navigation", **kwargs)
    assert refused(done) == (
        "error: env_backend 'navigation' does not have the task 'Pendulum-v1'; allowed: "
        "navigation, navigation-10, navigation-100, navigation-2, navigation-50"
    )


def test_benchmark(tmp_path: Path):
    options = "--dimensions 2 3 --n-envs 2 --rounds 2 --seconds 0.01"
    done = run(tmp_path, str(PROGRAM), *options.split(), COLUMNS="150")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "environment steps per second of 2 environments" in done.stdout
    assert all(f"\u2502 {n} " in done.stdout for n in (2, 3))
