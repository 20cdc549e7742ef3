"""Algorithms and tasks that two distributions offer, and names that nobody can use."""

import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest
import rl_zoo3
from stable_baselines3 import PPO

import sb3_scale.zoo.__main__ as zoo_main
from sb3_scale import SAC, Algorithm, Env, Sb3ScaleError, Spec, ZooConfig, hookimpl
from sb3_scale.plugins import PluginManager, manager
from sb3_scale.registration import import_packages, register_envs
from sb3_scale.zoo import _install_algorithms
from sb3_scale.zoo.configs import by_name

CHOOSE = "uninstall one, or choose with SB3_SCALE_DISABLE_PLUGINS="


@pytest.fixture
def second_plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginManager]:
    """Offers what the core and sb3-scale-envs offer already, and a name with a space."""

    class Second:
        @hookimpl
        def sb3_scale_components(self) -> Iterator[Spec]:
            yield Algorithm("sac", "sb3_scale:SAC")
            yield Env("robot arm", "sb3_scale:SAC")
            yield Env("navigation-2", "sb3_scale:SAC")
            yield ZooConfig("xqc", "test_collisions:xqc.yml", algo="sac")

    monkeypatch.setattr(gymnasium.envs.registration, "registry", {})
    monkeypatch.setattr(gymnasium, "registry", gymnasium.envs.registration.registry)
    algorithms = dict(rl_zoo3.ALGOS)
    assert manager().register(Second(), "second").status == "active"
    yield manager()
    manager().unregister("second")
    rl_zoo3.ALGOS.update(algorithms)


def test_an_algorithm_offered_twice_is_neither_of_them(second_plugin: PluginManager) -> None:
    _install_algorithms()
    offered = rl_zoo3.ALGOS["sac"]
    sentence = "algorithm 'sac' is offered by sb3-scale and (this process): " + CHOOSE
    sentence += "(this process)"
    for use in (lambda: offered("MlpPolicy"), lambda: offered.load("run.zip")):
        with pytest.raises(Sb3ScaleError) as raised:
            use()
        assert str(raised.value) == sentence


def test_a_task_offered_twice_says_so_when_it_is_made(second_plugin: PluginManager) -> None:
    with pytest.warns(UserWarning, match="plugin 'second' .* there is no environment 'robot arm'"):
        register_envs()
    with pytest.raises(Sb3ScaleError) as raised:
        gymnasium.make("navigation-2")
    assert CHOOSE in str(raised.value)
    assert str(raised.value).startswith("env 'navigation-2' is offered by ")
    # What the refused name came beside is there.
    assert "pendulum-swingup" in gymnasium.registry


def test_names_that_were_there_before_stay_what_they_are() -> None:
    class Bold:
        @hookimpl
        def sb3_scale_components(self) -> Iterator[Spec]:
            yield Algorithm("ppo", "sb3_scale:SAC")
            yield Env("Pendulum-v1", "sb3_scale:SAC")

    before = gymnasium.spec("Pendulum-v1").entry_point
    assert manager().register(Bold(), "bold").status == "active"
    try:
        with pytest.warns(UserWarning, match=r"'bold' .* algorithm 'ppo' is left out"):
            _install_algorithms()
        with pytest.warns(UserWarning, match=r"'bold' .* environment 'Pendulum-v1' is left out"):
            register_envs()
    finally:
        manager().unregister("bold")
    assert rl_zoo3.ALGOS["ppo"] is PPO
    assert gymnasium.spec("Pendulum-v1").entry_point == before


def test_settings_of_a_recipes_name_are_neither_of_them(second_plugin: PluginManager) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        by_name("sac", "xqc")
    assert str(raised.value).startswith("--conf-file xqc is a recipe of ")
    assert " and a zoo-config of 'second' " in str(raised.value)


def test_a_module_of_the_present_folder_is_found_behind_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tasks_of_mine.py").write_text("")
    (tmp_path / "yaml.py").write_text("raise RuntimeError")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.delitem(sys.modules, "tasks_of_mine", raising=False)
    import_packages("--gym-packages", ["tasks_of_mine", "yaml"])
    assert "tasks_of_mine" in sys.modules
    with pytest.raises(Sb3ScaleError, match="--gym-packages names 'tasks_of_yours'"):
        import_packages("--gym-packages", ["tasks_of_yours"])


@pytest.mark.parametrize("words", [["--env=dog-rnu"], ["--env", "dog-rnu"]])
def test_a_task_is_understood_however_it_is_written(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["sb3_scale.zoo", "train", "--algo", "sac", *words])
    with pytest.raises(Sb3ScaleError, match="'dog-rnu'; did you mean 'dog-run'"):
        zoo_main.main()
    assert rl_zoo3.ALGOS["sac"] is SAC
