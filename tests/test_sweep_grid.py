"""The file of sb3-scale sweep: which trainings it asks for, and what is wrong with it."""

import inspect
import re
from datetime import date, datetime
from pathlib import Path

import gymnasium
import pytest
import rl_zoo3.train
import yaml
from cli_commands import error
from gymnasium.envs.classic_control import PendulumEnv

from sb3_scale.sweep import train_args
from sb3_scale.sweep.grid import read_sweep, trainings

START = {
    "env": "Pendulum-v1",
    "conf_file": "start.yml",
    "grid": {"policy_kwargs.critic.network.width": [8, 16]},
}
TASK = {
    "n_timesteps": 1000,
    "policy": "ScalePolicy",
    "policy_kwargs": {
        "actor": "squashed-gaussian",
        "critic": {"name": "ensemble", "network": {"name": "mlp", "norm": "layer"}},
    },
}


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Writes START with changes, and TASK beside it."""
    monkeypatch.chdir(tmp_path)
    Path("start.yml").write_text(yaml.safe_dump({"Pendulum-v1": TASK, "CartPole-v1": TASK}))
    Path("start.py").touch()

    def write(**changes) -> Path:
        Path("grid.yml").write_text(yaml.safe_dump({**START, **changes}))
        return Path("grid.yml")

    return write


def test_every_combination_of_axes_and_seeds(asked):
    grid = {
        "policy_kwargs.critic.network.width": [8, 16, 32],
        "twins": {
            "one": {"policy_kwargs.critic.n_critics": 1, "policy_kwargs.actor.init": "orthogonal"},
            "two": {},
        },
    }
    found = trainings(read_sweep(asked(seeds=[3, 5], grid=grid)))
    names = [one.name for one in found]
    assert names == [
        f"{width}, {twins}, seed {seed}"
        for width in (8, 16, 32)
        for twins in ("one", "two")
        for seed in (3, 5)
    ]
    one = found[names.index("16, one, seed 5")]
    assert one.settings == {
        "n_timesteps": 1000,
        "policy": "ScalePolicy",
        "policy_kwargs": {
            "actor": {"name": "squashed-gaussian", "init": "orthogonal"},
            "critic": {
                "name": "ensemble",
                "n_critics": 1,
                "network": {"name": "mlp", "norm": "layer", "width": 16},
            },
        },
    }
    assert (one.seed, one.eval_freq, one.eval_episodes) == (5, 100, 5)
    assert len({each.key for each in found}) == len(found) == 12


def test_the_algorithm_may_vary_and_a_part_given_by_its_name_alone_gets_parameters(asked):
    deterministic = {"algo": "td3", "policy_kwargs.actor": "deterministic"}
    grid = {
        "algorithm": {"SAC": {}, "TD3": deterministic},
        "policy_kwargs.critic.network.norm.affine": [False],
    }
    found = trainings(read_sweep(asked(grid=grid)))
    assert [one.algo for one in found] == ["sac", "td3"]
    assert found[0].settings["policy_kwargs"]["critic"]["network"]["norm"] == {
        "name": "layer",
        "affine": False,
    }


def test_tasks_without_a_file_have_the_settings_that_rl_zoo_would_choose(asked):
    content = {"algo": "sac", "grid": {"env": ["dog-run", "dog-stand"]}, "seeds": [0]}
    Path("grid.yml").write_text(yaml.safe_dump(content))
    found = trainings(read_sweep(Path("grid.yml")))
    assert [one.env_id for one in found] == ["dog-run", "dog-stand"]
    assert all(one.settings["env_kwargs"] == {"action_repeat": 2} for one in found)
    assert all(one.settings["gradient_steps"] == 2 for one in found)


WIDTH = "policy_kwargs.critic.network.width"
NARROW = {"policy_kwargs.critic": {"name": "ensemble", "network": {"name": "mlp", "width": 4}}}


def test_what_replaces_a_setting_keeps_the_changes_inside_it(asked):
    replaced = {"policy_kwargs.critic.network": {"name": "mlp", "depth": 3}}
    deeper = {"name": "mlp", "depth": 3, "width": 8}
    for settings, grid in (
        ({WIDTH: 8, **replaced}, {}),
        ({**replaced, WIDTH: 8}, {}),
        ({WIDTH: 8}, {"deep": {"yes": replaced}}),
        (replaced, {WIDTH: [8]}),
        ({}, {WIDTH: [8], "deep": {"yes": replaced}}),
    ):
        (one,) = trainings(read_sweep(asked(settings=settings, grid=grid)))
        assert one.settings["policy_kwargs"]["critic"]["network"] == deeper


def test_an_axis_counts_more_than_what_all_trainings_share(asked):
    shared = {"policy_kwargs.critic.network": {"name": "mlp", "width": 4}, "gamma": 0.5}
    grid = {WIDTH: [8, 16], "gamma": [0.9]}
    found = trainings(read_sweep(asked(settings=shared, grid=grid)))
    widths = [one.settings["policy_kwargs"]["critic"]["network"]["width"] for one in found]
    assert widths == [8, 16]
    assert {one.settings["gamma"] for one in found} == {0.9}


def test_a_finished_training_is_found_by_later_versions(asked):
    first, _ = trainings(read_sweep(asked()))
    assert first.key == "Pendulum-v1_sac_seed0_ef78b328ee3b"


def test_a_changed_file_keeps_the_trainings_that_it_leaves_as_they_are(asked):
    before = {one.key for one in trainings(read_sweep(asked()))}
    more = {"policy_kwargs.critic.network.width": [8, 16, 32]}
    assert before < {one.key for one in trainings(read_sweep(asked(grid=more)))}
    named = {"width": {"small": {"policy_kwargs.critic.network.width": 8}}}
    assert {one.key for one in trainings(read_sweep(asked(grid=named)))} < before
    longer = {one.key for one in trainings(read_sweep(asked(settings={"n_timesteps": 2000})))}
    assert not before & longer
    assert not before & {one.key for one in trainings(read_sweep(asked(eval_episodes=3)))}


WRONG = {
    "a key of the file": (
        {"seed": [0]},
        "grid.yml has no key 'seed' (its value was [0]); allowed: ",
        "did you mean 'seeds'?",
    ),
    "a type": ({"seeds": 3}, "seeds is 3 (int); allowed: list[int]", ""),
    "a seed": ({"seeds": [0, 1.5]}, "seeds is [0, 1.5] (list); allowed: list[int]", ""),
    "a seed twice": (
        {"seeds": [3, 3]},
        "'8, seed 3' and '8, seed 3' are one training; allowed: each once",
        "",
    ),
    "two cells that are one": (
        {"grid": {"size": {"a": {"gamma": 0.9}, "b": {"gamma": 0.9}}}},
        "'a, seed 0' and 'b, seed 0' are one training; allowed: each once",
        "",
    ),
    "labels in the name of a column": (
        {"grid": {"algo": {"small": {"batch_size": 8}}}},
        "grid.algo has labels, and the results have a column 'algo' of their own; allowed: another",
        "",
    ),
    "values in the name of a column": (
        {"grid": {"minutes": [1, 2]}},
        "grid.minutes lists values, and the results have a column 'minutes' of their own; allowed: "
        "settings by label, under another name",
        "",
    ),
    "a module of a task": (
        {"env": "my_env:Own"},
        "--env is 'my_env:Own', and 'my_env' cannot be imported: ModuleNotFoundError: ",
        "",
    ),
    "evaluations after the end": (
        {"eval_freq": 2000},
        "eval_freq is 2000; allowed: 1 to 1000",
        "",
    ),
    "a number of steps that YAML reads as text": (
        {"settings": {"n_timesteps": "4e2"}},
        "n_timesteps of 'Pendulum-v1' is '4e2'; allowed: at least 1",
        "",
    ),
    "no gradient step": (
        {"settings": {"learning_starts": 1000}},
        "learning_starts is 1000, and n_timesteps of 'Pendulum-v1' is 1000; allowed: less",
        "",
    ),
    "a path into Python": (
        {"settings": {"normalize": "{'norm_obs': True}"}, "grid": {"normalize.norm_obs": [True]}},
        "'normalize.norm_obs' leads into normalize, which is \"{'norm_obs': True}\"; allowed: to",
        "",
    ),
    "the seed as a setting": (
        {"grid": {"seed": [0, 1]}},
        "'seed' is no setting of RL-Zoo's files; allowed: seeds",
        "",
    ),
    "no seed": ({"seeds": []}, "seeds is []; allowed: at least one number", ""),
    "a seed that RL-Zoo would replace": (
        {"seeds": [3, -1]},
        "seeds is [3, -1]; allowed: whole numbers from 0 to 2**32 - 1",
        "",
    ),
    "a seed that NumPy does not take": (
        {"seeds": [2**32]},
        "seeds is [4294967296]; allowed: whole numbers from 0 to 2**32 - 1",
        "",
    ),
    "an unknown argument of the normalisation": (
        {"settings": {"normalize": {"nrm_obs": True}}},
        "normalize has no argument 'nrm_obs' (its value was True); allowed: ",
        "did you mean 'norm_obs'?",
    ),
    "an unknown argument of the monitor": (
        {"settings": {"monitor_kwargs": {"info_keyword": []}}},
        "monitor_kwargs has no argument 'info_keyword' (its value was []); allowed: ",
        "did you mean 'info_keywords'?",
    ),
    "a label twice": (
        {"grid": {"size": {1: {"gamma": 0.9}, "1": {"gamma": 0.8}}}},
        "grid.size has the label '1' twice; allowed: once",
        "",
    ),
    "no episode": ({"eval_episodes": 0}, "eval_episodes is 0; allowed: at least 1", ""),
    "endless training": (
        {"settings": {"n_timesteps": float("inf")}},
        "n_timesteps of 'Pendulum-v1' is inf; allowed: at least 1, and finite",
        "",
    ),
    "no number of steps": (
        {"settings": {"n_timesteps": float("nan")}},
        "n_timesteps of 'Pendulum-v1' is nan; allowed: at least 1, and finite",
        "",
    ),
    "tasks outside the grid": (
        {"settings": {"env": ["Pendulum-v1", "CartPole-v1"]}},
        "env is ['Pendulum-v1', 'CartPole-v1']; allowed: one name; several are an axis",
        "",
    ),
    "a change without a name": (
        {"grid": {"size": {"small": {8: 16}}}},
        "grid.size: small is {8: 16} (dict); allowed: dict[str, Any]",
        "",
    ),
    "a change that undoes part of an axis": (
        {
            "settings": {WIDTH: 8},
            "grid": {"policy_kwargs.critic.network": ["mlp", {"name": "mlp", "width": 4}]},
        },
        f"'policy_kwargs.critic.network' and '{WIDTH}' both give 'width'; allowed: one of them",
        "",
    ),
    "a callback": (
        {"settings": {"callback": ["csv-loger"]}},
        "there is no callback 'csv-loger'; allowed: ",
        "did you mean 'csv-logger'?",
    ),
    "a replay buffer": (
        {"settings": {"replay_buffer_class": "compct"}},
        "there is no replay-buffer 'compct'; allowed: ",
        "did you mean 'compact'?",
    ),
    "what the algorithm refuses": (
        {
            "algo": "ddpg",
            "settings": {"policy_kwargs.actor": "deterministic"},
            "grid": {"policy_kwargs.critic.n_critics": [1, 2]},
        },
        "n_critics is 2, and DDPG has one critic; allowed: 1, or --algo td2",
        "",
    ),
    "half a gradient step": (
        {"settings": {"gradient_steps": 0.5}},
        "gradient_steps is 0.5; allowed: ",
        "write train_freq: 2, gradient_steps: 1",
    ),
    "a batch without statistics": (
        {"settings": {"batch_size": 1, "policy_kwargs.critic.network.norm": "batch"}},
        "batch_size is 1, and ",
        "allowed: at least 2",
    ),
    "a learning rate that RL-Zoo cannot read": (
        {"settings": {"learning_rate": "lin_3e-4_3e-5"}},
        "learning_rate is 'lin_3e-4_3e-5'; allowed: a number, or 'lin_3e-4' for one that falls to",
        "",
    ),
    "a learning rate of a part": (
        {"settings": {"actor_learning_rate": "tan_3e-4"}},
        "actor_learning_rate is 'tan_3e-4'; allowed: a number, 'lin_3e-4' or 'cos_3e-4'",
        "",
    ),
    "a target of the entropy": (
        {"settings": {"target_entropy": "high"}},
        "target_entropy is 'high'; allowed: 'auto'",
        "",
    ),
    "no environment": (
        {"settings": {"n_envs": 0}},
        "n_envs is 0; allowed: a whole number, at least 1",
        "",
    ),
    "a number twice": (
        {"grid": {"gamma": [1, 1.0]}},
        "'1, seed 0' and '1.0, seed 0' are one training; allowed: each once",
        "",
    ),
    "a seed that is no number": (
        {"seeds": [True, 1]},
        "seeds is [True, 1] (list); allowed: list[int]",
        "",
    ),
    "no number": (
        {"grid": {"gamma": [0.9, float("nan")]}},
        "gamma is nan; allowed: numbers of 64 bits, not nan",
        "",
    ),
    "no number in a part": (
        {"settings": {"policy_kwargs.optimizer": {"name": "adam", "eps": float("nan")}}},
        "eps is nan; allowed: numbers of 64 bits, not nan",
        "",
    ),
    "a date": (
        {"grid": {"gamma": [0.9, date(2026, 1, 1)]}},
        "grid.gamma has '2026-01-01', which YAML reads as a date; allowed: ",
        "",
    ),
    "a date and a time as a label": (
        {"grid": {"when": {"a": {"gamma": datetime(2026, 1, 1)}}}},
        "grid.when.a.gamma has '2026-01-01 00:00:00', which YAML reads as a datetime; allowed: ",
        "",
    ),
    "bytes": (
        {"settings": {"policy": b"abc"}},
        "which YAML reads as a bytes; allowed: ",
        "",
    ),
    "a set": (
        {"grid": {"gamma": [{0.9, 0.99}]}},
        "which YAML reads as a set; allowed: ",
        "",
    ),
    "a network that no machine holds": (
        {"grid": {"policy_kwargs.critic.network.width": [8, 10**9]}},
        "the networks have at least ",
        "",
    ),
    "a unit of time": (
        {"settings": {"train_freq": [1, "steps"]}},
        "train_freq is (1, 'steps'); allowed: ",
        "did you mean 'step'?",
    ),
    "an axis": (
        {"grid": {"gamma": 0.9}},
        "grid.gamma is 0.9; allowed: a list of values, or settings by label",
        "",
    ),
    "an algorithm": ({"algo": "sax"}, "algo is 'sax'; allowed: ", "did you mean 'sac'?"),
    "an actor of the other kind": (
        {"grid": {"algo": ["sac", "td3"]}},
        "TD3 needs a deterministic actor, and the actor is 'squashed-gaussian'",
        "",
    ),
    "an algorithm without ScalePolicy": (
        {"algo": "ppo", "grid": {}},
        "--algo ppo does not train ScalePolicy; allowed: ",
        "",
    ),
    "a package of tasks": (
        {"gym_packages": ["shimy"]},
        "gym_packages names 'shimy': ",
        "No module named 'shimy'",
    ),
    "a package of tasks as a word for RL-Zoo": (
        {"train_args": ["--gym-packages", "shimmy"]},
        "train_args has '--gym-packages'; allowed: the key gym_packages",
        "",
    ),
    "a task": (
        {"env": "dog-rum"},
        "there is no environment 'dog-rum'",
        "did you mean 'dog-run'?",
    ),
    "a task without settings": (
        {"env": "dog-run"},
        "start.yml has no settings for 'dog-run', and no 'default'",
        "",
    ),
    "an argument of the task": (
        {"settings": {"env_kwargs.max_steps": 9}},
        "env_kwargs: 'Pendulum-v1' has no argument 'max_steps' (its value was 9); allowed: ",
        "did you mean 'max_episode_steps'?",
    ),
    "a value that the task refuses": (
        {"settings": {"env_kwargs.max_episode_steps": -5}},
        "'Pendulum-v1' cannot be made: ",
        "actually: -5",
    ),
    "a setting": (
        {"grid": {"gama": [0.9, 0.99]}},
        "sac has no setting 'gama' (its value was 0.9); allowed: ",
        "did you mean 'gamma'?",
    ),
    "two axes of one setting": (
        {"grid": {"gamma": [0.9], "preset": {"a": {"gamma": 0.5}, "b": {}}}},
        "grid.gamma and grid.preset both give 'gamma'; allowed: one of them",
        "",
    ),
    "an axis inside what an earlier one replaces": (
        {"grid": {"a": {"narrow": NARROW}, WIDTH: [8]}},
        f"grid.a and grid.{WIDTH}: 'policy_kwargs.critic' and '{WIDTH}' both give 'network.width'; "
        "allowed: one of them",
        "",
    ),
    "an axis that replaces what an earlier one is inside of": (
        {"grid": {WIDTH: [8], "z": {"narrow": NARROW}}},
        f"grid.{WIDTH} and grid.z: 'policy_kwargs.critic' and '{WIDTH}' both give 'network.width'; "
        "allowed: one of them",
        "",
    ),
    "no replay buffer": (
        {"grid": {"buffer_size": [1000, 0]}},
        "buffer_size is 0; allowed: a whole number, at least 1",
        "",
    ),
    "no replay buffer behind a wrapper, of a stock policy": (
        {
            "settings": {"policy": "MlpPolicy", "buffer_size": -1, "env_wrapper": "no.Wrapper"},
            "grid": {},
        },
        "buffer_size is -1; allowed: a whole number, at least 1",
        "",
    ),
    "a replay buffer that no machine holds": (
        {"grid": {"buffer_size": [10**15]}},
        "buffer_size is 1000000000000000: at least ",
        "",
    ),
    "no task": (
        {"env": ""},
        "grid.yml lacks the key env, and '8' brings none; allowed: the id of a task, such as ",
        "",
    ),
    "a label without a task": (
        {"env": "", "grid": {"on": {"a": {"env": "Pendulum-v1"}, "b": {}}}},
        "grid.yml lacks the key env, and 'b' brings none; allowed: the id of a task, such as ",
        "",
    ),
    "settings in Python": (
        {"conf_file": "start.py"},
        "conf_file is 'start.py'; allowed in a sweep: .yml, .yaml",
        "",
    ),
    "a value of the last cell": (
        {"grid": {"gamma": [0.9, "high"]}},
        "gamma is 'high' (str); allowed: float",
        "",
    ),
    "a parameter of a part inside a part": (
        {"grid": {"policy_kwargs.critic.network.widht": [8]}},
        "network 'mlp' has no parameter 'widht' (its value was 8); allowed: ",
        "did you mean 'width'?",
    ),
    "what only building the network finds": (
        {
            "grid": {
                "policy_kwargs.critic.network.norm": [{"name": "group", "groups": 3}],
                "policy_kwargs.critic.network.width": [8],
            }
        },
        "groups",
        "",
    ),
    "more combinations than anybody waits for": (
        {"grid": {f"policy_kwargs.{name}": list(range(10)) for name in "abcde"}},
        "grid has 100000 combinations (policy_kwargs.a 10, policy_kwargs.b 10, ",
        "allowed: at most 10000",
    ),
    "a way into a number": (
        {"grid": {"n_timesteps.more": [1]}},
        "'n_timesteps.more' leads into n_timesteps, which is 1000; allowed: to replace it whole",
        "",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_sentence_before_anything_is_trained(asked, capsys, name):
    changes, start, end = WRONG[name]
    path = asked(**changes)
    told = error(capsys, "sweep", str(path))
    assert start in told
    assert told.endswith(end)
    assert not Path("logs").exists()


def test_an_axis_over_what_the_task_has_in_env_kwargs(asked):
    path = asked(env="dog-run", grid={"action_repeat": [2, 1]})
    task = {**TASK, "env_kwargs": {"action_repeat": 2}}
    Path("start.yml").write_text(yaml.safe_dump({"dog-run": task}))
    planned = trainings(read_sweep(path))
    assert [one.settings["env_kwargs"]["action_repeat"] for one in planned] == [2, 1]


WORDS = {
    "--algo": "the key algo",
    "--see": "the key seeds",
    "--env=Ant-v5": "the key env",
    "--env-k": "env_kwargs in settings",
    "-n500": "n_timesteps in settings",
    "--n-timesteps": "n_timesteps in settings",
    "-conf": "the key conf_file",
    "-par": "the key settings",
    "--hyper=x:1": "the key settings",
    "--eval-episodes": "the key eval_episodes",
    "--log-folder=here": "--output of sb3-scale sweep",
    "-f": "--output of sb3-scale sweep",
    "--uuid": "folders without it",
    "-o": "the key grid",
    "-i": "trainings from their beginning",
    "--resume": "trainings from their beginning",
    "--resume=logs/sac/Pendulum-v1_1": "trainings from their beginning",
}


@pytest.mark.parametrize("word", WORDS)
def test_words_for_rl_zoo_leave_the_sweep_its_own(asked, capsys, word):
    told = error(capsys, "sweep", str(asked(train_args=["--verbose", 0, word])))
    assert told == f"train_args has '{word}'; allowed: {WORDS[word]}"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--devise", "cpu"], "train_args has '--devise'; allowed: .*mean '--device'"),
        (["--device", "gpu"], "train_args: --device is 'gpu', and PyTorch .*; allowed: cpu, auto"),
        (["--verbose", "loud"], "train_args: argument --verbose: invalid int value: 'loud'"),
        (["--vec-env", "threads"], "train_args: argument --vec-env: invalid choice: 'threads'"),
        (["hello"], "train_args has 'hello'; allowed: --device, --eval"),
    ],
)
def test_words_that_rl_zoo_does_not_know(asked, capsys, words, sentence):
    assert re.match(sentence, error(capsys, "sweep", str(asked(train_args=words))))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"env_wrapper": "gymnasium.wrappers.TimeLimi"}, "there is no 'TimeLimi' in gymnasium.wra"),
        (
            {"env_wrapper": {"gymnasium.wrappers.TimeLimit": {"max_episode_steps": "ten"}}},
            "TimeLimit: max_episode_steps is 'ten' (str); allowed: int",
        ),
        (
            {"callback": "no_such_module.Own"},
            "callback has 'no_such_module.Own', which cannot be im",
        ),
        (
            {"callback": "stable_baselines3.common.callbacks.CheckpointCallback"},
            "needs the argument 'save_freq'",
        ),
        ({"normalize": "dict(norm_ob=True)"}, "normalize has no argument 'norm_ob'"),
        ({"monitor_kwargs": "dict("}, "monitor_kwargs is 'dict(', which is no Python that RL-Zoo"),
        ({"policy": "MlpPolicy", "policy_kwargs": {}, "callback": "csv-loger"}, "'csv-logger'?"),
        ({"policy": "MlpPolicy", "policy_kwargs": {}, "collector": "overlapped"}, "ScalePolicy"),
        (
            {"policy": "MlpPolicy", "policy_kwargs": {}, "replay_buffer_class": "compct"},
            "'compact'?",
        ),
    ],
    ids=range(9),
)
def test_what_a_training_would_refuse_is_refused_before_any_starts(
    asked, capsys, settings, sentence
):
    assert sentence in error(capsys, "sweep", str(asked(settings=settings)))
    assert not Path("logs").exists()


def test_options_that_are_passed_on_are_rl_zoos():
    theirs = set(re.findall(r'"(--?[a-zP-]+)"', inspect.getsource(rl_zoo3.train)))
    searches = {"--max-total-trials", "--n-evaluations", "--n-jobs", "--n-startup-trials",
                "--n-trials", "--no-optim-plots", "--optimization-log-path", "--pruner",
                "--sampler", "--storage", "--study-name"}  # fmt: skip
    ours = {*" ".join(train_args.PASSED_ON).split(), *train_args.OWN_OPTIONS, *searches}
    assert theirs == ours - {"--resume"}


def test_all_other_words_are_for_rl_zoo(asked):
    words = ["-P", "--save-freq", "-1", "--n-eval-envs=2", "--device", "cpu", "--num-threads", "1"]
    words += [
        "--save-replay-buffer",
        "-tb",
        "board",
        "--eval-env-kwargs",
        "g:1.0",
        "--vec-env=dummy",
    ]
    found = trainings(read_sweep(asked(train_args=words)))
    assert all(one.train_args == tuple(words) for one in found)


class OwnAtariEnv(PendulumEnv):
    """A task that RL-Zoo takes for one of Atari's."""


def test_a_task_of_atari_has_the_settings_that_rl_zoo_would_choose(asked, monkeypatch):
    task = "OwnPong-v0"
    spec = gymnasium.envs.registration.EnvSpec(task, OwnAtariEnv)
    monkeypatch.setitem(gymnasium.registry, task, spec)
    asked()
    Path("grid.yml").write_text(yaml.safe_dump({"algo": "dqn", "env": task}))
    (one,) = trainings(read_sweep(Path("grid.yml")))
    zoo = yaml.safe_load((Path(rl_zoo3.__file__).parent / "hyperparams/dqn.yml").read_text())
    assert one.settings == zoo["atari"]


def test_a_file_without_a_task_says_so(asked, capsys):
    Path("grid.yml").write_text(yaml.safe_dump({"algo": "sac"}))
    told = error(capsys, "sweep", "grid.yml", "--dry-run")
    assert told == "grid.yml lacks the key env; allowed: the id of a task, such as Pendulum-v1"


def test_two_axes_may_say_the_same(asked):
    grid = {"size": {"a": {"gamma": 0.9, "tau": 0.1}}, "kind": {"b": {"gamma": 0.9}}}
    (one,) = trainings(read_sweep(asked(grid=grid)))
    assert one.settings["gamma"] == 0.9


def test_settings_that_only_rl_zoo_can_read_are_left_to_it(asked):
    settings = {
        "policy_kwargs": "dict(critic='ensemble')",
        "callback": ["rl_zoo3.callbacks.RawStatisticsCallback", "csv-logger"],
        "learning_rate": "lin_3e-4",
        "train_freq": [2, "step"],
    }
    assert len(trainings(read_sweep(asked(settings=settings, grid={})))) == 1


def test_more_evaluations_than_there_are(asked, capsys):
    told = error(capsys, "sweep", str(asked()), "--last", "11")
    assert told == "--last is 11; allowed: 1 to 10, all evaluations"


def test_a_task_with_nothing_under_it(asked, capsys):
    path = asked()
    Path("start.yml").write_text("Pendulum-v1:\n")
    told = error(capsys, "sweep", str(path))
    assert told == "start.yml has None for 'Pendulum-v1'; allowed: settings by name"


def test_words_for_rl_zoo_may_be_numbers(asked):
    found = trainings(read_sweep(asked(train_args=["--save-freq", 10000])))
    assert all(one.train_args == ("--save-freq", "10000") for one in found)


def test_tasks_of_other_packages(asked):
    task = "dm_control/pendulum-swingup-v0"
    path = asked(gym_packages=["shimmy"], env=task)
    wrapped = {**TASK, "env_wrapper": "gymnasium.wrappers.FlattenObservation"}
    Path("start.yml").write_text(yaml.safe_dump({task: wrapped}))
    found = trainings(read_sweep(path))
    assert all(one.train_args == ("--gym-packages", "shimmy") for one in found)


def test_a_missing_file(tmp_path, capsys):
    assert error(capsys, "sweep", str(tmp_path / "no.yml")).startswith("there is no file '")


TEXTS = {
    "a key twice": (
        b"env: Pendulum-v1\nsettings: {gamma: 0.9, gamma: 0.99}\n",
        "the key 'gamma' is there twice; allowed: once",
    ),
    "an axis twice": (
        b"grid:\n  gamma: [0.9]\n  gamma: [0.99]\n",
        "the key 'gamma' is there twice; allowed: once",
    ),
    "brackets": (b"seeds: " + b"[" * 3000 + b"]" * 3000, "too deep; allowed: "),
    "latin-1": ("env: Pendel-für-v1".encode("latin-1"), "can't decode byte 0xfc"),
    "aliases": (
        b"a0: &a0 [x, x, x, x, x, x, x, x]\n"
        + b"".join(
            b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 8)) for i in range(1, 9)
        ),
        "too many values; allowed: ",
    ),
    "a mapping in itself": (b"settings: &s {policy_kwargs: *s}", "a value holds itself"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_no_yaml_with_an_end_is_one_sentence(tmp_path, capsys, name):
    content, reason = TEXTS[name]
    path = tmp_path / "grid.yml"
    path.write_bytes(content)
    told = error(capsys, "sweep", str(path))
    assert "grid.yml is not " in told
    assert reason in told
    assert len(told) < 600


def test_a_number_of_many_digits(asked, capsys):
    path = asked(grid={"gamma": [1]})
    path.write_text(path.read_text().replace("- 1", f"- 0x{'f' * 4000}"))
    told = error(capsys, "sweep", str(path))
    assert "has a whole number of 16000 bits; allowed: up to 64" in told
