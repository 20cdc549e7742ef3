"""Teaches RL-Zoo's ExperimentManager where our settings and samplers are."""

from functools import partial, wraps
from pathlib import Path
from typing import Any

import rl_zoo3
from rl_zoo3 import ALGOS, exp_manager
from rl_zoo3.exp_manager import ExperimentManager
from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER

from sb3_scale.algorithms import ScaleAlgorithm
from sb3_scale.algorithms.checkpoints import check_continues
from sb3_scale.parts import resolve
from sb3_scale.zoo import backends, callbacks, configs, samplers
from sb3_scale.zoo.env_kwargs import check_env_kwargs

Hyperparams = dict[str, Any]

_zoo_read = ExperimentManager.read_hyperparameters
_zoo_sampler = dict(HYPERPARAMS_SAMPLER)
_zoo_converter = dict(HYPERPARAMS_CONVERTER)


def install() -> None:
    """Replace ``ExperimentManager.read_hyperparameters`` by one that looks in our files too."""
    ExperimentManager.read_hyperparameters = _read_hyperparameters


@wraps(_zoo_read)
def _read_hyperparameters(self: Any) -> tuple[Hyperparams, Hyperparams]:
    env_id = self.env_name.gym_id
    path = configs.by_name(self.algo, str(self.config)) or Path(self.config)
    self.config = str(path)
    if path.parent == Path(rl_zoo3.__file__).parent / "hyperparams":
        path = configs.choose(self.algo, env_id, path)
        self.config = str(path)
    if path.suffix in (".yml", ".yaml") and path.exists():
        content = configs.read(path)
        task = content.get(env_id, content.get("default", {}))
        _choose_sampler(self.algo, {**task, **(self.custom_hyperparams or {})})
    hyperparams, saved = _zoo_read(self)
    backends.check(hyperparams)
    backends.use(self, hyperparams.pop(backends.KEY, backends.GYMNASIUM))
    if configs.uses_scale_policy(hyperparams):
        configs.check(self.algo, ALGOS[self.algo], hyperparams)
        given = hyperparams.get("policy_kwargs") or {}
        # RL-Zoo evaluates a string itself, later, and never gives it to the loaded model.
        if self.continue_training and isinstance(given, dict):
            check_continues(Path(self.trained_agent), ALGOS[self.algo], given)
        for env_kwargs in (hyperparams.get("env_kwargs"), self.env_kwargs, self.eval_env_kwargs):
            check_env_kwargs(env_id, env_kwargs or {})
        if "replay_buffer_class" in hyperparams:
            hyperparams["replay_buffer_class"] = _replay_buffer_class(hyperparams)
        chosen = callbacks.for_zoo(hyperparams.get("callback"), self.save_path)
        if self.save_freq > 0 and not self.optimize_hyperparameters:
            chosen.append(_save_run_state(self))
        hyperparams["callback"] = chosen
        if self._eval_env_kwargs_args is None and "env_kwargs" in hyperparams:
            # RL-Zoo would evaluate without the file's env_kwargs, with another action_repeat.
            self.eval_env_kwargs = dict(hyperparams["env_kwargs"])
    return hyperparams, saved


def _replay_buffer_class(hyperparams: Hyperparams) -> Any:
    """One of our names becomes a class; what is none RL-Zoo evaluates as Python."""
    given = hyperparams["replay_buffer_class"]
    if not isinstance(given, str) or "." in given or hasattr(exp_manager, given):
        return given
    params = hyperparams.get("replay_buffer_kwargs") or {}
    # RL-Zoo evaluates a string itself, and Stable-Baselines3 then makes the buffer with it.
    params = params if isinstance(params, dict) else {}
    return resolve("replay-buffer", {"name": given, **params})[0]


def _save_run_state(manager: Any) -> dict[str, Any]:
    """RL-Zoo's notation for the callback that lets an interrupted run go on."""
    return {
        "sb3_scale.zoo.resume.SaveRunState": {
            "save_freq": manager.save_freq,
            "folder": manager.save_path,
            "params_folder": manager.params_path,
            "replay_buffer": manager.save_replay_buffer,
        }
    }


def _choose_sampler(algo: str, hyperparams: Hyperparams) -> None:
    """RL-Zoo's samplers make arguments of stock policies, ours make parts."""
    if configs.uses_scale_policy(hyperparams):
        algorithm = ALGOS[algo]
        own = algorithm.default_parts if issubclass(algorithm, ScaleAlgorithm) else {}
        given = hyperparams.get("policy_kwargs")
        # RL-Zoo evaluates a string itself, later; the search then starts from the defaults.
        given = given if isinstance(given, dict) else {}
        base = {"actor": "squashed-gaussian", "critic": "ensemble", **own, **given}
        HYPERPARAMS_SAMPLER[algo] = partial(samplers.sample, base=base)
        HYPERPARAMS_CONVERTER[algo] = partial(samplers.convert, base=base)
        return
    for table, original in (
        (HYPERPARAMS_SAMPLER, _zoo_sampler),
        (HYPERPARAMS_CONVERTER, _zoo_converter),
    ):
        if algo in original:
            table[algo] = original[algo]
