"""The settings that we ship: complete, correct and buildable."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import yaml
from dm_control import suite
from gymnasium import spaces

import sb3_scale
import sb3_scale_crossq
from sb3_scale import Recipe, ZooConfig, hookimpl
from sb3_scale.parts import settings_path
from sb3_scale.plugins import manager
from sb3_scale.policies import ScalePolicy
from sb3_scale.recipes import resolve
from sb3_scale.testing.zoo_configs import observations_for
from sb3_scale.zoo import configs

FOLDER = Path(__file__).parents[1] / "zoo_configs"
SUITE = ["-".join(pair) for pair in suite.ALL_TASKS]
PIXELS = [f"{task}-pixels" for task in SUITE]
PAPER_3 = """
acrobot-swingup cheetah-run dog-run dog-stand dog-trot dog-walk finger-turn_hard fish-swim
hopper-hop humanoid-run humanoid-stand humanoid-walk pendulum-swingup quadruped-run walker-run
""".split()
MYOSUITE = [
    f"{task}{suffix}"
    for task in ("key-turn", "obj-hold", "pen-twirl", "pose", "reach")
    for suffix in ("", "-hard")
]
LEGGED = "dog-stand dog-walk dog-trot dog-run humanoid-stand humanoid-walk humanoid-run".split()


FILES = {path.stem: path for path in sorted(FOLDER.glob("*.yml"))}
RECIPES = {spec.name: spec for _, spec in manager().specs("recipe") if isinstance(spec, Recipe)}


def plain(entry: dict[str, Any], algo: str, task: str) -> dict[str, Any]:
    """As for an environment of ours, with episodes of 1000 control steps, 100 in MyoSuite."""
    settings = resolve.plain(entry, algo, task)
    resolve.repeat_actions(settings, task != "default")
    steps = 100 if task in MYOSUITE else 1000
    repeat = settings.get("env_kwargs", {}).get("action_repeat", 1)
    resolve.choose_gamma(settings, steps // repeat)
    return settings


@cache
def tasks(name: str) -> dict[str, Any]:
    content = yaml.safe_load(FILES[name].read_text())
    return {
        task: plain(entry, name, task)
        for task, entry in content.items()
        if not task.startswith(".")
    }


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("sac", {*SUITE, *PIXELS, *MYOSUITE, "default"}),
        ("td3", {*SUITE, *PIXELS, *MYOSUITE, "default"}),
    ],
)
def test_all_tasks_are_there_under_ids_that_exist(name: str, wanted: set[str]) -> None:
    sb3_scale.register_envs()
    names = set(tasks(name))
    assert wanted <= names
    assert names - {"default"} <= set(gymnasium.registry)


@pytest.mark.parametrize("name", FILES)
def test_every_setting_is_known(name: str) -> None:
    algorithm = sb3_scale.TD3 if name == "td3" else sb3_scale.SAC
    for entry in tasks(name).values():
        assert entry["policy"] == "ScalePolicy"
        configs.check(algorithm.__name__.lower(), algorithm, entry)


@pytest.mark.parametrize("name", FILES)
def test_parts_can_be_built(name: str) -> None:
    """Each different set of parts once, with those of the anchors that are no tasks."""
    content = yaml.safe_load(FILES[name].read_text())
    shared = [entry for key, entry in content.items() if key.startswith(".")]
    kwargs = [entry for entry in shared if "actor" in entry]
    kwargs += [entry["policy_kwargs"] for entry in tasks(name).values()]
    for parts in {str(part): part for part in kwargs}.values():
        actions = spaces.Box(-1, 1, (2,))
        policy = ScalePolicy(observations_for(parts), actions, lambda _: 1e-3, **parts)
        assert policy.actor.stochastic == (name != "td3")


SETTINGS = {
    spec.name: configs.read(settings_path(spec))
    for plugin, spec in (*manager().specs("zoo-config"), *manager().specs("recipe"))
    if isinstance(spec, (Recipe, ZooConfig)) and plugin.distribution.startswith("sb3-scale")
}
PAPER_4 = ["conditional-flow", "residual-critic", "sac-lite", "sac-lite-fixed", "sac-lite-large"]
PAPER_4 += ["residual-actor", "sac-lite-residual-actor", "small-critic"]
PAPER_4 += ["variational", "td2-settings", "ddpg-settings", "td2", "td2-layernorm", "ddpg"]


def algo_of(name: str) -> str:
    kind = "recipe" if name in RECIPES else "zoo-config"
    spec = manager().find(kind, name)[1]
    assert isinstance(spec, (Recipe, ZooConfig))
    return spec.algo


@pytest.mark.parametrize("name", SETTINGS)
def test_every_file_trains_any_other_task_too(name: str) -> None:
    """What only our environments take is not in the default."""
    assert not {"env_kwargs", "monitor_kwargs"} & SETTINGS[name]["default"].keys()


@pytest.mark.parametrize(
    "name", sorted(SETTINGS.keys() - {"bro", "brc", "flashsac", "sac", "td3", *PAPER_4})
)
def test_files_that_are_compared_have_the_same_tasks(name: str) -> None:
    """BRO, BRC, FlashSAC and the thesis have no action repeat, nor what Stable-Baselines3 has."""
    content = SETTINGS[name]
    for task in tasks("sac").keys() - set(PIXELS):
        entry = tasks("sac")[task]
        theirs = plain(content.get(task, content["default"]), algo_of(name), task)
        repeat = entry.get("env_kwargs", {}).get("action_repeat", 1)
        assert theirs.get("env_kwargs", {}).get("action_repeat", 1) == repeat, task


@pytest.mark.parametrize("name", ["crossq-settings", "crossq-wn", "sac-baseline", "sr-sac", "bro"])
def test_settings_of_paper_3_have_its_discount_factors(name: str) -> None:
    content = SETTINGS[name]
    for task in (*PAPER_3, *MYOSUITE):
        gamma = content.get(task, content["default"])["gamma"]
        assert gamma == (0.95 if task in MYOSUITE else 0.99), task


def test_hard_tasks_use_crossq_with_weight_normalisation() -> None:
    for name in LEGGED:
        entry = tasks("sac")[name]
        assert entry["policy_kwargs"]["critic"]["constraint"] == "unit-norm"
        assert entry["policy_kwargs"]["critic"]["joint_batch"]
        assert entry["gradient_steps"] == 2


def test_settings_by_name() -> None:
    assert (
        configs.by_name("sac", "crossq-wn")
        == Path(sb3_scale_crossq.__file__).parent / "crossq-wn.yml"
    )
    assert configs.by_name("sac", "settings.yml") is None
    assert configs.by_name("sac", "json") is None


@pytest.mark.parametrize(
    ("algo", "name", "sentence"),
    [
        ("sac", "crosq-wn", "did you mean 'crossq-wn'?"),
        ("td3", "crossq-wn", "the recipe 'crossq-wn' is for --algo sac, and --algo is 'td3'"),
    ],
)
def test_wrong_names_of_settings(algo: str, name: str, sentence: str) -> None:
    with pytest.raises(sb3_scale.Sb3ScaleError, match=re.escape(sentence)):
        configs.by_name(algo, name)


class Forgets:
    """A plugin whose file of settings is named by each test."""

    def __init__(self, target: str) -> None:
        self.target = target

    @hookimpl
    def sb3_scale_components(self) -> list[ZooConfig]:
        return [ZooConfig("forgets-sac", self.target, summary="Not there.", algo="sac")]


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("sb3_scale:none.yml", "the settings 'forgets-sac' are missing: there is no "),
        (
            "no_package:sac.yml",
            "the settings 'forgets-sac' are in 'no_package:sac.yml': ModuleNotFoundError",
        ),
        (
            "sb3_scale.errors:sac.yml",
            # From Python 3.12 on, a module's own folder is looked in.
            "the settings 'forgets-sac' are ",
        ),
        ("broken:sac.yml", "is not YAML"),
    ],
)
def test_settings_that_cannot_be_read_do_not_stop_other_tasks(
    target: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").touch()
    (tmp_path / "broken" / "sac.yml").write_text("dog-run: [")
    monkeypatch.syspath_prepend(tmp_path)
    assert manager().register(Forgets(target), "forgets").status == "active"
    try:
        with pytest.warns(UserWarning, match=re.escape(sentence)) as warned:
            assert configs.choose("sac", "dog-run", tmp_path / "none.yml") == FILES["sac"]
        assert "plugin 'forgets'" in str(warned[0].message)
        if target != "broken:sac.yml":
            with pytest.raises(sb3_scale.Sb3ScaleError, match=re.escape(sentence)):
                configs.by_name("sac", "forgets-sac")
    finally:
        manager().unregister("forgets")
