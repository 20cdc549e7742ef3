"""Which tests `make test` leaves to `make test-costly`."""

from pathlib import Path

import pytest

COSTLY = Path(__file__).parent / "tests/costly.txt"


# Before what `-m` does not ask for is left out.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of seconds each, most of them one of several that are alike, are slow, too."""
    costly = set(COSTLY.read_text().splitlines())
    for item in items:
        if item.nodeid in costly:
            item.add_marker("slow")
            item.add_marker("costly")
