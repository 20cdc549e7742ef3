"""RL-Zoo's command with parts of four plugins on the real dog, and all files of settings."""

from pathlib import Path

import pytest
import yaml
import zoo_commands

from sb3_scale import SAC
from sb3_scale.parts import settings_path
from sb3_scale.plugins import manager
from sb3_scale.specs import Recipe
from sb3_scale.zoo import configs

DENSENET = {"name": "densenet", "width": 16, "depth": 2}
MIXED = {
    "n_timesteps": 520,
    "train_freq": 10,
    "policy": "ScalePolicy",
    "env_kwargs": {"action_repeat": 2},
    "normalize": {"norm_obs": True, "norm_reward": False},
    "learning_starts": 50,
    "batch_size": 16,
    "buffer_size": 1000,
    "callback": ["csv-logger", {"name": "effective-rank", "interval": 100}],
    "replay_buffer_class": "prioritized",
    "policy_kwargs": {
        "actor": {"name": "squashed-gaussian", "network": DENSENET, "constraint": "unit-norm"},
        "critic": {"name": "ensemble", "network": DENSENET, "constraint": "unit-norm"},
        "loss": "adaptive-asymmetric",
        "extractor": {"name": "ofenet", "width": 8, "depth": 2, "pretraining_steps": 5},
    },
}


def train(folder: Path, *options: str) -> str:
    command = "-m rl_zoo3.train --algo sac --env dog-stand --eval-freq -1 --seed 1".split()
    done = zoo_commands.run(folder, *command, "--log-interval", "1", "-f", "logs", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_parts_of_four_papers_train_save_and_go_on(tmp_path: Path) -> None:
    (tmp_path / "mixed.yml").write_text(yaml.safe_dump({"dog-stand": MIXED}))
    told = train(tmp_path, "-conf", "mixed.yml", "--save-freq", "510", "--save-replay-buffer")
    assert "pre-training the extractor" in told
    folder = tmp_path / "logs/sac/dog-stand_1"
    columns = (folder / "progress.csv").read_text().splitlines()[0]
    assert "train/extractor_loss" in columns
    model = SAC.load(folder / "rl_model_510_steps.zip")
    optimizer = model.policy.extractor.optimizer
    (parameter, *_) = model.policy.extractor.parameters()
    assert optimizer.state[parameter]["step"] == 5 + model._n_updates
    path = str(folder / "rl_model_510_steps.zip")
    again = train(tmp_path, "-conf", "mixed.yml", "-i", path, "-n", "20")
    assert "pre-training the extractor" not in again


FILES = [
    spec
    for plugin, spec in manager().specs("recipe")
    if isinstance(spec, Recipe) and plugin.distribution == "sb3-scale-densenet"
]


def test_there_is_a_file_for_each_variant() -> None:
    variants = ("original", "ofenet", "densenet-s", "densenet-m", "densenet-l")
    expected = {f"{algo}-{variant}" for algo in ("sac", "td3") for variant in variants}
    sizes = {f"densenet-ofenet-{size}{end}" for size in "sml" for end in ("", "-td3")}
    assert {spec.name for spec in FILES} == expected | sizes


@pytest.mark.parametrize("spec", FILES, ids=lambda spec: spec.name)
def test_all_files_have_the_tasks_of_table_1(spec: Recipe) -> None:
    tasks = configs.read(settings_path(spec))
    names = ("Hopper", "Walker2d", "HalfCheetah", "Ant", "Humanoid")
    mujoco = {f"{name}-v{version}" for name in names for version in (4, 5)}
    assert mujoco <= tasks.keys()
    assert {"dog-run", "humanoid-run"} <= tasks.keys()
    for settings in (tasks[task] for task in mujoco):
        assert settings["learning_starts"] == (10_000 if spec.algo == "sac" else 100_000)
        assert settings["batch_size"] == 256
    if "original" not in spec.name:
        extractors = {task: tasks[task]["policy_kwargs"]["extractor"] for task in mujoco}
        # Positions and velocities of the ant; of the humanoid all but the contact forces.
        assert extractors["Ant-v5"]["predicted"] == 27
        assert extractors["Humanoid-v4"]["predicted"] == 376 - 84
        assert extractors["Humanoid-v5"]["predicted"] == 348 - 78
        total = {"ofenet": 240, "s": 256, "m": 1024, "l": 2048}[
            spec.name.removesuffix("-td3").rpartition("-")[2]
        ]
        assert all(8 * each["width"] == total for each in extractors.values())
        heads = 256 if spec.name.endswith("ofenet") else total
        for part in ("actor", "critic"):
            networks = [tasks[task]["policy_kwargs"][part]["network"] for task in mujoco]
            assert {(each["width"], each["depth"]) for each in networks} == {(heads, 2)}
