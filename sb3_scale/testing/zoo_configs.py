"""Checks of files of settings."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium import spaces

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import load_target, settings_path
from sb3_scale.plugins import manager
from sb3_scale.policies import ScalePolicy, build_extractor
from sb3_scale.recipes import files, resolve
from sb3_scale.specs import Recipe, ZooConfig
from sb3_scale.testing.part_under_test import Subject

_VECTOR = spaces.Box(-1, 1, (376,))
"""As wide as the humanoid's, since settings may name numbers of an observation."""

_IMAGES = spaces.Box(0, 255, (9, 84, 84), np.uint8)
"""Three frames, of the size that is common."""


def check_recipe(subject: Subject) -> None:
    """
    :param subject: a recipe; RL-Zoo must be installed
    :raises AssertionError: if it cannot be read, is not for any environment, or a policy cannot be
        made of it
    """
    spec = subject.spec
    assert isinstance(spec, Recipe)
    path = subject.call(f"finding '{spec.target}'", settings_path, spec)
    settings = subject.call(f"reading {path}", files.settings_for, path)
    subject.require("env_kwargs" not in settings, "has env_kwargs in its default")
    check_zoo_config(subject)


def check_zoo_config(subject: Subject) -> None:
    """
    :param subject: a file of settings; RL-Zoo must be installed
    :raises AssertionError: if it cannot be read, or a policy cannot be made of it
    """
    from sb3_scale.zoo import configs

    spec = subject.spec
    assert isinstance(spec, (Recipe, ZooConfig))
    path = subject.call(f"finding '{spec.target}'", settings_path, spec)
    algorithm = load_target(manager().find("algorithm", spec.algo)[1])
    tasks = subject.call(f"reading {path}", configs.read, path)
    made: list[Any] = []
    for task, given in tasks.items():
        # Tasks that begin with a dot hold what others share.
        if task.startswith("."):
            continue
        actions: spaces.Space[Any] = spaces.Box(-1, 1, (3,))
        if isinstance(spec, Recipe) and task == files.DISCRETE:
            actions = spaces.Discrete(3)
            given = subject.call(f"the settings of {task}", files.settings_for, path, None, actions)
        settings = subject.call(f"the settings of {task}", resolve.anywhere, given, spec.algo, task)
        if not configs.uses_scale_policy(settings):
            continue
        subject.call(f"the settings of {task}", configs.check, spec.algo, algorithm, settings)
        parts = {**algorithm.parts_for(actions), **settings.get("policy_kwargs", {})}
        if parts not in made:
            subject.call(f"the policy of {task}", _make_policy, deepcopy(parts), actions)
            made.append(parts)


def observations_for(policy_kwargs: Mapping[str, Any]) -> spaces.Space[Any]:
    """
    :param policy_kwargs: arguments of ``ScalePolicy``
    :return: a vector, or images where the extractor cannot read that, or a ``Dict`` of the keys
        that it names and another
    """
    part = policy_kwargs.get("extractor", "flatten")
    if part == "dict" or (isinstance(part, Mapping) and part.get("name") == "dict"):
        options: Mapping[str, Any] = part if isinstance(part, Mapping) else {}
        named = {**dict.fromkeys(options.get("critic_only") or ()), **(options.get("keys") or {})}
        found = {
            key: observations_for({"extractor": each or "flatten"}) for key, each in named.items()
        }
        return spaces.Dict({**found, "another": _VECTOR})
    try:
        build_extractor(part, _VECTOR, 3)
    except Sb3ScaleError:
        # If it is not for images either, the reason for that is told.
        return _IMAGES
    return _VECTOR


def _make_policy(policy_kwargs: dict[str, Any], actions: spaces.Space[Any]) -> None:
    ScalePolicy(observations_for(policy_kwargs), actions, lambda _: 1e-3, **policy_kwargs)
