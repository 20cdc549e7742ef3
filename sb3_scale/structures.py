"""Nested values that users give: how large they may be, and files of YAML that hold them."""

from collections.abc import Iterable, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import yaml

from sb3_scale.errors import Sb3ScaleError, shortened, shown

DEPTH = 50
"""Levels of lists and mappings in each other."""

NODES = 100_000
"""Values in a structure, those that it refers to twice counted twice."""

MOST = 2**63
"""Size of a whole number in a file."""

LIMITS = f"allowed: at most {DEPTH} levels and {NODES} values"


def check_structure(name: str, value: object) -> None:
    """
    :param name: of the argument
    :param value: as the user gave it
    :raises Sb3ScaleError: if it holds itself, or is too deep or too large to be meant
    """
    left = NODES
    level = [value]
    for _ in range(DEPTH):
        level = list(islice((inner for outer in level for inner in _inside(outer)), left + 1))
        left -= len(level)
        if not level:
            return
        if left < 0:
            break
    raise Sb3ScaleError(
        f"{name} has too many values inside each other, or holds itself: {shown(value)}; {LIMITS}"
    )


def _inside(value: object) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return chain(value, value.values())
    return value if isinstance(value, (list, tuple, set, frozenset)) else ()


def check_plain(name: str, value: object) -> None:
    """
    :param name: of the setting
    :param value: of a file of YAML
    :raises Sb3ScaleError: if it holds what JSON cannot, such as a date
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            check_plain(f"{name}.{key}", inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            check_plain(name, inner)
    elif isinstance(value, int) and abs(value) > MOST:
        raise Sb3ScaleError(
            f"{shortened(name)} has a whole number of {value.bit_length()} bits; allowed: up to 64"
        )
    elif not (value is None or isinstance(value, (str, int, float))):
        raise Sb3ScaleError(
            f"{shortened(name)} has {shown(str(value))}, which YAML reads as a "
            f"{type(value).__name__}; allowed: numbers, texts, true, false, null, lists and "
            "mappings; quotes make it text"
        )


class BoundedLoader(yaml.SafeLoader):
    """Reads YAML that has an end once its aliases are written out."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._depth = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """
        :param parent: that the node is in
        :param index: where it is there
        :return: the node
        :raises yaml.YAMLError: if it holds itself, or is too deep or too large
        """
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        is_alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        if self._depth > DEPTH:
            raise yaml.MarkedYAMLError(problem=f"too deep; {LIMITS}", problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias and id(node) not in self._sizes:
            raise yaml.MarkedYAMLError(problem="a value holds itself", problem_mark=mark)
        if node is not None and not is_alias:
            size = 1 + sum(self._sizes[id(inner)] for inner in _children(node))
            self._sizes[id(node)] = size
            if size > NODES:
                raise yaml.MarkedYAMLError(problem=f"too many values; {LIMITS}", problem_mark=mark)
        return node


class UniqueLoader(BoundedLoader):
    """Refuses a mapping with a key twice, of which YAML would keep the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """
        :param anchor: of the mapping
        :return: its node, as it is written: merges are put into it later
        :raises yaml.YAMLError: if a key is there twice
        """
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                problem = f"the key {shown(key.value)} is there twice; allowed: once"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(name)
        return node


def _children(node: yaml.Node) -> Iterable[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [inner for pair in node.value for inner in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else ()


def read_yaml(path: Path, loader: type[BoundedLoader] = BoundedLoader) -> Any:
    """
    :param path: of the file
    :param loader: how to read it
    :return: its content
    :raises Sb3ScaleError: if it cannot be read, is not YAML, or is too deep or too large
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except OSError as error:
        raise Sb3ScaleError(f"'{path}' cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Sb3ScaleError(f"{path} is not UTF-8: {error}") from None
    # PyYAML lets errors of Python through where a tag does not fit its value.
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        text = " ".join(str(error).split())
        raise Sb3ScaleError(f"{path} is not YAML: {text[:300]}") from None
