"""What RL-Zoo's user reads after a mistake: one sentence, no traceback, nothing trained."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from zoo_commands import FAST, SMALL, experiment, refused, run, run_process

from sb3_scale import Sb3ScaleError

TRAIN = ["-m", "rl_zoo3.train", "--algo", "sac", "--env", "pendulum-swingup", "-n", "60", *FAST]


def configuration(folder: Path, **settings: object) -> list[str]:
    entry = {"n_timesteps": 100, "policy": "ScalePolicy", **settings}
    (folder / "mine.yml").write_text(yaml.safe_dump({"pendulum-swingup": entry}))
    return [*TRAIN, "-conf", "mine.yml"]


def plugin(folder: Path, distribution: str, point: str, module: str, source: str) -> None:
    """Install a distribution by hand: what importlib.metadata needs, and the module."""
    info = folder / f"{distribution.replace('-', '_')}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[sb3_scale]\n{point} = {module}\n")
    (folder / f"{module}.py").write_text(source)


MINE = """
from sb3_scale import Critic, hookimpl

@hookimpl
def sb3_scale_components():
    yield Critic("mine", "sb3_scale.nn.critics:EnsembleCritic")
"""


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"policy_kwargs": {"critic": "ensembel"}},
            "error: there is no critic 'ensembel'; allowed: discrete-ensemble, ensemble; did you "
            "mean 'ensemble'?",
        ),
        (
            {"policy_kwargs": {"critic": {"name": "ensemble", "n_critic": 3}}},
            "error: critic 'ensemble' has no parameter 'n_critic' (its value was 3); allowed: "
            "constraint, init, joint_batch, n_critics, network, output_gain, reduction, "
            "target, value; did you mean 'n_critics'?",
        ),
        (
            {"policy_kwargs": {"critic": {"name": "ensemble", "n_critics": "two"}}},
            "error: critic 'ensemble': n_critics is 'two' (str); allowed: int",
        ),
        (
            {"policy_kwargs": {"critic": {"name": "ensemble", "network": "spectral"}}},
            "error: there is no network 'spectral': 'spectral' is a constraint, put it there",
        ),
        (
            {"policy_kwargs": {"critics": "ensemble"}},
            "error: policy_kwargs has the unknown key 'critics' (its value was 'ensemble'); "
            "allowed: actor, actor_optimizer, critic, critic_optimizer, extractor, "
            "extractor_target, loss, normalize_images, optimizer, transforms, use_sde; "
            "did you mean 'critic'?",
        ),
        (
            {"env_kwargs": {"action_repaet": 2}},
            "error: env_kwargs: 'pendulum-swingup' has no argument 'action_repaet' (its value was "
            "2); allowed: action_repeat, camera_id, disable_env_checker, domain, height, "
            "max_episode_steps, render, render_mode, task, width; did you mean 'action_repeat'?",
        ),
        (
            {"env_kwargs": [2]},
            "error: env_kwargs is [2]; allowed: arguments by name",
        ),
        (
            {"gamma": "0.99"},
            "error: sac: gamma is '0.99' (str); allowed: float",
        ),
        (
            {"tau": "1e-2"},
            "error: sac: tau is '1e-2' (str); allowed: float; YAML reads 1e-2 as text: write 0.01",
        ),
    ],
)
def test_mistakes_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    configuration(tmp_path, **settings)
    with pytest.raises(Sb3ScaleError) as raised:
        experiment("mine.yml", "pendulum-swingup").setup_experiment()
    assert f"error: {raised.value}" == sentence


def test_argument_of_the_task_on_the_command_line(tmp_path: Path) -> None:
    command = [*configuration(tmp_path), "--env-kwargs", "action_repaet:2"]
    sentence = refused(run(tmp_path, *command))
    assert "has no argument 'action_repaet' (its value was 2)" in sentence


def test_unknown_setting_names_the_nearest(tmp_path: Path) -> None:
    sentence = refused(run(tmp_path, *configuration(tmp_path, polcy_delay=3)))
    assert sentence.startswith("error: sac has no setting 'polcy_delay' (its value was 3)")
    assert sentence.endswith("did you mean 'policy_delay'?")


def test_the_script_that_pip_writes_speaks_in_sentences_too(tmp_path: Path) -> None:
    (tmp_path / "rl_zoo3").write_text("from rl_zoo3.cli import main\nmain()\n")
    command = ["rl_zoo3", "train", *configuration(tmp_path, polcy_delay=3)[2:]]
    assert "did you mean 'policy_delay'?" in refused(run(tmp_path, *command))


def test_the_script_that_pip_writes_finds_modules_of_the_present_folder(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "rl_zoo3").write_text("from rl_zoo3.cli import main\nmain()\n")
    (tmp_path / "mine_here.py").write_text("")
    words = configuration(tmp_path, callback="mine_here.Mine")[2:]
    sentence = refused(run(tmp_path, "scripts/rl_zoo3", "train", *words))
    assert "callback has 'mine_here.Mine', and there is no 'Mine' in mine_here" in sentence


def test_several_plugins_with_settings_of_one_task(tmp_path: Path) -> None:
    source = (
        "from sb3_scale import ZooConfig, hookimpl\n@hookimpl\ndef sb3_scale_components():\n"
        "    yield ZooConfig('NAME-sac', 'NAME_plugin:sac.yml', algo='sac')\n"
    )
    for name in ("first", "second"):
        (tmp_path / f"{name}_plugin").mkdir()
        plugin(tmp_path, f"{name}-dist", name, f"{name}_module", source.replace("NAME", name))
        (tmp_path / f"{name}_plugin" / "__init__.py").touch()
        task = {"pendulum-swingup": {"n_timesteps": 60, "policy": "MlpPolicy"}}
        (tmp_path / f"{name}_plugin" / "sac.yml").write_text(yaml.safe_dump(task))
    sentence = refused(run(tmp_path, *TRAIN, PYTHONPATH=str(tmp_path)))
    assert "several plugins have settings of 'pendulum-swingup' for --algo sac: " in sentence
    assert "'first-sac' of 'first' (first-dist 0.1), 'second-sac' of 'second'" in sentence


@pytest.mark.parametrize("word", ["policy:ScalePolicy", "gamma:"])
def test_words_that_are_no_python(tmp_path: Path, word: str) -> None:
    sentence = refused(run(tmp_path, *TRAIN, "-params", word))
    assert sentence.startswith(f"error: -params has '{word}', and RL-Zoo reads what follows the")
    assert not (tmp_path / "logs").exists()


def test_file_that_is_not_yaml(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("pendulum-swingup: {policy: [}")
    sentence = refused(run_process(tmp_path, *TRAIN, "-conf", "mine.yml"))
    assert "mine.yml is not YAML" in sentence


def test_a_stock_policy_with_parts_of_the_file(tmp_path: Path) -> None:
    sentence = refused(run(tmp_path, *TRAIN, "-params", "policy:'MlpPolicy'"))
    assert sentence.startswith("error: policy is 'MlpPolicy', and policy_kwargs and callback of ")


def test_environment_with_a_typo(tmp_path: Path) -> None:
    command = "-m sb3_scale.zoo train --algo sac --env dog-rnu".split()
    sentence = refused(run(tmp_path, *command))
    assert sentence == "error: there is no environment 'dog-rnu'; did you mean 'dog-run'?"
    done = run(tmp_path, *"-m rl_zoo3.train --algo sac --env dog-rnu".split())
    assert done.returncode != 0
    assert "you maybe meant dog-run?" in done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_asked_for_and_absent(tmp_path: Path) -> None:
    sentence = refused(run(tmp_path, *TRAIN, "--device", "cuda"))
    assert "device is 'cuda'" in sentence
    assert sentence.endswith("finds no such device here; allowed: cpu, auto")


def test_blocked_plugin(tmp_path: Path) -> None:
    settings = {"policy_kwargs": {"critic": {"name": "ensemble", "network": "modern"}}}
    command = configuration(tmp_path, **settings)
    sentence = refused(run(tmp_path, *command, SB3_SCALE_DISABLE_PLUGINS="spectral"))
    assert "there is no network 'modern'" in sentence
    assert "blocked, named in SB3_SCALE_DISABLE_PLUGINS" in sentence


def test_part_of_a_failed_plugin(tmp_path: Path) -> None:
    plugin(tmp_path, "broken-dist", "broken", "broken_plugin", "import no_such_module")
    command = configuration(tmp_path, policy_kwargs={"critic": "broken"})
    sentence = refused(run(tmp_path, *command, PYTHONPATH=str(tmp_path)))
    assert "plugin 'broken' (broken-dist 0.1) may have it: failed, ModuleNotFoundError" in sentence
    assert "no_such_module" in sentence


def test_collision_names_both_distributions(tmp_path: Path) -> None:
    plugin(tmp_path, "first-dist", "first", "first_plugin", MINE)
    plugin(tmp_path, "second-dist", "second", "second_plugin", MINE)
    command = configuration(tmp_path, policy_kwargs={"critic": "mine"})
    sentence = refused(run(tmp_path, *command, PYTHONPATH=str(tmp_path)))
    assert "critic 'mine' is offered by first-dist and second-dist" in sentence


def test_corrupt_checkpoint(tmp_path: Path) -> None:
    done = run(tmp_path, *TRAIN, *SMALL)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "logs" / "sac" / "pendulum-swingup_1"
    saved = folder / "pendulum-swingup.zip"
    whole = saved.read_bytes()
    enjoy = "-m rl_zoo3.enjoy --algo sac --env pendulum-swingup -n 5 --no-render -f logs".split()

    saved.write_bytes(whole[: len(whole) // 2])
    assert "is damaged" in refused(run(tmp_path, *enjoy))

    middle = len(whole) // 2
    saved.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    assert "is damaged" in refused(run(tmp_path, *enjoy))
    shutil.rmtree(folder)


@pytest.mark.parametrize("words", [["-i", "gone.zip"], ["-i=gone"], ["--trained-agent", "gone"]])
def test_a_checkpoint_that_is_not_there(words: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, *TRAIN, *words)
    assert done.returncode == 1
    assert " is 'gone" in done.stderr
    assert ", which is not there; allowed: a checkpoint, or the folder of a run" in done.stderr
    assert "Traceback" not in done.stderr


ODD = """
from sb3_scale import Algorithm, Callback, EnvBackend, Network, Value, hookimpl

@hookimpl
def sb3_scale_components():
    yield Callback("no-callback", "odd:plain")
    yield EnvBackend("no-envs", "odd:nothing", example_env="Pendulum-v1")
    yield Algorithm("no-class", "odd:plain")
    yield Network("netfails", "oddfails:x")
    yield Value("valfails", "oddfails:x")

def plain():
    return 3

def nothing(env_id: str, n_envs: int, env_kwargs: dict):
    return None
"""


def test_odd_parts_of_a_plugin_are_named_and_stop_nothing_else(tmp_path: Path) -> None:
    plugin(tmp_path, "odd-parts", "odd", "odd", ODD)
    (tmp_path / "oddfails.py").write_text("raise ValueError('odd')\n")
    path = {"PYTHONPATH": str(tmp_path)}

    def told(*words: str) -> str:
        done = run(tmp_path, *words, **path)
        assert "Traceback" not in done.stderr, done.stderr
        return done.stderr + done.stdout

    assert "callback 'no-callback' makes 3; allowed: an object derived from" in told(
        *configuration(tmp_path, callback="no-callback")
    )
    assert "env_backend 'no-envs' makes None; allowed: a VecEnv of 1" in told(
        *configuration(tmp_path, env_backend="no-envs")
    )
    assert "algorithm 'no-class' is " in told(*TRAIN)
    assert "quantile" in told("-m", "sb3_scale", "describe", "quantile")


def test_a_checkpoint_with_a_scale_policy_under_another_policy(tmp_path: Path) -> None:
    done = run(tmp_path, *TRAIN, *SMALL)
    assert done.returncode == 0, done.stderr
    command = configuration(tmp_path, policy="MlpPolicy")
    sentence = refused(run(tmp_path, *command, "-i", "logs/sac/pendulum-swingup_1"))
    assert "has a ScalePolicy, and the settings have policy: 'MlpPolicy'; allowed: " in sentence


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (
            "--gym-packages=nopkg.envs",
            "error: --gym-packages has 'nopkg.envs', and there is no such module; allowed: those "
            "that are installed, or in the present folder",
        ),
        (
            "--seed=4294967296",
            "error: --seed is 4294967296; allowed: up to 4294967295, or -1 for any",
        ),
        (
            "--gym-packages=gymnasium.no_such",
            "error: --gym-packages has 'gymnasium.no_such', which cannot be imported: "
            "ModuleNotFoundError: No module named 'gymnasium.no_such'; allowed: modules that "
            "register environments",
        ),
        (
            "--gym-packages=broken",
            "error: --gym-packages has 'broken', which cannot be imported: RuntimeError: no "
            "licence; allowed: modules that register environments",
        ),
    ],
)
def test_words_of_the_command_line(tmp_path: Path, option: str, sentence: str) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no licence')")
    words = [word for word in TRAIN if word not in FAST]
    assert refused(run(tmp_path, *words, "--eval-freq", "-1", *option.split("="))) == sentence
