"""The settings that come with the plugin, and RL-Zoo's commands with --algo crossq."""

from pathlib import Path
from typing import Any

import gymnasium
import pytest
import yaml
import zoo_commands

import sb3_scale
import sb3_scale_crossq
from sb3_scale.testing import check_component
from sb3_scale.zoo import configs
from sb3_scale_crossq.algorithm import CrossQ

FILE = Path(sb3_scale_crossq.__file__).parent / "crossq.yml"


def tasks() -> dict[str, Any]:
    content = yaml.safe_load(FILE.read_text())
    return {name: entry for name, entry in content.items() if not name.startswith(".")}


@pytest.mark.parametrize("part", [("algorithm", "crossq"), ("zoo-config", "crossq-settings")])
def test_contract(part: tuple[str, str]) -> None:
    check_component(*part)


def test_rl_zoo_finds_them(tmp_path: Path) -> None:
    sb3_scale.register_envs()
    assert set(tasks()) - {"default", "discrete"} <= set(gymnasium.registry)
    # RL-Zoo has settings for its own crossq, so the file's default is for tasks of plugins.
    for task in ("dog-stand", "humanoid-run", "pendulum-swingup"):
        assert configs.choose("crossq", task, tmp_path / "none.yml") == FILE


def test_numbers_of_palenicek_et_al() -> None:
    """Appendix C, Table 1, column CrossQ; one million environment steps."""
    entry = tasks()["dog-run"]
    assert entry["env_kwargs"]["action_repeat"] * entry["n_timesteps"] == 1_000_000
    wanted = {"gamma": 0.99, "learning_rate": 1e-4, "batch_size": 256, "learning_starts": 5000}
    wanted |= {"ent_coef": "auto_1.0", "target_entropy": "auto_0.5", "policy_delay": 3}
    assert {key: entry[key] for key in wanted} == wanted
    env = gymnasium.make("dog-run")
    used = {key: value for key, value in entry.items() if key not in configs.ZOO_KEYS}
    model = CrossQ("ScalePolicy", env, **{**used, "buffer_size": 1}, device="cpu")
    assert model.target_entropy == -env.action_space.shape[0] / 2
    for part, width in ((model.policy.actor, 256), (model.policy.critic, 512)):
        network = part.network
        assert [layer.out_features for layer in network.linears] == [width, width]
        norms = [network.input_norm, *network.norms]
        assert [type(norm).__name__ for norm in norms] == ["EnsembleBatchNorm"] * 3
        assert {norm.momentum for norm in norms} == {0.01}
        assert network.norm_placement == "post-activation"
        (group,) = part.optimizer.param_groups
        assert (type(part.optimizer).__name__, group["betas"]) == ("Adam", (0.9, 0.999))
    critic = model.policy.critic
    assert (critic.n_critics, critic.joint_batch, critic.target) == (2, True, False)


@pytest.mark.slow
def test_train_and_enjoy(tmp_path: Path) -> None:
    options = [*zoo_commands.FAST, *zoo_commands.SMALL]
    task = ("--algo", "crossq", "--env", "dog-stand")
    done = zoo_commands.run(tmp_path, "-m", "rl_zoo3.train", *task, "-n", "300", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Loading hyperparameters from: {FILE}" in done.stdout
    show = ("-f", "logs", "--no-render", "-n", "20")
    done = zoo_commands.run(tmp_path, "-m", "rl_zoo3.enjoy", *task, *show)
    assert done.returncode == 0, done.stdout + done.stderr
