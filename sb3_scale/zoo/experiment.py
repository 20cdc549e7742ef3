"""Teaches RL-Zoo's ExperimentManager where our settings and samplers are."""

import sys
from functools import partial, wraps
from pathlib import Path
from typing import Any

import rl_zoo3
from rl_zoo3 import ALGOS
from rl_zoo3.exp_manager import ExperimentManager
from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.monitor import Monitor

from sb3_scale.algorithms import ScaleAlgorithm
from sb3_scale.algorithms.checkpoints import check_continues
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.plugins import manager as plugins
from sb3_scale.protocols import PartConfig
from sb3_scale.recipes import resolve
from sb3_scale.recipes.environments import check_env_kwargs
from sb3_scale.recipes.registered import with_own_repeat
from sb3_scale.recipes.wrappers import with_tuples
from sb3_scale.zoo import (
    backends,
    callbacks,
    checks,
    collected,
    configs,
    evaluated,
    history,
    notation,
    plain_settings,
    resume,
    run_folder,
    samplers,
    search,
    settings_files,
    shown_env,
    tracking,
    unbegun,
    whole_files,
)
from sb3_scale.zoo.frame_stacks import check_stacked_once

Hyperparams = dict[str, Any]

_zoo_setup = ExperimentManager.setup_experiment
_zoo_learn = ExperimentManager.learn
_zoo_read = ExperimentManager.read_hyperparameters
_zoo_sampler = dict(HYPERPARAMS_SAMPLER)
_zoo_converter = dict(HYPERPARAMS_CONVERTER)


_speak = sys.excepthook
"""Before Weights & Biases puts its own in front of it."""


def install() -> None:
    """Replace how an ``ExperimentManager`` reads settings, and what it leaves where it refuses."""
    ExperimentManager.read_hyperparameters = _read_hyperparameters
    ExperimentManager.setup_experiment = _setup_experiment
    ExperimentManager.learn = _learn
    search.install()
    shown_env.install()


@wraps(_zoo_setup)
def _setup_experiment(self: Any) -> Any:
    with tracking.told_once(self, _speak), unbegun.guard(self, lambda: False):
        return _zoo_setup(self)


@wraps(_zoo_learn)
def _learn(self: Any, model: BaseAlgorithm) -> None:
    before = model.num_timesteps
    tracking.tell(self, model)
    # A callback may refuse when it first sees the model.
    with unbegun.guard(self, lambda: model.num_timesteps > before):
        history.learn(_zoo_learn, self, model)


@wraps(_zoo_read)
def _read_hyperparameters(self: Any) -> tuple[Hyperparams, Hyperparams]:
    env_id = self.env_name.gym_id
    search.take_trial(self)
    for kind, name in (("algorithm", self.algo), ("env", env_id)):
        plugins().check_offered_once(kind, name)
    path = configs.by_name(self.algo, str(self.config)) or Path(self.config)
    asked = vars(self.args).get("conf_file")
    if not asked and path.parent == Path(rl_zoo3.__file__).parent / "hyperparams":
        path = configs.choose(self.algo, env_id, path)
    # A module's name is no path.
    self.config = str(path)
    given = self.custom_hyperparams or {}
    settings_files.check(self.config, self.algo, env_id, self._is_atari, given)
    with plain_settings.in_place_of_recipes(self):
        if self.trial_id:
            task = settings_files.task(self.config, env_id, self._is_atari)
            _choose_sampler(self, {**task, **(self.custom_hyperparams or {})})
        hyperparams, saved = settings_files.read(self, _zoo_read)
    checks.check_policy(self.algo, ALGOS[self.algo], hyperparams)
    backends.check(hyperparams)
    backend = hyperparams.pop(backends.KEY, backends.GYMNASIUM)
    if "replay_buffer_class" in hyperparams:
        hyperparams["replay_buffer_class"] = evaluated.replay_buffer_class(hyperparams)
    if configs.uses_scale_policy(hyperparams):
        _prepare(self, hyperparams, saved, backend)
    else:
        resume.check_stock(self, hyperparams["policy"])
        checks.check_no_options(self.algo, ALGOS[self.algo], hyperparams)
        backends.use(self, backend)
        if "callback" in hyperparams:
            given = hyperparams["callback"]
            hyperparams["callback"] = callbacks.translated(given, self.save_path)
    _choose_sampler(self, hyperparams)
    return hyperparams, saved


def _prepare(
    manager: Any, hyperparams: Hyperparams, saved: Hyperparams, backend: PartConfig
) -> None:
    """Check the settings of a task with ScalePolicy, and write them as RL-Zoo needs them."""
    env_id = manager.env_name.gym_id
    manager.uses_scale_policy = True
    checks.check_algorithm(manager.algo, ALGOS[manager.algo])
    evaluated.evaluate(hyperparams)
    _fill(hyperparams, manager.n_timesteps)
    configs.check(manager.algo, ALGOS[manager.algo], hyperparams)
    checks.check_options(manager)
    if not collected.use(manager, hyperparams, backend):
        backends.use(manager, backend)
    if manager.continue_training:
        parts = hyperparams.get("policy_kwargs") or {}
        check_continues(Path(manager.trained_agent), ALGOS[manager.algo], parts)
    for env_kwargs in (
        hyperparams.get("env_kwargs"),
        manager.env_kwargs,
        manager.eval_env_kwargs,
    ):
        check_env_kwargs(env_id, env_kwargs or {})
    given = hyperparams.get("callback")
    # What is wrong is refused before a folder is made.
    callbacks.check_imported(callbacks.for_zoo(given, manager.save_path))
    checks.check_wrappers(hyperparams)
    for key in ("env_wrapper", "vec_env_wrapper"):
        if key in hyperparams:
            hyperparams[key] = notation.in_tuples(key, hyperparams[key])
    check_stacked_once(
        env_id, {**(hyperparams.get("env_kwargs") or {}), **(manager.env_kwargs or {})}, hyperparams
    )
    resume.use(manager, hyperparams.get("normalize"))
    run_folder.claim(manager)
    whole_files.use(manager)
    history.use(manager)
    hyperparams["callback"] = callbacks.for_zoo(given, manager.save_path)
    training = with_own_repeat(env_id, hyperparams.get("env_kwargs", manager.env_kwargs))
    if training:
        # The folder of a run says how many steps of the environment a decision takes.
        hyperparams["env_kwargs"] = saved["env_kwargs"] = training
    own = manager._eval_env_kwargs_args
    # RL-Zoo would evaluate without the file's env_kwargs, or with another action_repeat.
    manager.eval_env_kwargs = dict(training) if own is None else resolve.with_repeat(own, training)


def _fill(hyperparams: Hyperparams, n_timesteps: int) -> None:
    """Keys that may be empty, but that RL-Zoo reads; tuples, which YAML does not have."""
    for key in ("env_kwargs", "monitor_kwargs"):
        if key in hyperparams and hyperparams[key] is None:
            hyperparams[key] = {}
    for key in ("noise_type", "noise_std"):
        if key in hyperparams and hyperparams[key] is None:
            del hyperparams[key]
    if n_timesteps > 0 and hyperparams.get("n_timesteps") is None:
        hyperparams["n_timesteps"] = n_timesteps
    if "n_timesteps" not in hyperparams:
        raise Sb3ScaleError("n_timesteps is missing; allowed: in the settings, or -n NUMBER")
    monitor = hyperparams.get("monitor_kwargs")
    if isinstance(monitor, dict):
        hyperparams["monitor_kwargs"] = with_tuples(Monitor, monitor)


def _choose_sampler(manager: Any, hyperparams: Hyperparams) -> None:
    """RL-Zoo's samplers make arguments of stock policies, ours make parts."""
    algo = manager.algo
    if configs.uses_scale_policy(hyperparams):
        own = _own_parts(manager, hyperparams)
        given = hyperparams.get("policy_kwargs")
        # Before RL-Zoo evaluates a string, a trial is read beside the defaults.
        given = given if isinstance(given, dict) else {}
        base = {"actor": "squashed-gaussian", "critic": "ensemble", **own, **given}
        rates = resolve.own_rates(hyperparams)
        HYPERPARAMS_SAMPLER[algo] = partial(samplers.sample, base=base, rates=rates)
        HYPERPARAMS_CONVERTER[algo] = partial(samplers.convert, base=base, rates=rates)
        return
    for table, original in (
        (HYPERPARAMS_SAMPLER, _zoo_sampler),
        (HYPERPARAMS_CONVERTER, _zoo_converter),
    ):
        if algo in original:
            table[algo] = original[algo]


def _own_parts(manager: Any, hyperparams: Hyperparams) -> dict[str, Any]:
    """Those of the algorithm; what actions there are is asked of the task only for a search."""
    algorithm, actions = ALGOS[manager.algo], None
    if not issubclass(algorithm, ScaleAlgorithm):
        return {}
    if manager.optimize_hyperparameters or manager.trial_id:
        given = manager.env_kwargs or hyperparams.get("env_kwargs") or {}
        actions = plain_settings.facts(manager.env_name.gym_id, given).actions
    own: dict[str, Any] = algorithm.parts_for(actions)
    return own
