"""The names in costly.txt are those of tests."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_costly_tests_are_there() -> None:
    for name in Path(__file__).with_name("costly.txt").read_text().splitlines():
        path, _, test = name.partition("::")
        function = test.partition("[")[0]
        assert f"\ndef {function}(" in (ROOT / path).read_text(), name
