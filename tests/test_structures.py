"""Values of any size are told in a line; structures without end are refused at once."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.errors import check_key, shown
from sb3_scale.structures import NODES, UniqueLoader, check_structure, read_yaml


def ring() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def circle() -> dict[str, Any]:
    found: dict[str, Any] = {"name": "ensemble"}
    found["network"] = found
    return found


def bomb() -> Any:
    found: Any = "x"
    for _ in range(9):
        found = [found] * 10
    return found


def deep() -> Any:
    found: Any = "x"
    for _ in range(100_000):
        found = [found]
    return found


class Silent:
    def __repr__(self) -> str:
        raise RuntimeError


ENDLESS = {"ring": ring, "circle": circle, "bomb": bomb, "deep": deep}


@pytest.mark.parametrize(
    "value",
    [ring(), circle(), bomb(), deep(), "x" * 5000, 10**5000, -(10**5000), Silent(), "a\nb",
     "\ud800", np.zeros((100, 100)), {i: i for i in range(10**5)}, b"x" * 10**5],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_any_value_is_told_in_a_line(value: Any) -> None:
    started = time.perf_counter()
    text = shown(value)
    assert time.perf_counter() - started < 2
    assert len(text) <= 300
    assert "\n" not in text
    text.encode()


def test_small_values_are_told_whole() -> None:
    value = {"name": "ensemble", "critic": {"b": [1, 2.5, None], "a": ("x", True)}}
    assert shown(value) == repr(value)


def test_a_long_key_is_short_in_the_message() -> None:
    with pytest.raises(Sb3ScaleError) as caught:
        check_key("sac has no setting", "k" * 5000, "v" * 5000, ["gamma"])
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize(
    "key", ["policy_kwargs", "replay_buffer_kwargs", "ent_coef_optimizer_kwargs", "collector"]
)
def test_endless_arguments(key: str, name: str) -> None:
    started = time.perf_counter()
    with pytest.raises(Sb3ScaleError, match=key) as caught:
        SAC("ScalePolicy", "Pendulum-v1", device="cpu", **{key: {"critic": ENDLESS[name]()}})
    assert time.perf_counter() - started < 5
    assert len(str(caught.value)) < 600


def test_the_number_of_values_counts() -> None:
    check_structure("x", list(range(NODES)))
    with pytest.raises(Sb3ScaleError, match=r"^x has too many values"):
        check_structure("x", [list(range(NODES // 2 + 1))] * 2)
    with pytest.raises(Sb3ScaleError, match=r"^x has too many values"):
        check_structure("x", [[0] * 50_000] * 50_000)


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)
MERGED = "a0: &a0 {k0: 1}\n" + "".join(
    f"a{i}: &a{i}\n  <<: [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)
NO_YAML = {
    "aliases": BOMB,
    "merged aliases": MERGED,
    "a list that holds itself": "a: &a [*a]",
    "a mapping that holds itself": "a: &a {b: {c: *a}}",
    "a key that holds itself": "? &a [*a]\n: 1",
    "brackets": "a: " + "[" * 100_000,
    "braces": "a: " + "{a: " * 100_000,
    "dashes": "- " * 100_000 + "x",
    "closed brackets": "a: " + "[" * 3000 + "]" * 3000,
    "bytes": b"a: \xff\xfe",
    "UTF-16": "a: 1".encode("utf-16"),
    "a long number": "a: " + "9" * 5000,
    "no date": "a: 2026-13-45",
    "a tag that does not fit": "a: !!timestamp x",
    "another tag that does not fit": "a: !!bool x",
    "Python": "a: !!python/object/apply:os.getcwd []",
    "no character": "a: \x00",
}


@pytest.mark.parametrize("name", NO_YAML)
def test_files_of_yaml_without_end_or_sense(tmp_path: Path, name: str) -> None:
    content = NO_YAML[name]
    path = tmp_path / "x.yml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    started = time.perf_counter()
    with pytest.raises(Sb3ScaleError, match=r"x\.yml is not (YAML|UTF-8): ") as caught:
        read_yaml(path)
    assert time.perf_counter() - started < 5
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_aliases_and_merges_of_a_sane_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text("a: &a {b: 1, c: 2}\nd:\n  <<: *a\n  c: 3\ne: [*a, *a]\n")
    for content in (read_yaml(path), read_yaml(path, UniqueLoader)):
        assert content["d"] == {"b": 1, "c": 3}
        assert content["e"] == [{"b": 1, "c": 2}] * 2


def test_a_merge_inside_what_is_merged_may_have_a_key_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text(
        ".net: &net {gamma: 0.9, tau: 0.1}\n"
        ".shared: {inner: &inner {<<: *net, gamma: 0.95}}\n"
        "Own: {<<: *inner, recipe: xqc}\n"
        "Both: {<<: [*inner, *net], tau: 0.2}\n"
    )
    content = read_yaml(path, UniqueLoader)
    assert content == read_yaml(path)
    assert content["Own"] == {"gamma": 0.95, "tau": 0.1, "recipe": "xqc"}
    path.write_text("a: &a {b: 1}\nc: &c {<<: *a, b: 2, b: 3}\nd: {<<: *c}\n")
    with pytest.raises(Sb3ScaleError, match="the key 'b' is there twice; allowed: once"):
        read_yaml(path, UniqueLoader)


def test_a_key_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text("a: {b: 1, b: 2}\n")
    assert read_yaml(path) == {"a": {"b": 2}}
    with pytest.raises(Sb3ScaleError, match="the key 'b' is there twice; allowed: once"):
        read_yaml(path, UniqueLoader)
