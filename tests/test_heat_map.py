"""Labels of a sweep in its picture and its table, whatever is in them."""

import matplotlib
import pandas
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from sb3_scale.sweep import heat_map
from sb3_scale.tables import markdown_table

LABELS = [r"$\alpha_$ big", "$x$", "a|b"]


def test_a_label_is_no_formula(tmp_path, monkeypatch):
    figures: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda *a, **b: (figures.append(a[0]), save(*a, **b)))
    cells = pandas.DataFrame(
        [
            {"$a$": one, "b_$": other, "c": third, "mean": 1.0, "seeds": 1, "failed": 0}
            for one in LABELS for other in LABELS for third in LABELS
        ]
    )  # fmt: skip
    heat_map.draw(cells, ("$a$", "b_$", "c"), tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as picture:
        picture.load()
    texts = figures[0].findobj(Text)
    assert {text.get_text() for text in texts} >= {*LABELS, "$a$", "b_$"}
    assert not any(text.get_parse_math() for text in texts)
    assert matplotlib.rcParams["text.parse_math"]


@pytest.mark.parametrize(
    ("text", "cell"),
    [("a|b", r"a\|b"), (r"a\|b", r"a\|b"), ("a\nb", "a b"), ("$x_1$", "$x_1$"), ("", "")],
)
def test_a_cell_of_a_table_stays_one(text, cell):
    assert markdown_table([text, "y"], [["1", text]]).splitlines() == [
        f"| {cell} | y |",
        "| --- | --- |",
        f"| 1 | {cell} |",
    ]
