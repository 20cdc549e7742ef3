"""
The documentation is true: its code runs, its settings make a policy, its commands and links exist.

Run as a script, this file executes the code blocks of the page that its argument names.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import zoo_commands

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


class Fence(NamedTuple):
    language: str
    line: int
    text: str


def fences(page: Path) -> list[Fence]:
    text = page.read_text()
    found = re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [Fence(match[1], text[: match.start(2)].count("\n"), match[2]) for match in found]


def execute(page: Path) -> None:
    """Run the page's Python and build its YAML, in order and in one namespace."""
    namespace = sys.modules["__main__"].__dict__
    for fence in fences(page):
        if fence.language == "python":
            save(fence)
            # Empty lines in front, so that a traceback names the line of the page.
            code = "\n" * fence.line + fence.text
            exec(compile(code, str(page), "exec"), namespace)
        elif fence.language == "yaml" and "\ngrid:" in fence.text:
            check_sweep(fence)
        elif fence.language == "yaml":
            build_tasks(fence)


def save(fence: Fence) -> None:
    """What begins with the name of a file is one, which later blocks may import."""
    named = re.match(r"# (\w+\.py)\n", fence.text)
    if named:
        Path(named[1]).write_text(fence.text)
        sys.path.insert(0, str(Path.cwd()))


def build_tasks(fence: Fence) -> None:
    """A YAML block is a file of settings: check each task as RL-Zoo would, then make its policy."""
    import yaml
    from gymnasium import spaces

    from sb3_scale import ScalePolicy
    from sb3_scale.parts import load_target, spec_of
    from sb3_scale.plugins import manager
    from sb3_scale.recipes import resolve
    from sb3_scale.specs import DiscreteActor, DiscreteCritic
    from sb3_scale.testing.zoo_configs import observations_for
    from sb3_scale.zoo import configs

    named = re.search(r"--algo (\w+)", fence.text)
    algo = named[1] if named else "sac"
    algorithm = load_target(manager().find("algorithm", algo)[1])
    file = re.search(r"--conf-file (\S+)", fence.text)
    recipes = {spec.name for _, spec in manager().specs("recipe")}
    for task, written in yaml.safe_load(fence.text).items():
        settings = resolve.anywhere(written, algo, task)
        assert settings["policy"] == "ScalePolicy", task
        assert "n_timesteps" in settings, task
        configs.check(algo, algorithm, settings)
        if file and file[1] in recipes:
            # The tests of its plugin make its policy.
            continue
        given = settings.get("policy_kwargs", {})
        kinds = {type(spec_of(kind, given[kind])) for kind in ("actor", "critic") if kind in given}
        discrete = not kinds.isdisjoint({DiscreteActor, DiscreteCritic})
        actions = spaces.Discrete(2) if discrete else spaces.Box(-1, 1, (3,))
        parts = {**algorithm.parts_for(actions), **given}
        policy = ScalePolicy(observations_for(parts), actions, lambda _: 1e-3, **parts)
        assert policy.actor.stochastic == algorithm.stochastic_actor


def check_sweep(fence: Fence) -> None:
    """Its first line says how many trainings it asks for."""
    from sb3_scale.sweep.grid import read_sweep, trainings

    path = Path("grid.yml")
    path.write_text(fence.text)
    count = re.search(r"= (\d+) trainings", fence.text)
    assert len(trainings(read_sweep(path))) == int(count[1])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_and_settings(page, tmp_path):
    if not {fence.language for fence in fences(page)} & {"python", "yaml"}:
        return
    answer = zoo_commands.run(tmp_path, __file__, str(page))
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_our_commands_exist(page):
    from sb3_scale.cli import make_parser

    text = page.read_text()
    commands = [line for fence in fences(page) for line in fence.text.splitlines()]
    commands += re.findall(r"`(sb3-scale [^`]*)`", text)
    for command in commands:
        words = command.partition("#")[0].split()
        if words[:1] == ["sb3-scale"]:
            make_parser(words[1:]).parse_args(words[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            made = page.parent.name == "docs" and target in site_pages()
            assert made or (page.parent / target).exists(), target


def site_pages() -> set[str]:
    """What the side bar names: files of docs, and pages that docs/site_hooks.py makes."""
    text = (ROOT / "mkdocs.yml").read_text()
    return set(re.findall(r"[\w/-]+\.md", text[text.index("\nnav:") :]))


def test_the_site_has_every_page():
    assert {page.name for page in PAGES} - site_pages() == {"README.md"}


def test_the_site_has_every_public_module(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import module_pages

    made = dict(module_pages.pages((ROOT / "docs" / "public-modules.md").read_text()))
    assert set(made) == {page for page in site_pages() if page.startswith("reference/")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_equations_are_known(page, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import equations

    for fence in fences(page):
        if fence.language == "math":
            assert "<math" in equations.to_mathml(fence.text)


def test_an_unknown_command_in_an_equation_stops_the_site(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from pymdownx.superfences import SuperFencesException

    import equations

    with pytest.raises(SuperFencesException, match=r"\\fraq is not known in the equation"):
        equations.fence(r"\fraq{1}{2}")


@pytest.mark.slow
def test_the_commands_of_the_tutorial(tmp_path):
    """In order, in one folder, with the few steps of which the page says that they are enough."""
    page = ROOT / "docs" / "tutorial.md"
    few = re.search(r"`-n (\d+)` is enough", page.read_text())[1]
    environment, *_ = [fence for fence in fences(page) if fence.language == "python"]
    (tmp_path / "my_env.py").write_text(environment.text)
    commands = [
        line.split()
        for fence in fences(page)
        if fence.language == "sh"
        for line in fence.text.splitlines()
    ]
    for program, *words in commands:
        if "rl_zoo3.train" in words:
            words[words.index("-n") + 1] = few
        module = words if program == "python" else ["-m", "sb3_scale", *words]
        done = zoo_commands.run(tmp_path, *module)
        assert done.returncode == 0, done.stdout + done.stderr
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    named = re.findall(r"writes `([^`]+)`", page.read_text())
    assert len(named) == 2
    assert set(named) <= left


def test_the_page_of_parts_is_up_to_date(tmp_path):
    made = tmp_path / "parts.md"
    answer = zoo_commands.run(tmp_path, str(ROOT / "docs" / "build_parts.py"), str(made))
    assert answer.returncode == 0, answer.stderr
    page = ROOT / "docs" / "parts.md"
    assert page.read_text() == made.read_text(), "run python docs/build_parts.py"


def test_the_lists_of_parts_are_up_to_date():
    """The table of README.md, and known_parts.json."""
    answer = zoo_commands.run(ROOT, str(ROOT / "docs" / "build_lists.py"), "--check")
    assert answer.returncode == 0, answer.stderr


def test_the_page_of_parts_has_every_part():
    from sb3_scale.plugins import manager
    from sb3_scale.specs import KINDS

    text = (ROOT / "docs" / "parts.md").read_text()
    for kind in KINDS:
        for plugin, spec in manager().specs(kind):
            if plugin.distribution.startswith("sb3-scale"):
                heading = f"`{spec.name}`" if kind == "env" else f"### {spec.name}\n"
                assert heading in text, (kind, spec.name)


def test_an_undocumented_parameter_stops_the_page(tmp_path):
    """A plugin under the name of one of ours has a parameter without a text."""
    module = tmp_path / "bare.py"
    module.write_text(
        "from sb3_scale import Loss, hookimpl\n"
        "from sb3_scale.nn.base import CriticLoss\n"
        "class Bare(CriticLoss):\n"
        "    def __init__(self, weight: float = 1.0) -> None:\n"
        "        super().__init__()\n"
        "@hookimpl\n"
        "def sb3_scale_components():\n"
        "    yield Loss('bare', 'bare:Bare')\n"
    )
    code = (
        "import sys, runpy; from sb3_scale.plugins import manager; import bare; "
        "manager().register(bare, 'bare').distribution = 'sb3-scale'; "
        f"sys.argv[1:] = [{str(tmp_path / 'parts.md')!r}]; "
        f"runpy.run_path({str(ROOT / 'docs' / 'build_parts.py')!r}, run_name='__main__')"
    )
    answer = zoo_commands.run(tmp_path, "-c", code)
    assert answer.returncode == 1
    assert "loss 'bare' has no summary" in answer.stderr
    assert "loss 'bare' does not explain 'weight'" in answer.stderr
    assert not (tmp_path / "parts.md").exists()


def test_the_guide_shows_what_new_plugin_writes(tmp_path):
    import tomllib

    from sb3_scale.cli import new_plugin

    guide = fences(ROOT / "docs" / "writing-a-plugin.md")
    folder = new_plugin.write("my-critic", "critic", tmp_path)
    shown = next(fence.text for fence in guide if fence.text.startswith("my-critic/"))
    listed = {line.split()[0] for line in shown.splitlines()[1:]}
    assert listed == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }
    (entry,) = [tomllib.loads(fence.text) for fence in guide if fence.language == "toml"]
    written = tomllib.loads((folder / "pyproject.toml").read_text())
    assert written["project"]["entry-points"] == entry["project"]["entry-points"]


if __name__ == "__main__":
    execute(Path(sys.argv[1]))
