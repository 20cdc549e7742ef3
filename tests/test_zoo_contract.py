"""
What we rely on in RL-Zoo. A new release that changes it fails here, with a sentence that says where
to look.
"""

import inspect
import re
from pathlib import Path

import gymnasium
import pytest
import rl_zoo3
import zoo_commands
from gymnasium.envs.registration import EnvSpec
from rl_zoo3 import enjoy, hyperparams_opt, import_envs
from rl_zoo3.exp_manager import ExperimentManager
from rl_zoo3.utils import StoreDict

from sb3_scale.zoo import configs, experiment, install

install()
ORIGINAL = inspect.unwrap(ExperimentManager.read_hyperparameters)


def test_evaluation_arguments_are_where_we_set_them() -> None:
    source = inspect.getsource(ExperimentManager)
    assert "self._eval_env_kwargs_args = eval_env_kwargs" in source
    assert "self.eval_env_kwargs if eval_env else self.env_kwargs" in source, (
        "RL-Zoo chooses the arguments of evaluation environments elsewhere: see zoo.experiment"
    )


def test_custom_envs_is_imported_by_name() -> None:
    source = inspect.getsource(import_envs)
    assert "import custom_envs" in source, (
        "RL-Zoo no longer imports custom_envs: our environments reach it through --gym-packages "
        "only, see envs/custom_envs.py"
    )


def test_algorithms_are_a_table_that_train_reads_late() -> None:
    source = (Path(rl_zoo3.__file__).parent / "train.py").read_text()
    assert isinstance(rl_zoo3.ALGOS, dict)
    assert "choices=list(ALGOS.keys())" in source, (
        "RL-Zoo no longer reads ALGOS when it parses the command line: see zoo.install"
    )
    import sb3_scale

    assert rl_zoo3.ALGOS["sac"] is sb3_scale.SAC
    assert rl_zoo3.ALGOS["td3"] is sb3_scale.TD3


@pytest.mark.parametrize("word", ["self.config", "self.env_name.gym_id", '"default"', "self.algo"])
def test_read_hyperparameters_uses(word: str) -> None:
    assert word in inspect.getsource(ORIGINAL), (
        f"RL-Zoo's read_hyperparameters no longer uses {word}: see sb3_scale/zoo/experiment.py"
    )


def test_these_methods_alone_are_replaced() -> None:
    ours = [
        name
        for name, value in vars(ExperimentManager).items()
        if "sb3_scale" in getattr(getattr(value, "__code__", None), "co_filename", "")
    ]
    assert sorted(ours) == [
        *("hyperparameters_optimization", "learn", "objective"),
        *("read_hyperparameters", "setup_experiment"),
    ]
    assert ExperimentManager.read_hyperparameters is experiment._read_hyperparameters


def test_default_configuration_is_where_we_look() -> None:
    source = inspect.getsource(ExperimentManager.__init__)
    assert 'f"hyperparams/{self.algo}.yml"' in source, (
        "RL-Zoo keeps its settings elsewhere: see zoo.experiment"
    )
    assert (Path(rl_zoo3.__file__).parent / "hyperparams" / "sac.yml").exists()


def test_samplers_have_the_signature_that_ours_has() -> None:
    original = experiment._zoo_sampler["sac"]
    assert list(inspect.signature(original).parameters) == [
        "trial",
        "n_actions",
        "n_envs",
        "additional_args",
    ], "RL-Zoo calls samplers differently: see sb3_scale/zoo/samplers.py"
    assert "HYPERPARAMS_SAMPLER[self.algo](" in inspect.getsource(ExperimentManager.objective)
    assert isinstance(hyperparams_opt.HYPERPARAMS_CONVERTER, dict)


def test_words_of_the_command_line_are_evaluated_where_we_look() -> None:
    source = inspect.getsource(StoreDict.__call__)
    for word in ("option_string", "for arguments in values", "eval(value)"):
        assert word in source, f"RL-Zoo's StoreDict no longer has {word}: see sb3_scale/zoo"


def test_keys_that_rl_zoo_takes_out_itself() -> None:
    source = "".join(
        inspect.getsource(getattr(ExperimentManager, name))
        for name in (
            "_preprocess_hyperparams",
            "_preprocess_normalization",
            "_preprocess_action_noise",
        )
    )
    deleted = set(re.findall(r'del hyperparams\["(\w+)"\]', source))
    assert deleted <= configs.ZOO_KEYS, (
        f"RL-Zoo has new settings {sorted(deleted - configs.ZOO_KEYS)}: add them to ZOO_KEYS"
    )


def test_enjoy_asks_for_a_buffer_of_one() -> None:
    source = inspect.getsource(enjoy)
    assert "buffer_size=1" in source, "enjoy no longer shrinks the replay buffer of sac and td3"
    assert '"sac"' in source
    assert '"td3"' in source


def test_configuration_files_are_found_in_the_order_of_the_design(tmp_path: Path) -> None:
    hyperparams = Path(rl_zoo3.__file__).parent / "hyperparams"
    zoo_file = hyperparams / "sac.yml"
    ours = next(configs.offered("sac"))[2]
    assert configs.choose("sac", "Pendulum-v1", zoo_file) == zoo_file
    assert configs.choose("sac", "dog-run", zoo_file) == ours
    # A task of a plugin that no file names.
    assert configs.choose("sac", "navigation", zoo_file) == ours
    assert configs.choose("ppo", "dog-run", tmp_path / "ppo.yml") == tmp_path / "ppo.yml"
    # An algorithm that RL-Zoo has no settings for.
    assert configs.choose("td2", "HalfCheetah-v5", hyperparams / "td2.yml").name == "td2.yml"


@pytest.mark.parametrize("algo", ["sac", "td3", "ddpg", "crossq"])
@pytest.mark.parametrize("task", ["HalfCheetah-v5", "Ant-v5", "BipedalWalker-v3", "Mine-v0"])
def test_a_task_that_is_no_plugins_keeps_the_settings_of_rl_zoo(algo: str, task: str) -> None:
    zoo_file = Path(rl_zoo3.__file__).parent / "hyperparams" / f"{algo}.yml"
    assert configs.choose(algo, task, zoo_file) == zoo_file


def test_an_id_that_another_package_registered_first_is_not_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zoo_file = Path(rl_zoo3.__file__).parent / "hyperparams" / "sac.yml"
    mine = EnvSpec("pose", entry_point="mine:Pose")
    monkeypatch.setitem(gymnasium.registry, "pose", mine)
    assert configs.choose("sac", "pose", zoo_file) == zoo_file


def test_a_backend_finds_what_it_replaces() -> None:
    source = inspect.getsource(ExperimentManager.create_envs)
    for word in ("vec_env_cls=self.vec_env_class", "n_envs=n_envs", "seed=self.seed"):
        assert word in source, f"RL-Zoo's create_envs no longer has {word}: see zoo.backends"
    assert list(inspect.signature(ExperimentManager.create_envs).parameters) == [
        "self",
        "n_envs",
        "eval_env",
        "no_log",
    ]


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("_save_config", ['self.params_path, "config.yml"', 'self.params_path, "args.yml"']),
        ("create_callbacks", ["self.callbacks.append", "CheckpointCallback(", "EvalCallback("]),
        ("learn", ["except KeyboardInterrupt:", "model.env.close()", "except EOFError"]),
        ("save_trained_model", ["model.save(", "if self.normalize:"]),
        ("_load_pretrained_agent", ['os.path.dirname(self.trained_agent), "replay_buffer.pkl"']),
        ("_maybe_normalize", ["os.path.dirname(self.trained_agent), self.env_name"]),
    ],
)
def test_a_run_is_saved_where_we_make_it_whole(method: str, words: list[str]) -> None:
    source = inspect.getsource(getattr(ExperimentManager, method))
    for word in words:
        assert word in source, f"RL-Zoo's {method} no longer has {word}: see zoo.whole_files"


def test_the_manager_is_ours_also_where_its_module_is_imported_first(tmp_path: Path) -> None:
    program = (
        "import rl_zoo3.exp_manager as module\n"
        "print(module.ExperimentManager.read_hyperparameters.__code__.co_filename)\n"
        "print(type(module).__name__)"
    )
    done = zoo_commands.run(tmp_path, "-c", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [experiment.__file__, "module"]
