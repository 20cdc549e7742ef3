"""What the command line changes of settings with ScalePolicy, whoever wrote them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rl_zoo3 import ALGOS
from stable_baselines3 import SAC as StockSAC
from zoo_commands import experiment

from sb3_scale.sweep.grid import read_sweep, trainings

TASK = {
    "n_timesteps": 12,
    "policy": "ScalePolicy",
    "learning_starts": 10,
    "buffer_size": 100,
    "env_kwargs": {"action_repeat": 4, "width": 64},
    "learning_rate": 0.5,
    "actor_learning_rate": 0.25,
    "critic_learning_rate": "lin_1e-3",
    "policy_kwargs": {"actor": {"name": "squashed-gaussian"}, "critic": {"name": "ensemble"}},
}
LEGGED = Path(__file__).parents[1] / "zoo_configs/td3.yml"
CAMERA = {"camera_id": 0}
PARTS = {"optimizer": "adamw"}

Read = Callable[..., dict[str, Any]]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """What a run of RL-Zoo's command saves as its settings."""
    monkeypatch.chdir(tmp_path)
    content = {"dog-run": TASK, "navigation-2": {**TASK, "env_kwargs": {}}}
    Path("mine.yml").write_text(yaml.safe_dump(content))
    Path("mine.py").write_text(f"hyperparams = {content}")

    def saved(file: str, env: str = "dog-run", algo: str = "sac", **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = experiment(file, env, algo, **options).read_hyperparameters()[1]
        return found

    return saved


@pytest.mark.parametrize(
    ("file", "algo", "repeat"),
    [
        ("xqc", "sac", 2),
        ("crossq-wn", "sac", 2),
        ("crossq", "crossq", 2),
        ("sr-sac", "sac", 2),
        ("sac-spectral", "sac", 2),
        ("sac-densenet-s", "sac", 2),
        (str(LEGGED), "td3", 2),
        ("mine.yml", "sac", 4),
        ("mine.py", "sac", 4),
    ],
)
def test_arguments_of_the_command_line_keep_the_repeat_of_every_file(
    read: Read, file: str, algo: str, repeat: int
) -> None:
    kept = {"action_repeat": repeat, **CAMERA}
    assert read(file, algo=algo, env_kwargs=CAMERA)["env_kwargs"] == kept
    assert read(file, algo=algo, hyperparams={"env_kwargs": CAMERA})["env_kwargs"] == kept
    another = {"action_repeat": 8}
    assert read(file, algo=algo, env_kwargs=another)["env_kwargs"] == another


def test_a_recipe_without_a_repeat_gets_none(read: Read) -> None:
    assert read("bro", env_kwargs=CAMERA)["env_kwargs"] == CAMERA


def rates(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key.endswith("learning_rate")}


@pytest.mark.parametrize("file", ["flashsac", "xqc", "mine.yml", "mine.py"])
def test_a_rate_of_the_command_line_is_for_all(read: Read, file: str) -> None:
    assert len(rates(read(file))) > 1
    all_of_them = {"learning_rate": 1e-3}
    assert rates(read(file, hyperparams=all_of_them)) == all_of_them
    both = {**all_of_them, "actor_learning_rate": 1e-4}
    assert rates(read(file, hyperparams=both)) == both


@pytest.mark.parametrize("file", ["mine.yml", "mine.py"])
def test_a_path_changes_what_the_file_says_and_leaves_the_rest(read: Read, file: str) -> None:
    path = "policy_kwargs.critic.n_critics"
    found = read(file, hyperparams={path: 3})
    wanted = {"actor": {"name": "squashed-gaussian"}, "critic": {"name": "ensemble"}}
    wanted["critic"]["n_critics"] = 3
    assert found["policy_kwargs"] == wanted
    assert found["n_timesteps"] == 12


def test_a_stock_policy_has_what_rl_zoo_alone_would_give_it(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ALGOS, "sac", StockSAC)
    stock = {"n_timesteps": 12, "policy": "MlpPolicy", "env_kwargs": {"action_repeat": 2}}
    Path("stock.yml").write_text(yaml.safe_dump({"dog-run": stock}))
    changes = {"learning_rate": 0.1}
    found = read("stock.yml", hyperparams=changes, env_kwargs=CAMERA)
    assert found == {**stock, **changes, "env_kwargs": CAMERA}


GONE = "policy_kwargs take the place of the recipe's, whose actor, critic"
FOR_ALL = "gradient steps per decision, since gradient_steps"


@pytest.mark.parametrize("recipe", ["xqc", "crossq-wn", "flashsac"])
@pytest.mark.parametrize("written", ["by name", "in a file"])
def test_what_changes_make_of_a_recipe_is_told(
    read: Read, capfd: pytest.CaptureFixture[str], recipe: str, written: str
) -> None:
    def told(**changes: Any) -> str:
        Path("beside.yml").write_text(yaml.safe_dump({"dog-run": {"recipe": recipe, **changes}}))
        if written == "in a file":
            read("beside.yml")
        else:
            read(recipe, hyperparams=changes)
        return capfd.readouterr().err

    assert GONE in told(policy_kwargs=PARTS)
    alone = told(n_envs=4)
    assert f"{FOR_ALL} " in alone
    assert "a step of all 4 environments" in alone
    assert GONE not in alone
    quiet = told(batch_size=16)
    assert GONE not in quiet
    assert FOR_ALL not in quiet


def test_a_recipe_of_the_command_line_leaves_nothing_of_the_file_to_tell(
    read: Read, capfd: pytest.CaptureFixture[str]
) -> None:
    beside = {"recipe": "xqc", "policy_kwargs": PARTS, "n_envs": 4}
    Path("beside.yml").write_text(yaml.safe_dump({"dog-run": beside}))
    read("beside.yml", hyperparams={"recipe": "sac"})
    told = capfd.readouterr().err
    assert GONE not in told
    assert FOR_ALL not in told


def test_a_sweep_tells_and_drops_the_same(read: Read, capfd: pytest.CaptureFixture[str]) -> None:
    changes = {"learning_rate": 1e-3, "n_envs": 4, "env_kwargs": CAMERA}
    sweep = {"env": "dog-run", "conf_file": "crossq-wn", "settings": changes}
    Path("grid.yml").write_text(yaml.safe_dump(sweep))
    (one,) = trainings(read_sweep(Path("grid.yml")))
    assert FOR_ALL in capfd.readouterr().err
    assert one.settings == dict(read("crossq-wn", hyperparams=changes))
