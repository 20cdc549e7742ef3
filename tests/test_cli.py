"""The command sb3-scale, as a user runs it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cli_commands import error, install, run, run_process

from sb3_scale.cli import main
from sb3_scale.cli.doctor import _drawing, _products
from sb3_scale.plugins import manager
from sb3_scale.specs import KINDS

ONE_CRITIC = """
from sb3_scale import Critic, hookimpl

@hookimpl
def sb3_scale_components():
    yield Critic({name!r}, "sb3_scale.nn.critics:EnsembleCritic", summary="Mine.")
"""

STOCK_NAMES = """
from sb3_scale import Algorithm, Env, hookimpl

@hookimpl
def sb3_scale_components():
    yield Algorithm("ppo", "sb3_scale:SAC")
    yield Env("Pendulum-v1", "sb3_scale:SAC")
"""


# plugins


def test_plugins_needs_no_heavy_import():
    code = (
        "import sys; from sb3_scale.cli import main; assert main(['plugins', '--json']) == 0; "
        "heavy = {'torch', 'stable_baselines3', 'gymnasium', 'numpy', 'matplotlib'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_console_script_lists_plugins(capsys):
    script = Path(sys.executable).with_name("sb3-scale")
    answer = subprocess.run([script, "plugins"], capture_output=True, text=True, check=True)
    first, second = answer.stdout.splitlines()[:2]
    assert first.split() == ["name", "distribution", "version", "status", "parts", "reason"]
    assert second.split()[:2] == ["core", "sb3-scale"]
    assert main(["plugins", "--json"]) == 0
    core = json.loads(capsys.readouterr().out)[0]
    assert core["status"] == "active"
    assert "critic:ensemble" in core["parts"]


def test_plugins_tells_what_is_wrong(tmp_path):
    install(tmp_path, "aaa-good", ONE_CRITIC.format(name="mine"), entry="twin")
    install(tmp_path, "bbb-twin", ONE_CRITIC.format(name="other"), entry="twin")
    install(tmp_path, "ccc-broken", "import no_such_module")
    install(tmp_path, "ddd-blocked", ONE_CRITIC.format(name="blocked"))
    answer = run("plugins", "--json", path=tmp_path, SB3_SCALE_DISABLE_PLUGINS="ddd-blocked")
    assert answer.returncode == 0
    records = {record["distribution"]: record for record in json.loads(answer.stdout)}
    assert records["aaa-good"]["status"] == "active"
    assert records["aaa-good"]["parts"] == ["critic:mine"]
    assert records["bbb-twin"]["status"] == "duplicate"
    assert "aaa-good" in records["bbb-twin"]["reason"]
    assert records["ccc-broken"]["status"] == "failed"
    assert "no_such_module" in records["ccc-broken"]["reason"]
    assert records["ddd-blocked"]["status"] == "blocked"
    table = run("plugins", path=tmp_path, SB3_SCALE_DISABLE_PLUGINS="ddd-blocked").stdout
    assert "No module named 'no_such_module'" in table


# describe


@pytest.mark.parametrize("words", [["plugins"], ["plugins", "--json"], ["--help"]])
def test_a_reader_that_closes_the_pipe_gets_no_traceback(words):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "sb3_scale", *words]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.stderr == ""
    # argparse does not mind; others end as SIGPIPE ends a tool.
    assert done.returncode == (0 if words == ["--help"] else 141)


@pytest.mark.parametrize("words", [["plugins"], ["plugins", "--json"]])
def test_a_disk_that_is_full_is_one_sentence(words):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "sb3_scale", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    sentence = "sb3-scale: error: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, sentence)


OF_THIS_FOLDER = {
    "an extractor": {"policy_kwargs.extractor": {"name": "mine_here:Flat"}},
    "a wrapper": {"env_wrapper": "mine_here.Looking"},
    "a policy": {"policy": "mine_here.Policy"},
}
MINE = """
import gymnasium
from stable_baselines3.common.torch_layers import FlattenExtractor
from sb3_scale import ScalePolicy

class Flat(FlattenExtractor): ...
class Looking(gymnasium.Wrapper): ...
class Policy(ScalePolicy): ...
"""


def console_script(folder, *words):
    """As a user runs it, who is in a folder that is not on Python's path."""
    script = Path(sys.executable).with_name("sb3-scale")
    return subprocess.run([script, *words], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def this_folder(tmp_path):
    task = {"policy": "ScalePolicy", "n_timesteps": 60, "learning_starts": 20}
    (tmp_path / "start.yml").write_text(yaml.safe_dump({"Pendulum-v1": task}))
    (tmp_path / "mine_here.py").write_text(MINE)
    return tmp_path


def write_sweep(folder, **grid):
    start = {"env": "Pendulum-v1", "conf_file": "start.yml", "grid": grid}
    (folder / "grid.yml").write_text(yaml.safe_dump(start))


def test_the_console_script_sweeps_over_what_is_in_its_folder(this_folder):
    write_sweep(this_folder, what=OF_THIS_FOLDER)
    done = console_script(this_folder, "sweep", "grid.yml", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("to do") == len(OF_THIS_FOLDER)


def test_a_policy_in_a_sweep_that_is_not_there_is_one_sentence(this_folder):
    write_sweep(this_folder, policy=["ScalePolicy", "mine_hree.Policy"])
    done = console_script(this_folder, "sweep", "grid.yml")
    assert done.returncode == 1
    assert done.stderr == (
        "sb3-scale: error: policy has 'mine_hree.Policy', which cannot be imported: "
        "ModuleNotFoundError: No module named 'mine_hree'\n"
    )
    assert not (this_folder / "logs").exists()


def test_the_console_script_exports_a_class_of_its_folder_with_trust(this_folder):
    code = (
        "from sb3_scale import SAC; SAC('ScalePolicy', 'Pendulum-v1', buffer_size=10, "
        "policy_kwargs={'extractor': 'mine_here:Flat'}).save('model')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=this_folder, check=True)
    words = ("export", "model.zip", "--algo", "sac", "--format", "torchscript")
    done = console_script(this_folder, *words)
    assert done.returncode == 1
    assert done.stderr == (
        "sb3-scale: error: checkpoint model.zip has the extractor 'mine_here:Flat', whose module "
        "is not imported; allowed: --trust, which runs whatever is in the files\n"
    )
    assert console_script(this_folder, *words, "--trust").returncode == 0
    assert (this_folder / "model.pt").is_file()


def test_a_folder_that_was_removed_stops_no_command(tmp_path):
    script = Path(sys.executable).with_name("sb3-scale")
    code = (
        "import os, sys; os.chdir(sys.argv[1]); os.rmdir(sys.argv[1]); "
        "os.execv(sys.argv[2], [*sys.argv[2:], '--version'])"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(script)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_describe_lists_all_parts(capsys):
    assert main(["describe", "--json"]) == 0
    listed = {(part["kind"], part["name"]) for part in json.loads(capsys.readouterr().out)}
    assert listed == {(kind, spec.name) for kind in KINDS for _, spec in manager().specs(kind)}
    assert main(["describe"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for _, name in listed)


def test_describe_shows_all_facts():
    out = run("describe", "squashed-gaussian").stdout
    assert "actor squashed-gaussian" in out
    assert "a = tanh(mu(s) + sigma(s) * eps), eps ~ N(0, 1)" in out
    assert "Haarnoja et al., 2018, appendix C" in out
    assert "distribution: sb3-scale 0" in out
    row = next(line for line in out.splitlines() if line.startswith("log_std_bound"))
    assert "clamp or tanh" in row
    assert "maps smoothly between the bounds" in row
    assert "--algo sac --env dog-run --conf-file settings.yml" in out


def test_described_example_is_yaml_that_can_be_copied():
    """Piped output must not be cut at the width of a terminal."""
    out = run("describe", "critic:ensemble", COLUMNS="40").stdout
    text = out.partition("settings.yml\n")[2].partition("\npython -m")[0]
    critic = yaml.safe_load(text)["dog-run"]["policy_kwargs"]["critic"]
    assert critic["name"] == "ensemble"
    assert critic["reduction"] == "min"


def test_describe_as_json(capsys):
    assert main(["describe", "optimizer:adamw", "--json"]) == 0
    part = json.loads(capsys.readouterr().out)
    assert part["kind"] == "optimizer"
    parameters = {parameter["name"]: parameter for parameter in part["parameters"]}
    assert list(parameters) == ["betas", "eps", "weight_decay"]
    assert parameters["weight_decay"]["default"] == "0.01"
    assert parameters["betas"]["type"] == "list[float] or null"


def test_describe_of_an_algorithm_has_its_own_settings(capsys):
    assert main(["describe", "td3", "--json"]) == 0
    part = json.loads(capsys.readouterr().out)
    names = [parameter["name"] for parameter in part["parameters"]]
    assert "max_grad_norm" in names
    assert "env" not in names
    assert "--algo td3" in part["command"]


def test_describe_deterministic_actor_uses_td3(capsys):
    assert main(["describe", "deterministic", "--json"]) == 0
    assert "--algo td3" in json.loads(capsys.readouterr().out)["command"]


def test_describe_unknown_part(capsys):
    assert "there is no part 'ensembel'; did you mean 'ensemble'?" in error(
        capsys, "describe", "ensembel"
    )
    assert "there is no part kind 'critc'" in error(capsys, "describe", "critc:ensemble")
    assert "there is no critic 'mlp': 'mlp' is a network" in error(capsys, "describe", "critic:mlp")


def test_describe_names_the_package_of_a_known_part(tmp_path):
    # Blocked, the parts are unknown, but the package is not to be installed.
    answer = run("describe", "spectral", SB3_SCALE_DISABLE_PLUGINS="sb3-scale-spectral")
    assert answer.returncode == 1
    assert "sb3-scale-spectral" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_describe_name_in_two_kinds(tmp_path):
    install(tmp_path, "two-kinds", ONE_CRITIC.format(name="mlp"))
    answer = run("describe", "mlp", path=tmp_path)
    assert answer.returncode == 1
    assert "'mlp' is a network and a critic: ask for network:mlp or critic:mlp" in answer.stderr
    assert "critic mlp" in run("describe", "critic:mlp", path=tmp_path).stdout


def test_describe_part_that_cannot_be_imported(tmp_path):
    code = ONE_CRITIC.format(name="lost").replace("EnsembleCritic", "NoSuchCritic")
    install(tmp_path, "lost-part", code)
    answer = run("describe", "lost", path=tmp_path)
    assert answer.returncode == 1
    assert "critic 'lost' of plugin 'lost-part' (lost-part 1.0) cannot be imported" in answer.stderr
    assert "Traceback" not in answer.stderr


# doctor


def doctor(**kwargs):
    answer = run("doctor", "--json", **kwargs)
    return answer.returncode, {check["name"]: check for check in json.loads(answer.stdout)}


def test_doctor_of_this_installation(tmp_path):
    status, checks = doctor(cwd=tmp_path)
    assert status == 0, [check for check in checks.values() if check["status"] == "problem"]
    assert checks["torch"]["status"] == "ok"
    assert checks["requirements"]["detail"] == "versions fit"
    assert "brings sb3_scale into RL-Zoo" in checks["custom_envs"]["detail"]
    assert run("doctor", cwd=tmp_path).returncode == 0
    gain = re.match(r"([\d.]+) times as many as", checks["products of bfloat16"]["detail"])
    assert gain, checks
    assert float(gain.group(1)) > 0
    backends = checks["rendering"]["detail"].partition("MUJOCO_GL: ")[2]
    drawing = [checks[f"rendering with {name}"] for name in filter(None, backends.split(", "))]
    for check in drawing:
        rates = re.search(r": (\d+) frames of 84x84 a second, (\d+) without", check["detail"])
        assert rates, check["detail"]
        assert min(map(int, rates.groups())) > 1


@pytest.mark.parametrize(("gain", "told"), [(0.31, False), (1.04, False), (2.38, True)])
def test_doctor_says_when_autocast_may_pay(gain, told):
    check = _products("cpu", gain)
    assert check.detail == f"{gain:.2g} times as many as of float32 in the same time, on cpu"
    assert ("autocast: true" in check.hint) == told


@pytest.mark.parametrize(
    ("renderer", "software"),
    [
        ("llvmpipe (LLVM 15.0.6, 256 bits)", True),
        ("softpipe", True),
        ("Software Rasterizer", True),
        ("NVIDIA H200/PCIe/SSE2", False),
    ],
)
def test_doctor_says_when_the_renderer_is_software(renderer, software):
    found = {"renderer": renderer, "version": "4.6", "shadows": 61.2, "plain": 288.4}
    check = _drawing("egl", found)
    assert check.detail == (
        f"{renderer}, OpenGL 4.6: 61 frames of 84x84 a second, 288 without shadows "
        "(cartpole-swingup)"
    )
    assert check.hint.startswith("it draws on the CPU; env_kwargs render") == software
    assert bool(check.hint) == software


def test_doctor_finds_faulty_plugins(tmp_path):
    install(tmp_path, "aaa-broken", "raise RuntimeError('out of order')")
    install(tmp_path, "bbb-same", ONE_CRITIC.format(name="ensemble"))
    lost = ONE_CRITIC.format(name="lost").replace("EnsembleCritic", "NoSuchCritic")
    install(tmp_path, "ccc-lost", lost)
    settings = ONE_CRITIC.format(name="forgotten").replace("Critic(", "ZooConfig(", 1)
    settings = settings.replace("sb3_scale.nn.critics:EnsembleCritic", "sb3_scale:no.yml")
    settings = settings.replace("summary", 'algo="sac", summary')
    install(tmp_path, "ddd-forgets", settings.replace("import Critic", "import ZooConfig"))
    install(tmp_path, "eee-stock", STOCK_NAMES)
    status, checks = doctor(path=tmp_path)
    assert status == 1
    assert "out of order" in checks["plugin 'aaa-broken' (aaa-broken 1.0)"]["detail"]
    assert checks["critic 'ensemble'"]["detail"] == "offered by sb3-scale and bbb-same"
    assert checks["critic 'ensemble'"]["status"] == "problem"
    assert "NoSuchCritic" in checks["critic 'lost'"]["detail"]
    assert "there is no " in checks["zoo-config 'forgotten'"]["detail"]
    assert checks["algorithm 'ppo'"]["detail"] == "left out, its name was taken before"
    assert checks["env 'Pendulum-v1'"]["detail"] == "left out, its name was taken before"
    table = run("doctor", path=tmp_path)
    assert table.returncode == 1
    assert "out of order" in table.stdout


def test_doctor_finds_a_wrong_environment_variable(tmp_path):
    status, checks = doctor(SB3_SCALE_LOAD_PLUGINS="spektral", MUJOCO_GL="no-such-backend")
    assert status == 1
    assert "spektral" in checks["plugins"]["detail"]
    assert "SB3_SCALE_LOAD_PLUGINS" in checks["plugins"]["hint"]
    assert checks["rendering"]["status"] == "problem"


def test_doctor_finds_a_mistyped_plugin_to_leave_out_and_another_custom_envs(tmp_path):
    (tmp_path / "custom_envs.py").write_text("import gymnasium\n")
    status, checks = doctor(cwd=tmp_path, SB3_SCALE_DISABLE_PLUGINS="spectrl")
    assert status == 0
    check = checks["SB3_SCALE_DISABLE_PLUGINS"]
    assert check["status"] == "warning"
    assert "did you mean 'spectral'?" in check["detail"]
    assert checks["custom_envs"]["status"] == "warning"
    assert str(tmp_path / "custom_envs.py") in checks["custom_envs"]["detail"]
    assert "--gym-packages sb3_scale.zoo.installed" in checks["custom_envs"]["hint"]
    assert "python -m sb3_scale.zoo train" in checks["custom_envs"]["hint"]


# new-plugin


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("My-Critic", "the name is 'My-Critic'; allowed: lower-case letters"),
        ("my_critic", "the name is 'my_critic'; allowed: lower-case letters"),
        ("3d", "the name is '3d'; allowed: lower-case letters"),
        ("a" * 41, "at most 40 characters"),
        ("torch", "the name 'torch' is taken: Python knows a 'torch' already"),
        ("class", "the name 'class' is taken"),
        ("ensemble", "there is a critic 'ensemble' already"),
    ],
)
def test_new_plugin_refuses_names(name, sentence, tmp_path, capsys):
    assert sentence in error(capsys, "new-plugin", name, "--path", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_new_plugin_keeps_what_exists(tmp_path, capsys):
    (tmp_path / "my-critic").mkdir()
    told = error(capsys, "new-plugin", "my-critic", "--path", str(tmp_path))
    assert told == f"'{tmp_path / 'my-critic'}' exists already"
    told = error(capsys, "new-plugin", "my-critic", "--path", str(tmp_path / "none"))
    assert told == f"there is no folder '{tmp_path / 'none'}'"


# the command line itself


def test_version():
    answer = run_process("--version")
    assert answer.returncode == 0
    assert answer.stdout.startswith("sb3-scale 0.")


def test_commands_name_the_package_that_they_lack(tmp_path):
    """As where someone installed without dependencies."""
    missing = "No module named 'rl_zoo3'"
    (tmp_path / "rl_zoo3.py").write_text(f'raise ModuleNotFoundError("{missing}", name="rl_zoo3")')
    answer = run_process("sweep", "grid.yml", path=tmp_path)
    assert answer.returncode == 1
    assert answer.stderr == f"sb3-scale: error: {missing}: pip install sb3-scale\n"


def test_help_names_all_commands():
    out = run("--help").stdout
    for command in ("plugins", "describe", "doctor", "new-plugin", "report"):
        assert command in out
