"""Wrong values of RL-Zoo's own keys, policies and settings files: a sentence, and no folder."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from rl_zoo3 import ALGOS
from zoo_commands import experiment

from sb3_scale import SAC, Sb3ScaleError

TASK = {
    "n_timesteps": 12,
    "policy": "ScalePolicy",
    "learning_starts": 10,
    "buffer_size": 100,
    "policy_kwargs": {
        part: {"name": name, "network": {"name": "mlp", "width": 8, "depth": 1}}
        for part, name in (("actor", "squashed-gaussian"), ("critic", "ensemble"))
    },
}
STOCK = {"policy": "MlpPolicy", "policy_kwargs": {"net_arch": [8]}}
CHECKPOINTS = "stable_baselines3.common.callbacks.CheckpointCallback"
TIME_LIMIT = "gymnasium.wrappers.TimeLimit"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(**settings: Any) -> None:
    Path("mine.yml").write_text(yaml.safe_dump({"navigation-2": {**TASK, **settings}}))


def trained(file: str = "mine.yml", **options: Any) -> SAC:
    manager = experiment(file, "navigation-2", **options)
    model, _ = manager.setup_experiment()
    manager.learn(model)
    return model


def refused(**options: Any) -> str:
    with pytest.raises(Sb3ScaleError) as raised:
        trained(**options)
    assert not list(Path().glob("logs/*/*"))
    return str(raised.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_timesteps": "1e2"}, "n_timesteps is '1e2'; allowed: a whole number, at least 1; YAML"),
        ({"n_timesteps": None}, "n_timesteps is None; allowed: a whole number, at least 1"),
        ({"n_timesteps": 12.5}, "n_timesteps is 12.5; allowed: a whole number"),
        ({"n_timesteps": 0}, "n_timesteps is 0; allowed: a whole number"),
        ({"n_timestep": 12}, "did you mean 'n_timesteps'?"),
        ({"n_envs": 0}, "n_envs is 0; allowed: a whole number, at least 1"),
        ({"n_envs": 100_000_000}, "n_envs is 100000000; allowed: at most 65536"),
        ({"n_envs": "2"}, "n_envs is '2'; allowed: a whole number"),
        ({"n_envs": True}, "n_envs is True; allowed: a whole number"),
        ({"frame_stack": "two"}, "frame_stack is 'two'; allowed: a whole number"),
        ({"frame_stack": 2, "normalize": True}, "frame_stack is 2 and normalize is True"),
        ({"normalize": 3}, "normalize is 3; allowed: true, false, or arguments by name"),
        ({"normalize": "dict(norm_ob=True)"}, "normalize has no argument 'norm_ob'"),
        ({"normalize": "dict("}, "normalize is 'dict(', which is no Python that RL-Zoo can"),
        ({"normalize": {"clip_obs": -1.0}}, "normalize: clip_obs is -1.0; allowed: above 0"),
        ({"normalize": {"gamma": 5.0}}, "normalize: gamma is 5.0; allowed: from 0 to 1"),
        ({"monitor_kwargs": 3}, "monitor_kwargs is 3; allowed: arguments by name"),
        ({"monitor_kwargs": {"filename": "x"}}, "monitor_kwargs has no argument 'filename'"),
        ({"env_kwargs": 3}, "env_kwargs is 3; allowed: arguments by name"),
        ({"env_wrapper": "gymnasium.wrappers.TimeLimi"}, "did you mean 'TimeLimit'?"),
        ({"env_wrapper": "no_module.Wrapper"}, "env_wrapper has 'no_module.Wrapper', which cannot"),
        ({"env_wrapper": [None]}, "env_wrapper has None; allowed: MODULE.CLASS"),
        ({"env_wrapper": {TIME_LIMIT: None}}, "needs the argument 'max_episode_steps'"),
        (
            {"env_wrapper": "stable_baselines3.common.vec_env.VecCheckNan"},
            "env_wrapper has VecCheckNan; allowed: under vec_env_wrapper",
        ),
        (
            {
                "vec_env_wrapper": {
                    "stable_baselines3.common.vec_env.VecFrameStack": {"n_stack": "x"}
                }
            },
            "vec_env_wrapper: VecFrameStack: n_stack is 'x' (str); allowed: int",
        ),
        ({"callback": [3]}, "callback has 3; allowed: a name, or MODULE.CLASS"),
        ({"callback": [None]}, "callback has None; allowed: a name, or MODULE.CLASS"),
        ({"callback": {"csv-loger": {}}}, "did you mean 'csv-logger'?"),
        ({"callback": {"csv-logger": {}, "reset": {}}}, "check the indentation"),
        ({"callback": {CHECKPOINTS: {"save_freq": "ten", "save_path": "x"}}}, "save_freq is 'ten'"),
        ({"callback": CHECKPOINTS}, "needs the argument 'save_freq'"),
        ({"callback": "math.pi"}, "callback has 'math.pi', which is no class or function"),
        ({"callback": "collections.Counter"}, "classes derived from BaseCallback"),
        ({"noise_type": "norml", "noise_std": 0.1}, "did you mean 'normal'?"),
        ({"noise_std": 0.1}, "noise_std is 0.1, and needs noise_type too"),
        ({"noise_type": "normal", "noise_std": -1}, "noise_std is -1; allowed: a number"),
        (
            {"learning_rate": "lin_fast"},
            "learning_rate is 'lin_fast'; allowed: a number, or 'lin_3e-4",
        ),
        ({"policy": "ScalePolice"}, "sac: policy is 'ScalePolice'; allowed: CnnPolicy"),
        ({"policy": None}, "sac: policy is None; allowed"),
        ({"policy": "sb3_scale.policies.ScalePolice"}, "did you mean 'ScalePolicy'?"),
        ({"policy": "math.sqrt"}, "sac: policy is 'math.sqrt'; allowed"),
        ({"seed": 3}, "seed is 3 in the settings, and RL-Zoo gives it itself; allowed: --seed"),
        ({"device": "cpu"}, "device is 'cpu' in the settings"),
        ({"env": "x"}, "env is 'x' in the settings"),
        ({"verbose": 1}, "allowed: --verbose on the command line"),
        ({"tensorboard_log": "tb"}, "allowed: --tensorboard-log on the command line"),
        ({"policy_kwargs": "dict(critic='ensembl')"}, "did you mean 'ensemble'?"),
        # What only the library, a wrapper or the environment can know, once RL-Zoo has a folder.
        (
            {"replay_buffer_class": "HerReplayBuffer"},
            "HerReplayBuffer gives transitions other goals, and observations are Box",
        ),
        ({"train_freq": 0}, "train_freq is 0; allowed: a whole number of steps, at least 1"),
        ({"callback": "rl_zoo3.callbacks.RawStatisticsCallback"}, "must activate tensorboard"),
        ({"train_freq": [1, "epoch"]}, "train_freq is (1, 'epoch'); allowed: a whole number"),
        ({"policy_kwargs": {"actor": "deterministic"}}, "SAC needs a stochastic actor"),
        ({**STOCK, "replay_buffer_class": "compct"}, "did you mean 'compact'?"),
        ({**STOCK, "callback": "csv-loger"}, "did you mean 'csv-logger'?"),
        ({**STOCK, "policy": "MlpPolice"}, "did you mean 'MlpPolicy'?"),
    ],
)
def test_wrong_values(settings: dict[str, Any], sentence: str) -> None:
    write(**settings)
    assert sentence in refused()


def test_a_callback_that_a_stock_policy_cannot_have() -> None:
    write(**{**STOCK, "callback": "weight-norm"})
    with pytest.raises(Sb3ScaleError, match="allowed: policy: ScalePolicy"):
        trained()


def test_a_typo_suggests_nothing_that_rl_zoo_gives_itself() -> None:
    write(devise="cpu")
    assert "device" not in refused()


@pytest.mark.parametrize(
    "settings",
    [
        {"n_timesteps": 12.0},
        {"env_kwargs": None, "monitor_kwargs": None, "frame_stack": None, "normalize": None},
        {"monitor_kwargs": {"info_keywords": []}},
        {"normalize": "dict(norm_obs=False)"},
        {"frame_stack": 2},
        {"noise_type": None, "noise_std": None, "callback": {"csv-logger": None}},
        {"env_wrapper": [{TIME_LIMIT: {"max_episode_steps": 3}}]},
        {"callback": [{"csv-logger": {"file": "steps.csv"}}]},
        {**STOCK, "callback": [{"csv-logger": {"file": "steps.csv"}}]},
        {**STOCK, "replay_buffer_class": "compact"},
    ],
)
def test_right_values(settings: dict[str, Any]) -> None:
    write(**settings)
    assert trained()._n_updates > 0
    wants_file = "steps.csv" in str(settings)
    assert bool(list(Path().rglob("steps.csv"))) == wants_file


def test_n_timesteps_of_the_command_line_is_enough() -> None:
    write(n_timesteps=None)
    assert trained(n_timesteps=13).num_timesteps == 13


@pytest.mark.parametrize("name", ["sb3_scale.ScalePolicy", "sb3_scale.policies.ScalePolicy"])
def test_evaluation_has_the_arguments_of_the_file_whatever_the_policy_is_called(name: str) -> None:
    write(policy=name, env_kwargs={"episode_steps": 7})
    manager = experiment("mine.yml", "navigation-2")
    manager.setup_experiment()
    assert manager.eval_env_kwargs == {"episode_steps": 7}


def test_an_algorithm_that_does_not_train_parts() -> None:
    write(policy="sb3_scale.ScalePolicy")
    assert "--algo ppo does not train ScalePolicy; allowed: " in refused(algo="ppo")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n_eval_episodes": 0, "eval_freq": 5}, "--eval-episodes is 0; allowed: at least 1"),
        ({"n_eval_envs": 0, "eval_freq": 5}, "--n-eval-envs is 0"),
        ({"log_interval": 0}, "--log-interval is 0"),
        ({"optimize_hyperparameters": True, "n_evaluations": 0}, "--n-evaluations is 0"),
        ({"eval_env_kwargs": {"episode_step": 3}}, "did you mean 'episode_steps'?"),
    ],
)
def test_options_that_would_stop_a_training_later(options: Any, sentence: str) -> None:
    write()
    assert sentence in refused(**options)


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("typo.yml", None, "'typo.yml' cannot be read: No such file"),
        ("folder/mine.yaml", None, "'folder/mine.yaml' cannot be read: No such file"),
        ("typo.py", None, "there is no file 'typo.py'"),
        ("no.such.module", None, "the settings 'no.such.module' cannot be read: ModuleNotFound"),
        (".", None, "the settings '.' cannot be read"),
        ("logs/", None, "cannot be read"),
        ("crossq-w", None, "did you mean 'crossq-wn'?"),
        ("a.yml", b"\xff\xfe", "a.yml is not UTF-8"),
        ("a.yml", b"# navigation-2:\n", "a.yml is None; allowed: a mapping"),
        ("a.yml", b"a: 2024-13-45\n", "a.yml is not YAML: month must be in 1..12"),
        ("a.yml", b"navigation-2:\n", "a.yml has None for 'navigation-2'; allowed: settings by"),
        ("a.yml", b"navigation-2: {3: 4}\n", "a.yml has {3: 4} for 'navigation-2'"),
        ("a.yml", b"navigation-3: {}\n", "a.yml has no settings for 'navigation-2', and no 'def"),
        ("a.yml", b"navigation-2: {policy: ScalePolicy}\n", "n_timesteps is missing; allowed"),
        ("a.py", b"hyperparam = {}\n", "the settings 'a.py' cannot be read: KeyError: 'hyperpar"),
        ("a.py", b"hyperparams = 3\n", "a.py has 3; allowed: settings by task"),
        ("a.py", b"raise SystemExit(0)\n", "the settings 'a.py' cannot be read: SystemExit: 0"),
        ("a.py", b"hyperparams = {\n", "the settings 'a.py' cannot be read: SyntaxError"),
    ],
)
def test_files_of_settings(file: str, content: bytes | None, sentence: str) -> None:
    if content is not None:
        Path(file).write_bytes(content)
    assert sentence in refused(file=file)


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """RL-Zoo's own command, in this process."""
    from rl_zoo3.train import train

    common = "train --algo sac --env navigation-2 --storage study.log --study-name one --seed 1"
    monkeypatch.setattr("sys.argv", [*common.split(), *words])
    train()


def test_a_search_over_parts_that_goes_on_and_a_trial_of_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Settings in Python, then in YAML; over what the study began with, whatever came since."""
    from sb3_scale.zoo import samplers

    Path("mine.py").write_text(f"hyperparams = {{'navigation-2': {TASK}}}")
    write()
    search = "-optimize --n-evaluations 1 --eval-episodes 1 --sampler random --no-optim-plots"
    names = samplers._networks()
    monkeypatch.setattr(samplers, "WIDTHS", [32])

    def one_more(file: str, networks: list[str]) -> str:
        monkeypatch.setattr(samplers, "_networks", lambda: networks)
        command(monkeypatch, *search.split(), "--n-trials", "1", "-conf", file)
        return capfd.readouterr().out

    first = one_more("mine.py", ["mlp"])
    for name in ("network", "width", "depth", "norm", "learning_rate"):
        assert f"    {name}: " in first
    assert "    network: mlp\n" in one_more("mine.yml", names)
    report = next(Path("logs/sac").glob("report_*.csv")).read_text()
    assert "params_network" in report

    command(monkeypatch, "--eval-freq", "-1", "--trial-id", "1", "-conf", "mine.py")
    assert "Loading from Optuna study" in capfd.readouterr().out
    rate = ["-params", "learning_rate:0.125", "-conf", "mine.yml"]
    command(monkeypatch, "--eval-freq", "-1", "--trial-id", "1", *rate)
    assert "('learning_rate', 0.125)" in capfd.readouterr().out

    with pytest.raises(Sb3ScaleError, match="searches over network 'mlp', which no plugin has now"):
        one_more("mine.yml", ["modern"])
    monkeypatch.setattr(samplers, "NAMES", {"learning_rate"})
    with pytest.raises(Sb3ScaleError, match="it began with another policy; allowed: another"):
        one_more("mine.yml", names)


def test_a_trial_whose_parts_do_not_go_together_ends_alone(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """And a search sets the rate of parts that had one of their own."""
    from sb3_scale.zoo import samplers

    constraint = {"name": "unit-norm", "bias": False, "norm_params": True}
    parts: dict[str, Any] = {
        part: {**TASK["policy_kwargs"][part], "constraint": constraint}
        for part in ("actor", "critic")
    }
    write(policy_kwargs=parts, actor_learning_rate=1.0)
    monkeypatch.setattr(samplers, "WIDTHS", [32])
    monkeypatch.setattr(samplers, "_networks", lambda: ["mlp"])
    rates = []

    class Watched(SAC):
        def _setup_model(self) -> None:
            rates.append(self.actor_learning_rate)
            super()._setup_model()

    monkeypatch.setitem(ALGOS, "sac", Watched)
    search = "-optimize --n-evaluations 1 --eval-episodes 1 --sampler random --no-optim-plots"
    norms = samplers._choices

    def with_norms(allowed: list[str]) -> str:
        monkeypatch.setattr(
            samplers,
            "_choices",
            lambda name, *rest: allowed if name == "norm" else norms(name, *rest),
        )
        command(monkeypatch, *search.split(), "--n-trials", "6", "--seed", "0", "-conf", "mine.yml")
        return capfd.readouterr().err

    told = with_norms(["none", "layer"])
    assert "trial 0 is left out: constraint 'unit-norm' with {'bias': False" in told
    assert told.count("is left out") == 2
    assert set(rates) == {None}
    Path("study.log").unlink()
    with pytest.raises(Sb3ScaleError, match=r"no trial was completed; the last: .*norm_params is"):
        with_norms(["none"])


@pytest.mark.parametrize(
    ("storage", "reason"),
    [
        ("nosuch", "ArgumentError: .*; allowed: FILE.log, sqlite:///FILE.db, or"),
        ("nosuch://here/one", "NoSuchModuleError"),
        ("sqlite:///no/such/folder/one.db", "OperationalError: .*unable to open"),
        ("damaged.log", "JSONDecodeError"),
        ("mine.yml/study.log", "folder 'mine.yml' cannot be made"),
    ],
)
def test_a_storage_that_cannot_be_opened(
    storage: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    Path("damaged.log").write_text("{\n{}\n")
    words = ("-optimize", "-conf", "mine.yml", "--storage", storage)
    with pytest.raises(Sb3ScaleError, match=f"--storage '{storage}' cannot be opened: .*{reason}"):
        command(monkeypatch, *words)


def test_a_trial_that_is_not_there() -> None:
    write()
    assert "--trial-id is 0, and --storage is missing; allowed: with" in refused(trial_id=0)
    given = {"storage": "study.log", "trial_id": 3}
    assert "--trial-id is 3, and --study-name is missing" in refused(**given)
    assert "'study.log', and there is no such file; allowed: that of a" in refused(
        **given, study_name="one"
    )
    Path("study.log").touch()
    sentence = refused(**given, study_name="one")
    assert "trial 3 of the study 'one' cannot be read: KeyError" in sentence


@pytest.mark.parametrize(
    "settings",
    [{"recipe": "sac"}, {**TASK, "gamma": "auto"}, {**TASK, "policy_kwargs.critic.n_critics": 3}],
    ids=["recipe", "auto", "path"],
)
def test_settings_in_python_know_what_those_in_yaml_know(settings: dict[str, Any]) -> None:
    Path("mine.py").write_text(
        f"open('runs', 'a').write('x')\nhyperparams = {{'navigation-2': {settings!r}}}"
    )
    manager = experiment("mine.py", "navigation-2", n_timesteps=12)
    model, _ = manager.setup_experiment()
    assert type(model.policy).__name__ == "ScalePolicy"
    assert model.gamma < 1
    assert Path("runs").read_text() == "x"


@pytest.mark.parametrize(
    ("wrapper", "arguments"),
    [
        ("RescaleAction", {"min_action": -1.0, "max_action": 1}),
        ("ReshapeObservation", {"shape": [1, 2]}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*Box low's precision lowered")
def test_wrappers_take_what_yaml_can_write(wrapper: str, arguments: dict[str, Any]) -> None:
    write(env_wrapper={f"gymnasium.wrappers.{wrapper}": arguments})
    trained()


def test_a_wrappers_argument_of_another_type() -> None:
    write(env_wrapper={"gymnasium.wrappers.RescaleAction": {"min_action": "low", "max_action": 1}})
    assert "env_wrapper: RescaleAction: min_action is 'low' (str); allowed: numpy" in refused()


@pytest.mark.parametrize("error", ["RuntimeError('no display')", "KeyError('goal')", "OSError(5)"])
def test_whatever_an_environment_raises_at_first_is_one_sentence(
    error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sb3_scale_envs.navigation_env import NavigationEnv

    def reset(self: Any, seed: Any = None, options: Any = None) -> Any:
        raise eval(error)

    monkeypatch.setattr(NavigationEnv, "reset", reset)
    write()
    kind = error.partition("(")[0]
    assert f"sac does not start on 'navigation-2' with these settings: {kind} in " in refused()


@pytest.mark.parametrize("name", ["mine.json", "mine.txt", "mine.YML"])
def test_settings_with_another_ending(name: str) -> None:
    Path(name).write_text("{}")
    assert f"the settings '{name}' are neither YAML nor Python by their ending" in refused(
        file=name
    )


def test_words_that_rl_zoo_would_lose() -> None:
    from sb3_scale.zoo.words import check_words

    for given, sentence in (
        ("-params gamma:0.5 --hyperparams tau:0.1", "-params is there 2 times, and RL-Zoo takes "
         "the last alone; allowed: once, as -params gamma:0.5 tau:0.1"),
        ("--env-kwargs g:3.0 --env pendulum --env-kwargs n:5", "--env-kwargs is there 2 times"),
        ("-n 0", "-n is 0; allowed: at least 1, or -1 for n_timesteps of the settings"),
        ("--n-timesteps -5", "-n is -5; allowed: at least 1"),
    ):  # fmt: skip
        with pytest.raises(Sb3ScaleError, match=f"^{sentence}"):
            check_words(given.split())
    check_words("-params gamma:0.5 gamma:0.1 -P -n 100 --eval-env-kwargs g:3".split())


def test_a_callback_that_trains_a_copy_is_refused_by_name_and_not_believed_otherwise() -> None:
    from rl_zoo3.callbacks import ParallelTrainCallback
    from stable_baselines3.common.callbacks import BaseCallback

    write(callback=["rl_zoo3.callbacks.ParallelTrainCallback"])
    assert "callback has ParallelTrainCallback, which trains a copy" in refused()
    assert issubclass(ParallelTrainCallback, BaseCallback)

    class TrainsNothing(BaseCallback):
        def _init_callback(self) -> None:
            self.model.train = lambda *args, **kwargs: None

        def _on_step(self) -> bool:
            return True

    class Counts(TrainsNothing):
        def _init_callback(self) -> None:
            train, self.calls = self.model.train, 0

            def count(*args: Any, **kwargs: Any) -> None:
                self.calls += 1
                train(*args, **kwargs)

            self.model.train = count

    settings = {key: TASK[key] for key in ("learning_starts", "buffer_size", "policy_kwargs")}
    counts = Counts()
    SAC("ScalePolicy", "navigation-2", **settings).learn(12, callback=counts)
    assert counts.calls == 2
    SAC("ScalePolicy", "navigation-2", **settings).learn(10, callback=TrainsNothing())
    with pytest.raises(Sb3ScaleError, match="no gradient step was taken in 12 decisions"):
        SAC("ScalePolicy", "navigation-2", **settings).learn(12, callback=TrainsNothing())


def test_all_scripts_of_rl_zoo_have_a_name_here() -> None:
    import rl_zoo3

    from sb3_scale.zoo.__main__ import SCRIPTS

    scripts = {
        f"rl_zoo3.{'.'.join(path.relative_to(Path(rl_zoo3.__file__).parent).with_suffix('').parts)}"
        for path in Path(rl_zoo3.__file__).parent.rglob("*.py")
        if "ArgumentParser" in path.read_text()
    }
    ours = {f"sb3_scale.hub.{name}" for name in ("load_from_hub", "push_to_hub")}
    assert ours <= set(SCRIPTS.values())
    assert scripts <= {each.replace("sb3_scale.hub", "rl_zoo3") for each in SCRIPTS.values()}
    assert ALGOS["sac"] is SAC
