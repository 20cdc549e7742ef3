"""The model card: what a visitor of the repository reads first."""

import platform
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import yaml
from huggingface_hub import EvalResult, ModelCardData

from sb3_scale.hub.packages import ALWAYS
from sb3_scale.hub.repository import Repository
from sb3_scale.hub.trained_run import Played
from sb3_scale.runs import Run, env_name


def card(
    repository: Repository,
    run: Run,
    decisions: int,
    played: Played,
    command: str,
    resolved: Mapping[str, Any] | None,
    packages: Mapping[str, str],
) -> str:
    """
    :param repository: where the model goes
    :param run: that trained it
    :param decisions: made when it was saved
    :param played: after the training
    :param command: that trained it, empty if it is not known
    :param resolved: what was built, nothing for a stock policy
    :param packages: versions by name
    :return: ``README.md``
    """
    text = files("sb3_scale.hub").joinpath("card.md.jinja").read_text()
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True)
    organization, _, name = repository.id.partition("/")
    usual = f"{repository.algo}-{env_name(repository.env_id)}"
    algorithm = repository.algo.upper() if resolved is None else resolved["algorithm"]
    others = [each for each in packages if each not in ALWAYS]
    return environment.from_string(text).render(
        metadata=_metadata(algorithm, run.env_id, played),
        algorithm=algorithm,
        algo=repository.algo,
        env_id=repository.env_id,
        decisions=f"{decisions:,}",
        episodes=len(played.returns),
        actions="deterministic" if played.deterministic else "sampled",
        mean=f"{played.mean:,.2f}",
        std=f"{played.std:,.2f}",
        install=" ".join(['"sb3-scale[hub]"', *others]),
        organization=organization,
        name_option="" if name == usual else f" -name {name}",
        command=command,
        settings=_yaml(run.settings),
        resolved="" if resolved is None else _yaml(resolved),
        python=platform.python_version(),
        packages=packages,
    )


def command_of(settings: Path) -> str:
    """
    :param settings: folder of the settings of a run
    :return: the command that trained, with ``python`` for its interpreter; empty if none is kept
    """
    path = settings / "command.txt"
    if not path.is_file():
        return ""
    _, _, rest = path.read_text().strip().partition(" ")
    return f"python {rest}"


def _metadata(algorithm: str, env_id: str, played: Played) -> str:
    result = EvalResult(
        task_type="reinforcement-learning",
        task_name="reinforcement-learning",
        dataset_type=env_id,
        dataset_name=env_id,
        metric_type="mean_reward",
        metric_name="mean_reward",
        metric_value=f"{played.mean:.2f} +/- {played.std:.2f}",
    )
    tags = [env_id, "deep-reinforcement-learning", "reinforcement-learning", "stable-baselines3"]
    data = ModelCardData(
        library_name="stable-baselines3",
        tags=[*tags, "sb3_scale"],
        model_name=algorithm,
        eval_results=[result],
    )
    return str(data.to_yaml())


def _yaml(content: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(dict(content), sort_keys=False)).rstrip()
