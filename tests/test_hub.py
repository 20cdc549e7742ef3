"""Models to a hub on this machine and back; nothing leaves 127.0.0.1."""

import io
import json
import pickle
import zipfile
from argparse import Namespace
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import gymnasium
import huggingface_hub
import local_hub
import numpy as np
import pytest
import yaml
from PIL import Image
from rl_zoo3 import ALGOS
from rl_zoo3.exp_manager import ExperimentManager
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from strangers import Hidden, pickled, rewrite
from zoo_commands import refused, run_process

from sb3_scale import Network, Spec, hookimpl
from sb3_scale.algorithms.resolved import resolved
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.hub import load_from_hub, push_to_hub
from sb3_scale.hub.trained_run import TrainedRun
from sb3_scale.plugins import manager
from sb3_scale.zoo import install

TASK = "Pendulum-v1"
WIDTH = 32
"""Of critics: td2 norms 16 groups of units."""
SMALL = {
    "learning_starts": 4,
    "batch_size": 4,
    "buffer_size": 50,
    "policy_kwargs.actor.network.width": 8,
    "policy_kwargs.critic.network.width": 8,
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[local_hub.Repositories]:
    install()
    monkeypatch.chdir(tmp_path)
    with local_hub.running() as (address, repositories):
        local_hub.use(address, tmp_path / "cache", monkeypatch)
        yield repositories


def train(algo: str, save_freq: int = -1, **settings: Any) -> Any:
    """A run of RL-Zoo in this process, with one evaluation."""
    arguments = Namespace(algo=algo, env=TASK, seed=0, env_kwargs=None, conf_file=None)
    training = ExperimentManager(
        arguments,
        algo,
        TASK,
        "logs",
        n_timesteps=12,
        eval_freq=12,
        save_freq=save_freq,
        n_eval_episodes=1,
        hyperparams={**SMALL, **settings},
        config="ddpg-settings" if algo == "ddpg" else algo,
        seed=0,
        device="cpu",
        log_interval=-1,
    )
    model, _ = training.setup_experiment()
    training.learn(model)
    training.save_trained_model(model)
    return model


def push(algo: str, *options: str, env: str = TASK) -> None:
    words = f"--algo {algo} --env {env} -f logs -orga me --n-eval-episodes 1"
    push_to_hub.main([*words.split(), *options])


def load(algo: str, *options: str, env: str = TASK) -> Path:
    words = f"--algo {algo} --env {env} -f loaded -orga me"
    load_from_hub.main([*words.split(), *options])
    return Path("loaded", algo, f"{env}_1")


def actions(algo: str, run: Path) -> np.ndarray:
    """Of the model of a run and its statistics, as RL-Zoo's ``enjoy`` chooses them."""
    env: Any = DummyVecEnv([lambda: gymnasium.make(TASK)])
    env.seed(0)
    statistics = run / TASK / "vecnormalize.pkl"
    if statistics.exists():
        env = VecNormalize.load(str(statistics), env)
        env.training = False
    model = ALGOS[algo].load(run / f"{TASK}.zip", device="cpu")
    chosen, observations = [], env.reset()
    for _ in range(20):
        chosen.append(model.predict(observations, deterministic=True)[0])
        observations, _, _, _ = env.step(chosen[-1])
    return np.array(chosen)


def actions_later(algo: str, run: Path) -> np.ndarray:
    """Of the model when it has gone on training for some steps."""
    model = ALGOS[algo].load(run / f"{TASK}.zip", env=gymnasium.make(TASK), device="cpu")
    model.learn(8, reset_num_timesteps=False)
    assert model._n_updates > 8
    return model.predict(np.ones((1, 3), np.float32), deterministic=True)[0]


def slowly(algo: str, normalize: bool) -> Any:
    return pytest.param(algo, normalize, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("algo", "normalize"),
    [
        ("sac", True),
        ("crossq", False),
        ("td2", True),
        slowly("sac", False),
        slowly("crossq", True),
        slowly("td2", False),
        slowly("td3", True),
        slowly("ddpg", False),
    ],
)
def test_a_model_comes_back_with_the_same_actions(
    algo: str, normalize: bool, hub: local_hub.Repositories, capsys: Any
) -> None:
    model = train(algo, normalize=normalize, **{"policy_kwargs.critic.network.width": WIDTH})
    push(algo)
    capsys.readouterr()
    folder = load(algo)
    said = capsys.readouterr().err
    assert "'me/" in said.splitlines()[0]
    assert "nothing in them is run" in said.splitlines()[0]
    before = Path("logs", algo, f"{TASK}_1")
    assert (before / TASK / "vecnormalize.pkl").exists() == normalize
    assert np.array_equal(actions(algo, before), actions(algo, folder))
    assert np.array_equal(actions_later(algo, before), actions_later(algo, folder))
    names = [
        {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
        for run in (before, folder)
    ]
    assert names[0] - names[1] == {"best_model.zip", f"{TASK}/command.txt"}
    assert names[1] - names[0] == {f"{TASK}/env_kwargs.yml"}
    assert model.num_timesteps == ALGOS[algo].load(folder / f"{TASK}.zip").num_timesteps
    check_card(hub[f"me/{algo}-{TASK}"], model)


def check_card(files: dict[str, bytes], model: Any) -> None:
    card = files["README.md"].decode()
    assert f"load_from_hub --algo {files_algo(files)}" in card
    blocks = [block.partition("```")[0] for block in card.split("```yaml\n")[1:]]
    settings, built = map(yaml.safe_load, blocks)
    assert settings["batch_size"] == 4
    assert built == yaml.safe_load(yaml.safe_dump(resolved(model)))
    assert built["policy_kwargs"]["critic"]["network"]["width"] == WIDTH
    picture = Image.open(io.BytesIO(files["learning_curve.png"]))
    assert picture.size == (1200, 675)
    assert f"| torch | {metadata.version('torch')} |" in card
    result = json.loads(files["results.json"])
    assert f"**{np.mean(result['returns']):,.2f} ± 0.00**" in card
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["model-index"][0]["results"][0]["metrics"][0]["type"] == "mean_reward"


def files_algo(files: dict[str, bytes]) -> str:
    (name,) = (name for name in files if name.endswith(".zip") and TASK in name)
    return name.removesuffix(f"-{TASK}.zip")


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of one model of sac with normalisation, on the hub."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("uploaded")
        monkeypatch.chdir(folder)
        install()
        train("sac", normalize=True)
        with local_hub.running() as (address, repositories):
            local_hub.use(address, folder / "cache", monkeypatch)
            push("sac")
            return repositories[f"me/sac-{TASK}"]


REPOSITORY = f"me/sac-{TASK}"


def test_a_model_of_rl_zoo_alone_comes_without_statistics_and_our_list(
    hub: local_hub.Repositories, uploaded: dict[str, bytes]
) -> None:
    """RL-Zoo's own command stops where there is no vec_normalize.pkl."""
    ours = {"packages.yml", "vec_normalize.pkl", "learning_curve.png"}
    hub[REPOSITORY] = {name: each for name, each in uploaded.items() if name not in ours}
    assert (load("sac") / f"{TASK}.zip").exists()


def test_an_upload_leaves_nothing_of_the_model_before(hub: local_hub.Repositories) -> None:
    hub[f"me/crossq-{TASK}"] = {"vec_normalize.pkl": b"", "replay.mp4": b"", "notes.md": b"mine"}
    train("crossq")
    push("crossq")
    names = hub[f"me/crossq-{TASK}"].keys()
    assert {"README.md", "notes.md"} <= names
    assert not {"vec_normalize.pkl", "replay.mp4"} & names


def test_a_checkpoint_plays_and_goes_with_its_own_statistics_and_count(
    hub: local_hub.Repositories,
) -> None:
    train("sac", save_freq=6, normalize=True)
    push("sac", "--load-checkpoint", "6")
    run, files = Path("logs", "sac", f"{TASK}_1"), hub[REPOSITORY]
    assert files[f"sac-{TASK}.zip"] == (run / "rl_model_6_steps.zip").read_bytes()
    own = (run / "rl_model_vecnormalize_6_steps.pkl").read_bytes()
    assert files["vec_normalize.pkl"] == own
    assert own != (run / TASK / "vecnormalize.pkl").read_bytes()
    assert "for\n6 decisions." in files["README.md"].decode()
    chosen = {"load_best": False, "load_checkpoint": 6, "load_last_checkpoint": False}
    named = Namespace(exp_id=1, folder="logs", algo="sac", env=TASK, **chosen)
    env: Any = TrainedRun(named).make_env(render=False, seed=0)
    # One observation more than decisions: that of the reset.
    assert round(env.obs_rms.count) == 7
    assert not env.training


def test_what_is_trusted_comes_as_it_is(
    hub: local_hub.Repositories, uploaded: dict[str, bytes], capsys: Any
) -> None:
    hub[REPOSITORY] = uploaded
    folder = load("sac", "--trust")
    assert (folder / f"{TASK}.zip").read_bytes() == uploaded[f"sac-{TASK}.zip"]
    assert (folder / TASK / "vecnormalize.pkl").read_bytes() == uploaded["vec_normalize.pkl"]
    assert "can run any command on this machine" in capsys.readouterr().err


def metrics(name: str, content: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def test_no_file_of_a_stranger_runs_anything(
    hub: local_hub.Repositories, uploaded: dict[str, bytes], tmp_path: Path, capsys: Any
) -> None:
    mark = tmp_path / "ran"
    call = f"os.system('touch {mark}')"
    model = tmp_path / "model.zip"
    model.write_bytes(uploaded[f"sac-{TASK}.zip"])
    evil = rewrite(model, tmp_path / "evil.zip", {"lr_schedule": pickled(Hidden(mark))})
    wrapper = f'env_wrapper: {{timeit.timeit: {{setup: "import os; {call}"}}}}'
    files = {
        f"sac-{TASK}.zip": evil.read_bytes(),
        "vec_normalize.pkl": pickle.dumps(Hidden(mark)),
        "config.yml": wrapper.encode(),
        "env_kwargs.yml": f"normalize: \"__import__('os').system('touch {mark}')\"".encode(),
    }
    for name, content in files.items():
        hub[REPOSITORY] = {**uploaded, name: content}
        with pytest.raises(Sb3ScaleError, match="trust") as refusal:
            load("sac")
        assert "\n" not in str(refusal.value)
        assert not Path("loaded/sac").exists() or not any(Path("loaded/sac").iterdir())
    line = f"a: !!python/object/apply:os.system ['touch {mark}']\nenv_kwargs: null\n"
    hub[REPOSITORY] = {
        **uploaded,
        "args.yml": line.encode(),
        "train_eval_metrics.zip": metrics(f"{TASK}/args.yml", line),
    }
    folder = load("sac")
    # As RL-Zoo's enjoy reads it.
    yaml.load((folder / TASK / "args.yml").read_text(), Loader=yaml.UnsafeLoader)
    assert not mark.exists()


def test_the_package_of_a_part_that_is_not_installed_is_named(
    hub: local_hub.Repositories,
) -> None:
    class Plugin:
        @hookimpl
        def sb3_scale_components(self) -> Iterator[Spec]:
            yield Network("acme-net", manager().find("network", "mlp")[1].target)

    manager().register(Plugin(), "acme").distribution = "acme-nets"
    try:
        train("sac", **{"policy_kwargs.critic.network.name": "acme-net"})
        push("sac")
    finally:
        manager().unregister("acme")
    expected = "no network 'acme-net'; it came from acme-nets, which is not installed: pip install"
    with pytest.raises(Sb3ScaleError, match=expected):
        load("sac")
    assert not any(Path("loaded/sac").iterdir())


def test_the_package_of_an_algorithm_that_is_not_installed_is_named(
    hub: local_hub.Repositories, capsys: Any
) -> None:
    text = "algorithm: acme-algos\npackages: {acme-algos: 1.0.0, numpy: 1.0.0}\n"
    hub[f"me/acme-{TASK}"] = {"packages.yml": text.encode()}
    expected = "no algorithm 'acme'; it came from acme-algos, which is not installed: pip install"
    with pytest.raises(Sb3ScaleError, match=expected):
        load("acme")
    assert "was made with acme-algos 1.0.0, not installed here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("algo", "env", "options", "expected"),
    [
        ("sacc", TASK, "", "no algorithm 'sacc'; allowed: .*; did you mean 'sac'"),
        ("sac", "Pendulm-v1", "", "no environment 'Pendulm-v1'; did you mean 'Pendulum-v1'"),
        ("td3", TASK, "", "nothing was trained here: .*; allowed: the folder that td3 was trained"),
        ("td3", TASK, "--exp-id 7", "nothing was trained here: .*Pendulum-v1_7 folder was not"),
        ("td3", TASK, "--gym-packages numpyy", "--gym-packages names 'numpyy'"),
    ],
)
def test_what_cannot_be_uploaded_is_told(
    algo: str, env: str, options: str, expected: str, hub: local_hub.Repositories
) -> None:
    with pytest.raises(Sb3ScaleError, match=expected):
        push(algo, *options.split(), env=env)
    assert not hub


def test_an_upload_without_a_token_ends_before_anything_is_played(
    hub: local_hub.Repositories, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    train("sac")
    with pytest.raises(Sb3ScaleError, match=r"no token of the hub.*hf auth login or set HF_TOKEN"):
        push("sac")
    assert not hub


@pytest.mark.parametrize(
    ("algo", "env", "options", "expected"),
    [
        ("sacc", TASK, "", "no algorithm 'sacc'; allowed: .*; did you mean 'sac'"),
        ("td3", TASK, "", "no repository 'me/td3-Pendulum-v1' on http://127.0.0.1.*, or it is pr"),
        ("sac", "Pendulm-v1", "", "no repository 'me/sac-Pendulm-v1' .*mean 'Pendulum-v1'"),
        ("sac", TASK, "-name a/b", "the hub has no repository named 'me/a/b'"),
        ("sac", TASK, "--exp-id -1", "--exp-id is -1; allowed: 0 for the next number"),
        ("ppo", TASK, "-name ppo", "a model of PPO has to be unpickled; allowed: --trust"),
        ("sac", TASK, "-name ppo", "'me/ppo' has no file 'sac-Pendulum-v1.zip', which each"),
    ],
)
def test_what_cannot_be_loaded_is_told(
    algo: str, env: str, options: str, expected: str, hub: local_hub.Repositories
) -> None:
    hub["me/ppo"] = {f"ppo-{TASK}.zip": b""}
    with pytest.raises(Sb3ScaleError, match=expected):
        load(algo, *options.split(), env=env)
    assert not any(Path().glob("loaded/*/*"))


def test_a_run_of_the_same_number_is_replaced_by_force_alone(
    hub: local_hub.Repositories, uploaded: dict[str, bytes]
) -> None:
    hub[REPOSITORY] = uploaded
    mine = load("sac") / "mine"
    mine.touch()
    with pytest.raises(Sb3ScaleError, match=r"there is a run in .*; allowed: --force"):
        load("sac", "--exp-id", "1")
    load("sac")
    assert (Path("loaded/sac") / f"{TASK}_2").exists()
    assert mine.exists()
    load("sac", "--exp-id", "1", "--force")
    assert not mine.exists()


def test_a_hub_that_is_not_reached_is_told(
    hub: local_hub.Repositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(Sb3ScaleError, match=r"the hub at http://127.0.0.1:\d+ is not reached"):
        load("sac")


@pytest.mark.slow
@pytest.mark.parametrize("module", ["rl_zoo3", "huggingface_hub"])
def test_the_extra_with_a_missing_package_is_named(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text(f"raise ImportError(\"No module named '{module}'\")")
    command = "-m sb3_scale.zoo push_to_hub --algo sac --env dog-run".split()
    done = run_process(tmp_path, *command, PYTHONPATH=str(tmp_path))
    expected = f"error: No module named '{module}': pip install \"sb3-scale[hub]\""
    assert refused(done) == expected


@pytest.mark.slow
def test_the_commands_of_the_page(tmp_path: Path) -> None:
    small = [f"{key}:{value}" for key, value in SMALL.items()]
    task = ["--algo", "crossq", "--env", TASK]
    with local_hub.running() as (address, repositories):
        variables = local_hub.variables(address, tmp_path / "home")

        def zoo(script: str, *options: str, **more: str) -> Any:
            command = ["-m", "sb3_scale.zoo", script, *task, *options]
            return run_process(tmp_path, *command, **{**variables, **more})

        done = zoo("train", "-n", "12", "--conf-file", "crossq", "-params", *small)
        assert done.returncode == 0, done.stderr
        done = zoo("push_to_hub", "-f", "logs", "-orga", "me", "-n", "5")
        assert done.returncode == 0, done.stderr
        files = repositories[f"me/crossq-{TASK}"]
        assert files["replay.mp4"][4:8] == b"ftyp"
        assert "python -m sb3_scale.zoo train --algo crossq" in files["README.md"].decode()
        done = zoo("load_from_hub", "-f", "loaded", "-orga", "me")
        assert done.returncode == 0, done.stderr
        done = zoo("enjoy", "-f", "loaded", "-n", "5", "--no-render")
        assert done.returncode == 0, done.stderr
        sentence = refused(zoo("load_from_hub", "-f", "loaded", "-orga", "you"))
        assert "there is no repository 'you/crossq-Pendulum-v1'" in sentence
        done = zoo("load_from_hub", "-f", "loaded", "-orga", "me", HF_ENDPOINT="http://127.0.0.1:9")
        assert "the hub at http://127.0.0.1:9 is not reached" in refused(done)
