"""Every figure of the pages is the one in its file, or the registry says that no file has it."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS))

import claim_values  # noqa: E402
import claims  # noqa: E402


@cache
def known() -> tuple[str, ...]:
    """What the pages as they are say wrongly, which is the business of one test alone."""
    return tuple(claims.problems())


def problems_with(monkeypatch: pytest.MonkeyPatch, page: str, before: str, after: str) -> str:
    """What else is said where a page had other words."""
    before_it = known()
    text = claims.PAGES[page].read_text()
    assert before in text
    claims.prose.cache_clear()
    claims.tables.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", _reading(claims.PAGES[page], text.replace(before, after)))
        found = "\n".join(problem for problem in claims.problems() if problem not in before_it)
    claims.prose.cache_clear()
    claims.tables.cache_clear()
    return found


def _reading(path: Path, text: str):
    original = Path.read_text
    return lambda self, *args, **kwargs: text if self == path else original(self, *args, **kwargs)


def test_every_figure_of_the_pages_is_that_of_its_file():
    assert known() == ()


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


@pytest.mark.parametrize(
    ("words", "sign"),
    [
        ("Three seeds reached 812, commit 1234abc.", "commit 1234abc"),
        ("Of 2026-12-01, one thread: 91 decisions per second.", "2026-12-01"),
        ("A step takes 3 ms.", "3 ms"),
        ("All evaluations: [simba.csv](results/simba.csv).", "results/simba.csv"),
    ],
)
def test_a_section_of_results_that_nobody_listed_is_found(monkeypatch, words, sign):
    found = problems_with(monkeypatch, "simba.md", "Neither has been run to the end here.", words)
    assert found == (f"simba.md, What differs: nothing is in docs/claims.yml of what has '{sign}'")


def test_a_paragraph_of_results_with_bold_words_is_a_section(monkeypatch):
    words = "**Four seeds.** Median of four: 812.\n\n## What differs from the paper, and why"
    found = problems_with(monkeypatch, "crossq.md", words[words.index("##") :], words)
    assert found == "crossq.md, Four seeds.: nothing is in docs/claims.yml of what has 'Median of'"


def test_a_mean_with_its_deviation_that_nobody_listed_is_found(monkeypatch):
    words = "Where the actor can do without them"
    found = problems_with(monkeypatch, "dict.md", words, f"SAC got 5.1 ± 0.2. {words}")
    assert found == "dict.md: '5.1 ± 0.2' is not in docs/claims.yml"


def test_what_is_said_to_have_no_file_stands_on_its_page(monkeypatch):
    found = problems_with(monkeypatch, "sweep.md", "ours did in 8%", "ours did in 9%")
    text = "it wrongly told two equal labels apart in 18 to 21% of cases at 0.1; ours did in 8%."
    assert found == f"sweep.md has no '{text}'"


def test_a_picture_that_nobody_listed_is_found(monkeypatch):
    found = problems_with(monkeypatch, "simba.md", "## Idea", "![new](results/new.png)\n\n## Idea")
    assert found == "simba.md shows new.png, which is not among figures"


def test_the_commit_of_a_file_is_the_last_that_changed_it():
    git = ["git", "-C", str(DOCS)]
    shallow = subprocess.run([*git, "rev-parse", "--is-shallow-repository"], capture_output=True)
    if shallow.stdout.strip() != b"false":
        pytest.skip("the history is not here")
    changes = "log --full-history --cc --name-only --format=commit/%H -- results/*.csv".split()
    last: dict[str, str] = {}
    told = subprocess.run([*git, *changes], capture_output=True, text=True, check=True).stdout
    for folder, name in (line.rsplit("/", 1) for line in told.splitlines() if line):
        if folder == "commit":
            commit = name
        else:
            last.setdefault(name, commit)
    files = claims.registry()["files"]
    named = {name: entry["commit"] for name, entry in files.items()}
    assert named == {name: last.get(name, "")[: len(commit)] for name, commit in named.items()}


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


@pytest.mark.parametrize(("least", "figures"), [(0, [15.0, 39.0]), (40000, [35.1, 37.4])])
def test_rows_from_a_number_on(least, figures):
    claim = {"csv": "mixed-diagnostics.csv", "where": {"key": "train/extractor_loss"}}
    claim |= {"from": {"decisions": least}, "of": "value", "by": ["min", "max"]}
    assert claim_values.computed(claim) == pytest.approx(figures, abs=0.05)


def test_the_range_of_values():
    claim = {"csv": "asymmetry-crossq.csv", "of": "return"}
    least, greatest = claim_values.computed({**claim, "by": ["min", "max"]})
    assert claim_values.computed({**claim, "by": "range"}) == [greatest - least]
