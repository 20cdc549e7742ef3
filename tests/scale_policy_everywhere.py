"""
A pytest plugin for Stable-Baselines3's own tests: its SAC, TD3 and DDPG become sb3_scale's.

``from stable_baselines3 import SAC`` gives sb3_scale's class, whose constructor takes the names and
the classes of stock policies for ``"ScalePolicy"``. No other argument is changed or left out. From
the folder of a checkout of Stable-Baselines3::

    OMP_NUM_THREADS=1 PYTHONPATH=/path/to/sb3_scale/tests pytest -p scale_policy_everywhere \\
        -n 1 -p no:cacheprovider -m 'not expensive' -W ignore -q tests \\
        --ignore tests/test_utils.py

Kept are tests that are about one of the three. Where parameters of a test are algorithms or their
names, one of the three must be among them; any other test must name one of them in its source.
"""

import functools
import importlib
import inspect
import re
from typing import Any

import pytest
import stable_baselines3
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_scale import SAC, TD3
from sb3_scale_asymmetric.td2 import DDPG

OURS: tuple[Any, ...] = (SAC, TD3, DDPG)
NAMED = re.compile(r"\b(SAC|TD3|DDPG)\b")
LIBRARY = {
    name.lower()
    for name, value in vars(stable_baselines3).items()
    if isinstance(value, type) and issubclass(value, BaseAlgorithm)
}


def pytest_configure() -> None:
    """Before any test is imported; sb3_scale has derived its classes from the library's."""
    for algorithm in OURS:
        name = algorithm.__name__
        stock = getattr(stable_baselines3, name)
        if stock is algorithm:
            continue
        _replace_policies(algorithm, {*stock.policy_aliases, *stock.policy_aliases.values()})
        package = importlib.import_module(f"stable_baselines3.{name.lower()}")
        for module in (stable_baselines3, package):
            setattr(module, name, algorithm)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = [item for item in items if _is_about_ours(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _replace_policies(algorithm: Any, stock: set[Any]) -> None:
    construct = algorithm.__init__

    @functools.wraps(construct)
    def with_scale_policy(self: Any, policy: Any, *args: Any, **kwargs: Any) -> None:
        construct(self, "ScalePolicy" if policy in stock else policy, *args, **kwargs)

    algorithm.__init__ = with_scale_policy


def _is_about_ours(item: Any) -> bool:
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    names = {_algorithm(each) for each in values} - {None}
    if names:
        return not names.isdisjoint(each.__name__.lower() for each in OURS)
    return NAMED.search(inspect.getsource(item.function)) is not None


def _algorithm(value: Any) -> str | None:
    name = value.__name__ if isinstance(value, type) and issubclass(value, BaseAlgorithm) else value
    return name.lower() if isinstance(name, str) and name.lower() in LIBRARY else None
