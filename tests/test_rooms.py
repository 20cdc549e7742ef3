"""Imports go one way through the rooms of the project."""

from pathlib import Path

from import_graph import ROOT, packages, problems, read_arrows


def test_imports_only_go_down() -> None:
    assert problems(read_arrows(packages(ROOT))) == []


def made(folder: Path, **files: str) -> Path:
    package = folder / "sb3_scale"
    package.mkdir()
    for name, source in files.items():
        (package / f"{name}.py").write_text(source)
    return package


def test_an_arrow_up_and_the_circle_that_it_closes_are_found(tmp_path: Path) -> None:
    late = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sb3_scale.high import A\n"
    package = made(tmp_path, low=late, high="from sb3_scale import low\n")
    arrows = read_arrows([package])
    assert arrows == {("low", "high"): "sb3_scale.low:3", ("high", "low"): "sb3_scale.high:1"}
    up, circle = problems(arrows, "low\nhigh")
    assert up == "low -> high does not go down: sb3_scale.low:3"
    assert circle in ("a circle: low -> high -> low", "a circle: high -> low -> high")


def test_an_import_in_a_function_counts(tmp_path: Path) -> None:
    package = made(tmp_path, low="", high="def f():\n    import sb3_scale.low\n")
    assert problems(read_arrows([package]), "low\nhigh") == []
    assert problems(read_arrows([package]), "low high") == [
        "high -> low does not go down: sb3_scale.high:2"
    ]


def test_a_room_without_a_place_is_named(tmp_path: Path) -> None:
    package = made(tmp_path, low="", high="import sb3_scale.low\n")
    assert problems(read_arrows([package]), "low") == ["room 'high' stands nowhere in ORDER"]


def test_a_plugin_imports_no_other(tmp_path: Path) -> None:
    core = made(tmp_path, low="")
    for name, source in (("a", "import sb3_scale_b\nimport sb3_scale.low"), ("b", "")):
        (tmp_path / f"sb3_scale_{name}").mkdir()
        (tmp_path / f"sb3_scale_{name}" / "__init__.py").write_text(source)
    arrows = read_arrows([core, tmp_path / "sb3_scale_a", tmp_path / "sb3_scale_b"])
    assert problems(arrows, "low") == ["sb3_scale_a -> sb3_scale_b does not go down: sb3_scale_a:1"]
