"""Recipes: settings for any environment, from Python."""

import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml
from cli_commands import error
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize

import sb3_scale
from sb3_scale import Recipe, Sb3ScaleError, catalogue, hookimpl
from sb3_scale.cli import main
from sb3_scale.collection.time_limits import max_episode_steps
from sb3_scale.collection.unmade import UnmadeVecEnv
from sb3_scale.plugins import manager
from sb3_scale.recipes import resolve
from sb3_scale.recipes.costs import cost
from sb3_scale.recipes.environments import SpacesOnly
from sb3_scale.recipes.networks import described
from sb3_scale.registration import register_envs
from sb3_scale.testing import check_component
from sb3_scale_envs.envpool_vec_env import EnvPoolVecEnv
from sb3_scale_envs.navigation_vec_env import NavigationVecEnv

NARROW = {
    "policy_kwargs.critic.network.width": 8,
    "policy_kwargs.actor.network.width": 8,
    "compile": False,
    "buffer_size": 1000,
}


class Point(gymnasium.Env[Any, Any]):
    """An environment of the user's own, registered nowhere."""

    observation_space = spaces.Box(-2, 2, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, action_repeat: int = 1, start: float = 1.0) -> None:
        self.action_repeat = action_repeat
        self.start = start

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.position = self.np_random.uniform(-self.start, self.start, 2).astype(np.float32)
        return self.position, {}

    def step(self, action: Any) -> Any:
        self.position = np.clip(self.position + 0.1 * action, -2, 2).astype(np.float32)
        return self.position, -float(np.linalg.norm(self.position)), False, False, {}


class Spaceless(gymnasium.Env[Any, Any]):
    """Forgot them."""


class Short(Point):
    """Says itself how long an episode is."""

    max_episode_steps = 100


class Needy(Point):
    def __init__(self, size: int) -> None:
        super().__init__()


class Broken(Point):
    def __init__(self) -> None:
        raise OSError("no such device")


class Nested(Point):
    observation_space = spaces.Dict({"a": spaces.Dict({"b": Point.observation_space})})


class Written(Point):
    observation_space = spaces.Text(4)


class Limited(Point):
    def __init__(self, max_episode_steps: Any = None) -> None:
        super().__init__()
        self.max_episode_steps = max_episode_steps


def test_four_lines_train_an_environment_of_the_users_own() -> None:
    model = sb3_scale.recipe("default", Point(), learning_starts=30, seed=0, **NARROW)
    model.learn(60)
    assert model._n_updates == 60
    assert model.policy.critic.network.out_features == 8
    assert model.policy.critic.joint_batch
    normalised = model.get_vec_normalize_env()
    assert normalised is not None
    assert (normalised.norm_obs, normalised.norm_reward, normalised.gamma) == (True, False, 0.99)


IMAGE = spaces.Box(0, 255, (3, 8, 8), np.uint8)


@pytest.mark.parametrize(
    ("observations", "keys"),
    [
        (spaces.Discrete(3), None),
        (spaces.MultiBinary(3), None),
        (IMAGE, None),
        (spaces.Dict(a=spaces.Discrete(2), b=IMAGE), None),
        (spaces.Dict(a=spaces.Discrete(2), b=Point.observation_space), ["b"]),
    ],
    ids=["discrete", "binary", "image", "no numbers", "some"],
)
def test_what_has_no_running_mean_is_not_normalised(
    observations: spaces.Space[Any], keys: list[str] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    env = SpacesOnly(observations, Point.action_space)
    model = sb3_scale.recipe("default", env, **NARROW)
    normalised = model.get_vec_normalize_env()
    assert (normalised and normalised.norm_obs_keys) == keys
    assert f"{'b alone' if keys else 'nothing'} is normalised" in capsys.readouterr().err


def test_what_a_monitor_keeps(recipes: "Recipes") -> None:
    recipes.add("mine", default={"recipe": "sac", "monitor_kwargs": {"info_keywords": ["a"]}})
    monitor = sb3_scale.recipe("mine", Point, **NARROW).env.envs[0]
    assert monitor.info_keywords == ("a",)


@pytest.mark.parametrize(
    ("env", "decisions"),
    [
        (TimeLimit(Point(), 200), 200),
        (Short(), 100),
        (Point, None),
        ("Pendulum-v1", 200),
        ("cartpole-swingup", 500),
        (make_vec_env("Pendulum-v1", 2), 200),
        ("navigation-10", 1000),
    ],
    ids=["time limit", "attribute", "no limit", "id", "repeated", "vector", "property"],
)
def test_gamma_follows_the_episode(env: Any, decisions: int | None) -> None:
    model = sb3_scale.recipe("default", env, **NARROW)
    assert model.gamma == pytest.approx(0.99 if decisions is None else max(0.95, 1 - 5 / decisions))


def test_the_length_of_environments_in_one_piece() -> None:
    assert max_episode_steps(NavigationVecEnv("navigation-10")) == 1000
    pool = EnvPoolVecEnv("cartpole-swingup", env_kwargs={"action_repeat": 3})
    assert max_episode_steps(pool) == 334


@pytest.mark.parametrize(
    ("steps", "gamma"), [(1, 0.95), (50, 0.95), (200, 0.975), (500, 0.99), (10_000, 0.995)]
)
def test_the_discount_of_xqc(steps: int, gamma: float) -> None:
    assert resolve.discount(steps) == pytest.approx(gamma)


@pytest.mark.parametrize(
    ("steps", "gamma"), [(None, 0.99), (np.inf, 0.99), (-1, 0.99), (50, 0.95), (np.int64(50), 0.95)]
)
def test_the_length_that_an_environment_says(steps: Any, gamma: float) -> None:
    model = sb3_scale.recipe("default", Limited(steps), **NARROW)
    assert model.gamma == gamma


def test_collectors_know_the_length_of_an_episode() -> None:
    short = UnmadeVecEnv([Short])
    limited = UnmadeVecEnv([lambda: TimeLimit(Point(), 70)])
    assert [max_episode_steps(each) for each in (short, limited)] == [100, 70]
    assert max_episode_steps(UnmadeVecEnv([Point])) is None
    # What is wrong with an environment is told by whoever asks.
    wrong = UnmadeVecEnv([lambda: Limited(0)])
    with pytest.raises(Sb3ScaleError, match="max_episode_steps of the environment is 0"):
        max_episode_steps(wrong)
    assert UnmadeVecEnv([Nested]).observation_space == Nested.observation_space


def test_a_process_that_cannot_send_its_spec_is_named() -> None:
    make = partial(gymnasium.make, "Pendulum-v1", g=lambda: 9.81)
    env = SubprocVecEnv([make], start_method="fork")
    with pytest.raises(Sb3ScaleError, match="SubprocVecEnv cannot send the Gymnasium spec"):
        sb3_scale.recipe("default", env, **NARROW)


@pytest.mark.parametrize(("name", "own"), [("default", 1), ("xqc", 3), ("simbav2", 3)])
def test_a_rate_for_all_is_for_parts_with_one_of_their_own_too(name: str, own: int) -> None:
    start = resolve.plain({"recipe": name}, "sac", None)
    assert len(resolve.own_rates(start)) == own
    assert resolve.own_rates(resolve.changed(start, {"learning_rate": 0.5}, "sac", None)) == []
    both = {"learning_rate": 0.5, "actor_learning_rate": 0.1}
    assert resolve.changed(start, both, "sac", None)["actor_learning_rate"] == 0.1
    model = sb3_scale.recipe(name, Point, learning_rate=0.5, learning_starts=5, **NARROW).learn(9)
    rates = {each.optimizer.param_groups[0]["lr"] for each in model.learners}
    assert rates == {0.5}


class Repeats(Point):
    """Repeats actions if nobody says how often."""

    def __init__(self, action_repeat: int = 4) -> None:
        super().__init__(action_repeat)


class Callable:
    def __call__(self, action_repeat: int = 1) -> Point:
        return Point(action_repeat)


@pytest.mark.filterwarnings("ignore:.*render_mode")
@pytest.mark.parametrize(
    ("env", "repeat"),
    [
        (Repeats, 4),
        ("Registered-v0", 5),
        (partial(Point, action_repeat=6), 6),
        (partial(Point, start=0.5), 2),
        (Callable(), 2),
    ],
    ids=["class", "id", "partial", "partial with another", "object"],
)
def test_an_own_number_of_repeats_stays(
    env: Any, repeat: int, capsys: pytest.CaptureFixture[str]
) -> None:
    gymnasium.register("Registered-v0", Point, kwargs={"action_repeat": 5})
    try:
        model = sb3_scale.recipe("default", env, **NARROW)
        assert model.env.get_attr("action_repeat") == [repeat]
        told = capsys.readouterr().err
        assert (f"own action_repeat of {repeat}, and not 2" in told) == (repeat != 2)
        for asked in ({"env_kwargs": {"action_repeat": 3}}, {"action_repeat": 3}):
            other = sb3_scale.recipe("default", env, **asked, **NARROW)
            assert other.env.get_attr("action_repeat") == [3]
    finally:
        del gymnasium.registry["Registered-v0"]


def test_what_a_change_makes_of_a_recipe_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    sb3_scale.recipe("xqc", Point, n_envs=4, compile=False, buffer_size=100)
    told = capsys.readouterr().err
    assert "0.5 gradient steps per decision, since gradient_steps 2 are for a step of all 4" in told
    parts = {"optimizer": "adamw"}
    sb3_scale.recipe("xqc", Point, policy_kwargs=parts, compile=False, buffer_size=100)
    told = capsys.readouterr().err
    assert "policy_kwargs take the place of the recipe's, whose actor, critic, transforms" in told
    assert "policy_kwargs.optimizer would change one alone" in told
    assert "gradient steps per decision" not in told
    sb3_scale.recipe("default", Point, **NARROW)
    assert "predict takes model.get_vec_normalize_env()" in capsys.readouterr().err


def test_networks_that_learned_from_normalised_observations_are_told_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = sb3_scale.recipe("default", Point, **NARROW)
    model.save(tmp_path / "model")
    wanted = "the algorithm learned from observations that VecNormalize had normalised"
    capsys.readouterr()
    again = type(model).load(tmp_path / "model", env=VecNormalize(make_vec_env(Point)))
    assert wanted not in capsys.readouterr().err
    again.set_env(Point())
    assert wanted in capsys.readouterr().err
    type(model).load(tmp_path / "model", env=Point())
    assert wanted in capsys.readouterr().err
    type(model).load(tmp_path / "model")
    assert wanted not in capsys.readouterr().err


def test_a_model_is_loaded_for_an_environment_by_its_id(tmp_path: Path) -> None:
    model = sb3_scale.recipe("sac", "Pendulum-v1", **NARROW)
    model.save(tmp_path / "model")
    again = type(model).load(tmp_path / "model", env="Pendulum-v1")
    assert again.env.get_attr("spec")[0].id == "Pendulum-v1"


def test_actions_are_repeated_where_the_environment_takes_that(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sb3_scale.recipe("default", Point, **NARROW).env.get_attr("action_repeat") == [2]
    repeated = sb3_scale.recipe("default", Point, action_repeat=3, n_envs=2, **NARROW)
    assert repeated.env.get_attr("action_repeat") == [3, 3]
    own = {"env_kwargs": {"action_repeat": 4, "start": 0.5}}
    assert sb3_scale.recipe("default", Point, **own, **NARROW).env.get_attr("action_repeat") == [4]
    assert "without its action_repeat" not in capsys.readouterr().err
    assert sb3_scale.recipe("default", Point(), **NARROW).env.get_attr("action_repeat") == [1]
    assert "without its action_repeat of 2" in capsys.readouterr().err
    bound = partial(Point, action_repeat=4)
    assert sb3_scale.recipe("default", bound, **NARROW).env.get_attr("action_repeat") == [4]
    assert "with the environment's own action_repeat of 4, and not 2" in capsys.readouterr().err
    sb3_scale.recipe("default", partial(Point, action_repeat=2), **NARROW)
    assert "action_repeat" not in capsys.readouterr().err


def test_the_later_of_two_ways_to_repeat_actions_counts(recipes: "Recipes") -> None:
    for name, start in (
        ("key", {"action_repeat": 2}),
        ("argument", {"env_kwargs": {"action_repeat": 2, "start": 0.5}}),
    ):
        recipes.add(name, default={"policy": "ScalePolicy", **start})
        for change in (
            {"action_repeat": 4},
            {"env_kwargs": {"action_repeat": 4}},
            {"env_kwargs.action_repeat": 4},
        ):
            found = resolve.changed({"recipe": name}, change, "sac", None)
            resolve.repeat_actions(found, True)
            assert found["env_kwargs"]["action_repeat"] == 4
        others = resolve.changed({"recipe": name}, {"env_kwargs": {"start": 0.1}}, "sac", None)
        resolve.repeat_actions(others, True)
        assert others["env_kwargs"] == {"action_repeat": 2, "start": 0.1}
    kept = resolve.changed({"recipe": "argument"}, {"action_repeat": 4}, "sac", None)
    assert kept["env_kwargs"] == {"start": 0.5}
    both = {"action_repeat": 4, "env_kwargs.action_repeat": 2}
    with pytest.raises(Sb3ScaleError, match="action_repeat and env_kwargs both give action_repeat"):
        resolve.changed({"recipe": "key"}, both, "sac", None)


def test_an_environment_that_is_made_has_the_settings_of_its_task(
    recipes: "Recipes", capsys: pytest.CaptureFixture[str]
) -> None:
    default = {"policy": "ScalePolicy", "batch_size": 32, "buffer_size": 10, "compile": False}
    of_task = {**default, "batch_size": 16, "env_kwargs": {"action_repeat": 2}}
    recipes.add("mine", default=default, **{"pendulum-swingup": of_task})
    register_envs()
    made = gymnasium.make("pendulum-swingup")
    for env in ("pendulum-swingup", made, DummyVecEnv([lambda: made])):
        assert sb3_scale.recipe("mine", env).batch_size == 16
    assert "without env_kwargs {'action_repeat': 2}" in capsys.readouterr().err
    assert sb3_scale.recipe("mine", Point).batch_size == 32


def test_schedules_noise_and_rates_of_rl_zoo(recipes: "Recipes") -> None:
    recipes.add("noisy", algo="td3", default={
        "policy": "ScalePolicy", "noise_type": "normal", "noise_std": 0.3,
        "learning_rate": "lin_1e-3", "train_freq": [2, "step"], "normalize": True,
        "n_timesteps": 1000,
    })  # fmt: skip
    model = sb3_scale.recipe("noisy", Point, buffer_size=100)
    assert model.lr_schedule(0.5) == pytest.approx(5e-4)
    assert model.train_freq.frequency == 2
    assert model.action_noise is not None
    np.testing.assert_allclose(model.action_noise._sigma, [0.3, 0.3])
    assert model.get_vec_normalize_env() is not None


def test_callbacks_of_a_recipe_are_called_in_every_learn_and_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """BRO is nothing without its resets."""
    quick = {"gradient_steps": 1, "learning_starts": 20, **NARROW, "callback.at": [40]}
    model = sb3_scale.recipe("bro", Point, **quick)
    before = [each.clone() for each in model.policy.critic.parameters()]
    model.learning_rate = 0.0
    model._setup_model()
    model.save(tmp_path / "bro")
    again = type(model).load(tmp_path / "bro", env=model.env)
    assert again.own_callbacks == model.own_callbacks == [{"name": "reset", "at": [40]}]
    again.learn(60)
    assert len(before) == len(list(again.policy.critic.parameters()))
    assert again.logger.name_to_value is not None
    capsys.readouterr()
    again.learn(10)
    assert "no reset: at is [40] and the run has 10 steps" in capsys.readouterr().err


class Recipes:
    """Recipes of a plugin that each test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.specs: list[Recipe] = []

    def add(self, name: str, algo: str = "sac", **tasks: Any) -> None:
        (self.folder / "mine" / f"{name}.yml").write_text(yaml.safe_dump(tasks))
        self.specs.append(Recipe(name, f"mine:{name}.yml", summary="Mine.", algo=algo))
        if len(self.specs) > 1:
            manager().unregister("mine")
        manager().register(self, "mine")

    @hookimpl
    def sb3_scale_components(self) -> list[Recipe]:
        return self.specs


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    found = Recipes(tmp_path)
    yield found
    if found.specs:
        manager().unregister("mine")
    sys.modules.pop("mine", None)


def test_a_third_party_recipe_begins_with_another(recipes: Recipes) -> None:
    recipes.add("mine", default={
        "recipe": "default", "batch_size": 32, "policy_kwargs.critic.network.width": 16,
        "policy_kwargs.critic.n_critics": 3,
    })  # fmt: skip
    model = sb3_scale.recipe("mine", Point(), compile=False, buffer_size=100)
    network = model.policy.critic.network
    assert (model.batch_size, network.out_features, model.policy.critic.n_critics) == (32, 16, 3)
    assert network.norm_placement == "post-activation"
    check_component("recipe", "mine")


@pytest.mark.parametrize(
    ("default", "sentence"),
    [
        ({"recipe": "round"}, "the recipe 'round' begins with itself: round -> round; allowed"),
        ({"recipe": "defalt"}, "there is no recipe 'defalt'; allowed"),
        ({"recipe": "td3"}, "the recipe 'td3' is for --algo td3, and --algo is 'sac'"),
        ({"recipe": 3}, "recipe is 3; allowed: the name of a recipe"),
        ({"recipe": "sac", "gamma.x": 1}, "'gamma.x' leads into gamma"),
        ({"recipe": "sac", "action_repeat": 0}, "action_repeat is 0; allowed: a whole number"),
        ({"recipe": "sac", "frame_stack": 4}, "has frame_stack 4, which is for RL-Zoo"),
        ({"recipe": "sac", "noise_type": "norml"}, "noise_type is 'norml'"),
        ({"recipe": "sac", "normalize": 3}, "normalize is 3; allowed: true, false"),
        ({"recipe": "sac", "normalize": {"norm_ob": 1}}, "did you mean 'norm_obs'?"),
        ({"recipe": "sac", "normalize": "dict()"}, "normalize is 'dict()'; allowed: arguments"),
        ({"recipe": "sac", "monitor_kwargs": {"info": 1}}, "monitor_kwargs has no argument 'info'"),
    ],
)
def test_wrong_recipes(recipes: Recipes, default: dict[str, Any], sentence: str) -> None:
    start = {"gamma": 0.9, **default} if "gamma.x" in default else default
    recipes.add("round", default=start)
    with pytest.raises(Sb3ScaleError, match=re.escape(sentence)):
        sb3_scale.recipe("round", Point)


def test_a_recipe_needs_a_default(recipes: Recipes) -> None:
    recipes.add("mine", **{"dog-run": {"policy": "ScalePolicy"}})
    with pytest.raises(Sb3ScaleError, match="settings by task, with a 'default'"):
        sb3_scale.recipe("mine", Point)
    with pytest.raises(AssertionError, match="settings by task, with a 'default'"):
        check_component("recipe", "mine")


@pytest.mark.parametrize(
    ("name", "env", "changes", "sentence"),
    [
        ("defalt", Point, {}, "there is no recipe 'defalt'"),
        ("crosq-wn", Point, {}, "did you mean 'crossq-wn'?"),
        ("default", "Pendulm-v1", {}, "there is no environment 'Pendulm-v1'; did you mean"),
        (
            "td3",
            "CartPole-v1",
            {},
            "the recipe td3 is for continuous actions; allowed: Box, or a recipe with 'discrete': "
            "crossq, crossq-wn, crossq-wn-pixels, default, sac, sac-baseline, xqc, xqc-pixels",
        ),
        ("default", 3, {}, "env is 3; allowed: an environment of Gymnasium"),
        ("default", Point(), {"n_envs": 2}, "n_envs is 2, and the environment is made already"),
        ("default", Point(), {"env_kwargs": {"start": 1}}, "and the environment is made already"),
        (
            "default",
            SpacesOnly(spaces.Discrete(3), Point.action_space),
            {"normalize": True},
            "the observations are Discrete(3), with which VecNormalize of Stable-Baselines3 fails",
        ),
        ("default", Point, {"recipe": "sac"}, "its name as the first argument"),
        ("default", Point, {"n_timesteps": 5}, "n_timesteps is 5, and a model learns as long"),
        (
            "default",
            DummyVecEnv([Point]),
            {"n_envs": 1},
            "n_envs is 1, and the environment is made",
        ),
        (
            "default",
            DummyVecEnv([Point]),
            {"monitor_kwargs": {"allow_early_resets": False}},
            "and the environment is made already",
        ),
        ("sac", Point, {"noise_std": 0.3}, "noise_std is 0.3, and needs noise_type too"),
        ("default", Point, {"env_kwargs": {"strat": 1.0}}, "did you mean 'start'?"),
        (
            "default",
            "Pendulum-v1",
            {"env_kwargs": {"gg": 1}},
            "did you mean 'g'?",
        ),
        (
            "sac",
            SpacesOnly(
                spaces.Dict(
                    {
                        "eye": spaces.Box(0, 255, (3, 40, 40), np.uint8),
                        "hand": spaces.Box(0, 255, (40, 40, 3), np.uint8),
                    }
                ),
                Point.action_space,
            ),
            {},
            "'eye' is an image with its channels first, 'hand' one with its channels last; allowed",
        ),
        (
            "default",
            Point,
            {"critic.network.width": 8},
            "there is no setting 'critic.network.width' (its value was 8); did you mean "
            "'policy_kwargs.critic.network.width'?",
        ),
        ("default", Point, {"n_envs": 0}, "n_envs is 0; allowed: a whole number, at least 1"),
        ("default", Point, {"n_envs": "2"}, "at least 1; write 2, not text"),
        ("default", int, {}, "<class 'int'> cannot be made: no signature"),
        ("default", Spaceless(), {}, "Spaceless has no observation_space; allowed"),
        ("default", Spaceless, {}, "Spaceless has no observation_space; allowed"),
        ("default", Needy, {}, "env_kwargs needs the argument 'size'"),
        ("default", Broken, {}, "cannot be made: no such device"),
        ("default", Nested, {}, "the observation 'a' is a Dict"),
        ("default", Nested(), {}, "the observation 'a' is a Dict"),
        ("default", Written, {}, "the observation space is a Text"),
        (
            "xqc",
            Limited,
            {"env_kwargs": {"max_episode_steps": 0}},
            "max_episode_steps of the environment is 0; allowed: a whole number above 0",
        ),
        ("default", Point, {"lerning_rate": 1}, "did you mean 'learning_rate'?"),
        ("default", Point, {"policy_kwargs.critic.network.widht": 8}, "did you mean 'width'?"),
        ("default", Point, {"policy_kwargs.critic.n_critics": "two"}, "n_critics is 'two'"),
    ],
    ids=range(31),
)
def test_wrong_arguments(name: str, env: Any, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError, match=re.escape(sentence)):
        sb3_scale.recipe(name, env, **{"compile": False, "buffer_size": 10, **changes})


def test_an_environment_that_is_normalised_already() -> None:
    env = VecNormalize(make_vec_env(Point, 1))
    with pytest.raises(Sb3ScaleError, match="VecNormalize already; allowed: normalize=False"):
        sb3_scale.recipe("default", env, **NARROW)
    assert sb3_scale.recipe("default", env, normalize=False, **NARROW).env is env


def test_the_cost_of_a_gradient_step() -> None:
    """Products alone, forwards and backwards, counted by hand."""
    found = cost("sac", 5, 3, seconds=0.01)
    batch, width, obs, act = 256, 256, 5, 3
    critics = 2 * (width * (obs + act) + width * width + width)
    actor = width * obs + width * width + width * 2 * act
    passes = {
        "critic at (s, a), twice backwards but for the inputs": 3 * critics
        - 2 * width * (obs + act),
        "its target": critics,
        "actor at s'": actor,
        "actor at s, backwards": 3 * actor - width * obs,
        "critic at the actor's action, backwards to it": 2 * critics,
    }
    assert found.gigaflops == pytest.approx(2 * batch * sum(passes.values()) / 1e9, rel=0.01)
    assert found.milliseconds > 0


def test_the_cost_of_a_recipe_for_pixels(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "crossq-wn-pixels", "sac", "--cost", "--json"]) == 0
    pixels, numbers = yaml.safe_load(capsys.readouterr().out)
    assert (pixels["observations"], numbers["observations"]) == ("9x84x84", "67")
    assert pixels["GFLOP"] > numbers["GFLOP"] > 0


def test_a_recipe_that_cannot_be_read_does_not_hide_the_others(
    recipes: "Recipes", capsys: pytest.CaptureFixture[str]
) -> None:
    recipes.add("astray", default={"recipe": "nowhere"})
    recipes.add("text", default={"policy_kwargs": "dict(critic='ensemble')"})
    recipes.add("number", default={"policy_kwargs": {"critic": 5}})
    recipes.add("key", default={True: 3})
    recipes.add("odd", default={"gradient_steps": [1]})
    assert main(["recipes", "--json"]) == 0
    listed, told = capsys.readouterr()
    names = {record["name"] for record in yaml.safe_load(listed)}
    assert {"default", "xqc"} <= names
    assert "astray" not in names
    assert "astray is left out: there is no recipe 'nowhere'" in told
    assert "number is left out: a part is 5; allowed: its name, or a mapping with it" in told
    for name, why in (("text", "as policy_kwargs"), ("key", "allowed: settings by name")):
        assert re.search(f"{name} is left out: .*{why}", told), name
    assert main(["recipes"]) == 0
    assert main(["recipes", "astray"]) == 1


def test_recipes_in_a_circle_do_not_hide_those_for_discrete_actions(recipes: "Recipes") -> None:
    recipes.add("one", default={"recipe": "other"})
    recipes.add("other", default={"recipe": "one"})
    with pytest.raises(Sb3ScaleError, match=r"flashsac is for continuous .*default, .*xqc"):
        sb3_scale.recipe("flashsac", "CartPole-v1")


def test_listed_with_their_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "default", "td3", "--json"]) == 0
    first, second = yaml.safe_load(capsys.readouterr().out)
    assert first["networks"] == "2 critics mlp 2 x 512, actor mlp 2 x 256"
    assert (first["steps per decision"], second["algo"]) == (2, "td3")
    assert main(["recipes", "drq-v2", "densenet-ofenet-s-apex", "--json"]) == 0
    # One step in two decisions; and a collector that decides.
    listed = yaml.safe_load(capsys.readouterr().out)
    assert [each["steps per decision"] for each in listed] == [0.5, None]
    assert main(["recipes"]) == 0
    told = capsys.readouterr().out
    assert "None" not in told
    for _, spec in manager().specs("recipe"):
        assert spec.name in told
    assert main(["recipes", "defalt"]) == 1
    with pytest.raises(SystemExit):
        main(["recipes", "sac", "--cost", "--actions", "0"])
    assert "'0'; allowed: a whole number, at least 1" in capsys.readouterr().err
    assert error(capsys, "recipes", "sac", "--actions", "6") == (
        "--actions counts for --cost alone; allowed: both, or neither"
    )
    assert main(["describe", "recipe:default"]) == 0
    assert "gamma: auto" in capsys.readouterr().out


def test_a_recipe_is_described_with_all_its_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "drq-v2"]) == 0
    told = capsys.readouterr().out
    walkers = "walker-stand-pixels, walker-walk-pixels"
    assert f"other settings for {walkers}\nbatch_size: 512, n_steps: 1\n" in told
    assert "reacher-hard-pixels\n" in told
    assert main(["describe", "default"]) == 0
    told = capsys.readouterr().out
    assert "other settings for discrete actions\n" in told
    assert "policy_kwargs.critic.name: discrete-ensemble" in told
    assert "other settings" not in str(catalogue.describe("recipe", "drq"))


def test_a_recipe_is_one_line_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["recipes", "xqc", "drq"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "name", "xqc", "drq",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "parts", [{"critic": {"name": 3}}, {"actor": {"network": {"name": None}}}, {"extractor": 3}]
)
def test_networks_of_a_recipe_that_names_none_are_a_sentence(parts: Any) -> None:
    with pytest.raises(Sb3ScaleError, match=r"^a part is .*; allowed: its name, or a mapping"):
        described({"policy_kwargs": parts})


@pytest.mark.parametrize("name", ["drq", "drq-v2", "pixels-modern4-spectral", "xqc", "default"])
def test_the_command_of_a_recipe_is_for_a_task_that_it_can_see(name: str) -> None:
    pixels = name.partition("-")[0] in ("drq", "pixels")
    assert ("-pixels --conf-file" in catalogue.describe("recipe", name).command) == pixels
