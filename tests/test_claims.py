"""Every figure of the pages is the one in its file, or the registry says that no file has it."""

import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS))

import claim_values  # noqa: E402
import claims  # noqa: E402


def problems_with(monkeypatch: pytest.MonkeyPatch, page: str, before: str, after: str) -> str:
    """What is said where a page had other words."""
    text = claims.PAGES[page].read_text()
    assert before in text
    claims.prose.cache_clear()
    claims.tables.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", _reading(claims.PAGES[page], text.replace(before, after)))
        found = "\n".join(claims.problems())
    claims.prose.cache_clear()
    claims.tables.cache_clear()
    return found


def _reading(path: Path, text: str):
    original = Path.read_text
    return lambda self, *args, **kwargs: text if self == path else original(self, *args, **kwargs)


def test_every_figure_of_the_pages_is_that_of_its_file():
    assert list(claims.problems()) == []


def test_a_wrong_number_in_a_table_is_found(monkeypatch):
    found = problems_with(monkeypatch, "crossq.md", "734.4 ± 114.1", "744.4 ± 114.1")
    assert found.endswith("'744.4 ± 114.1 (5)' should be 734.36, 114.07, 5")
    assert "'seed': '0'" in found


def test_a_wrong_number_in_a_sentence_is_found(monkeypatch):
    found = problems_with(monkeypatch, "README.md", "36 to 45%", "35 to 45%")
    assert found == (
        "README.md: README.md has no 'ours then took 36 to 45% on two CPU cores of AMD "
        "(45 to 58% eagerly)'"
    )


def test_a_table_that_nobody_listed_is_found(monkeypatch):
    table = "| task | return |\n|---|---|\n| walker-run | 12 |\n\n# SimBa"
    found = problems_with(monkeypatch, "simba.md", "# SimBa", table)
    assert found == "simba.md, : the table 'task | return' is not in docs/claims.yml"


def test_a_picture_that_nobody_listed_is_found(monkeypatch):
    found = problems_with(monkeypatch, "simba.md", "## Idea", "![new](results/new.png)\n\n## Idea")
    assert found == "simba.md shows new.png, which is not among figures"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0.99 (0.98-1.01)", [0.99, 0.98, 1.01]),
        ("-1008, 1.6e6", [-1008, 1.6e6]),
        ("330, 256", [330, 256]),
        ("10,292,302", [10292302]),
        ("43%", [0.43]),
        ("not run, dog-run, v5", []),
    ],
)
def test_numbers_of_a_cell(text, numbers):
    assert [value for value, _ in claim_values.quoted(text)] == pytest.approx(numbers)


@pytest.mark.parametrize(
    ("text", "agrees"), [("27.0", True), ("27", True), ("26.9", False), ("27.00", False)]
)
def test_a_number_is_as_exact_as_its_digits(text, agrees):
    claim = {"csv": "asymmetry-crossq.csv", "where": {"loss": "adaptive"}, "of": "return"}
    assert (claim_values.differences(text, [claim]) == "") is agrees
