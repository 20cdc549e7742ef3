"""Parameters of parts as their authors write them: tuples, defaults, required ones, odd objects."""

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sb3_scale import Critic, Extractor, Loss, Sb3ScaleError, Spec, hookimpl
from sb3_scale.catalogue import describe
from sb3_scale.nn.critics import EnsembleCritic
from sb3_scale.nn.extractors import FlattenExtractor
from sb3_scale.nn.losses import MSELoss
from sb3_scale.parts import build
from sb3_scale.plugins import manager
from sb3_scale.registration import import_packages
from sb3_scale.zoo import own_environments


class Colour(Enum):
    RED = 1


class Weighted(MSELoss):
    """With a tuple, and a default that its annotation forgets."""

    def __init__(self, weights: tuple[float, ...] = (0.1, 0.9), width: int = None) -> None:  # type: ignore  # noqa: RUF013
        super().__init__()
        self.weights, self.width = weights, width


TABLE = np.ones(2)


class Odd(MSELoss):
    """With defaults that YAML cannot hold."""

    def __init__(self, colour: Any = Colour.RED, table: Any = TABLE, kind: Any = int) -> None:
        super().__init__()


class Needs(MSELoss):
    """With a required parameter."""

    def __init__(self, delta: float) -> None:
        super().__init__()


class OtherNames(EnsembleCritic):
    """Whose first arguments have other names."""

    def __init__(self, obs_dim: int, act_dim: int) -> None:
        super().__init__(obs_dim, act_dim)


class TextWidth(FlattenExtractor):
    """Whose width is text."""

    def __init__(self, observation_space: Any) -> None:
        super().__init__(observation_space)
        self.features_dim: Any = "3"


@pytest.fixture
def parts() -> Iterator[None]:
    class Plugin:
        @hookimpl
        def sb3_scale_components(self) -> Iterator[Spec]:
            for each in (Weighted, Odd, Needs):
                yield Loss(each.__name__, f"{__name__}:{each.__name__}")
            yield Critic("OtherNames", f"{__name__}:OtherNames")
            yield Extractor("TextWidth", f"{__name__}:TextWidth")

    assert manager().register(Plugin(), "values").status == "active"
    yield
    manager().unregister("values")


@pytest.mark.usefixtures("parts")
def test_a_list_of_yaml_is_a_tuple_and_a_default_may_be_given() -> None:
    made = build("loss", {"name": "Weighted", "weights": [0.2, 0.8], "width": None})
    assert made.weights == (0.2, 0.8)
    with pytest.raises(Sb3ScaleError, match=r"weights is .* allowed: tuple"):
        build("loss", {"name": "Weighted", "weights": ["a"]})
    with pytest.raises(Sb3ScaleError, match="width is 'a' "):
        build("loss", {"name": "Weighted", "width": "a"})


@pytest.mark.usefixtures("parts")
def test_what_yaml_cannot_hold_is_described_as_python_writes_it() -> None:
    colour, table, kind = describe("loss", "Odd").parameters
    assert (colour.default, table.default, kind.default) == (
        "<Colour.RED: 1>",
        "array([1., 1.])",
        "<class 'int'>",
    )
    assert yaml.safe_load(describe("loss", "Odd").example)["dog-run"]["policy_kwargs"] == {
        "loss": {"name": "Odd"}
    }


@pytest.mark.usefixtures("parts")
def test_a_part_with_a_required_parameter_is_described_without_an_example() -> None:
    found = describe("loss", "Needs")
    assert [parameter.default for parameter in found.parameters] == ["required"]
    assert (found.command, found.example) == ("", "")


@pytest.mark.usefixtures("parts")
def test_names_of_first_arguments_and_widths_of_features_are_told() -> None:
    with pytest.raises(Sb3ScaleError) as refused:
        build("critic", "OtherNames", 3, 1)
    assert str(refused.value) == (
        "critic 'OtherNames' needs the parameter 'obs_dim'; its first arguments must be called "
        "features_dim, action_dim"
    )
    from gymnasium.spaces import Box

    with pytest.raises(Sb3ScaleError, match="features_dim of extractor 'TextWidth' is '3'; "):
        build("extractor", "TextWidth", Box(-1, 1, (3,)))


def test_a_class_that_gymnasium_takes_no_name_of_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_gymnasium.py").write_text("class Pendulum: pass")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Sb3ScaleError, match=r"Gymnasium takes no 'Pendulum': .*; allowed: a class"):
        own_environments._registered("of_gymnasium:Pendulum")


@pytest.mark.parametrize("code", ["import sys; sys.exit(0)", "1 / 0"])
def test_a_module_of_environments_that_ends_the_process_is_a_sentence(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"leaves_{len(code)}"
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    told = "(SystemExit: 0|ZeroDivisionError: division by zero)"
    with pytest.raises(Sb3ScaleError, match=f"gym_packages names '{name}': {told}"):
        import_packages("gym_packages", [name])
    with pytest.raises(Sb3ScaleError, match=f"'{name}' cannot be imported: {told}"):
        own_environments._registered(f"{name}:Env")
