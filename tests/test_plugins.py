"""Plugins as real distributions on the path of a new process: found, guarded, blocked, reported."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sb3_scale import SAC, Critic, Sb3ScaleError, hookimpl, plugins
from sb3_scale.parts import build
from sb3_scale.plugins import PluginManager

GOOD = """
from sb3_scale import Critic, Loss, hookimpl

@hookimpl
def sb3_scale_components():
    yield Critic("{name}", "{module}_parts:Part")
    yield Loss("{name}-loss", "{module}_parts:Lost")
"""

ENVIRONMENT = """
from sb3_scale import Env, hookimpl

@hookimpl
def sb3_scale_components():
    yield Env("{name}", "gymnasium.envs.classic_control:PendulumEnv")
"""

RECORDS = """
from sb3_scale.plugins import manager
answer = {
    p.distribution: [p.name, p.status, p.reason, [f"{s.kind}:{s.name}" for s in p.specs]]
    for p in manager().plugins if not p.distribution.startswith("sb3-scale")
}
"""

FIND = """
from sb3_scale import Sb3ScaleError
from sb3_scale.plugins import manager
try:
    answer = manager().find(*wanted)[0].distribution
except Sb3ScaleError as error:
    answer = str(error)
"""


class Place:
    """A folder on the path of new processes, where distributions are installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, distribution: str, source: str | None = None, point: str = "") -> None:
        """Write what an installer writes: the module, its metadata and its entry point."""
        module = distribution.replace("-", "_")
        point = point or distribution
        source = GOOD.format(name=point, module=module) if source is None else source
        mark = f"open(__file__ + '.imported', 'w').close()\n{source}"
        (self.folder / f"{module}.py").write_text(mark)
        (self.folder / f"{module}_parts.py").write_text("class Part:\n    pass\n")
        info = self.folder / f"{module}-0.1.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n"
        )
        info.joinpath("entry_points.txt").write_text(f"[sb3_scale]\n{point} = {module}\n")

    def imported(self, distribution: str) -> bool:
        return (self.folder / f"{distribution.replace('-', '_')}.py.imported").exists()

    def run(self, program: str, wanted: Any = None, **environ: str) -> Any:
        """What ``program`` leaves in ``answer``, with ``wanted`` given to it."""
        done = subprocess.run(
            [sys.executable, "-c", f"import json\nwanted = {wanted!r}\n{program}\n"
             "print(json.dumps(answer))"],
            env={**os.environ, "PYTHONPATH": str(self.folder), **environ},
            capture_output=True,
            text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def records(self, **environ: str) -> dict[str, list[Any]]:
        return self.run(RECORDS, **environ)

    def find(self, *wanted: str, **environ: str) -> str:
        return self.run(FIND, wanted, **environ)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_plugin_is_found(place: Place) -> None:
    place.install("acme")
    assert place.records() == {"acme": ["acme", "active", "", ["critic:acme", "loss:acme-loss"]]}
    assert place.find("critic", "acme") == "acme"


FAULTS = {
    "import": ("import absent_module", "ModuleNotFoundError: No module named 'absent_module'"),
    "raises": ("raise RuntimeError('broken')", "RuntimeError: broken"),
    "no-hook": (
        "parts = []",
        "Sb3ScaleError: has no function marked @hookimpl; allowed: sb3_scale_components",
    ),
    "unmarked": (
        "def sb3_scale_components(): return []",
        "Sb3ScaleError: has no function marked @hookimpl; allowed: sb3_scale_components",
    ),
    "misspelled": (
        "from sb3_scale import hookimpl\n@hookimpl\ndef sb3_scale_componets(): return []",
        "Sb3ScaleError: unknown hook 'sb3_scale_componets'; allowed: sb3_scale_components; "
        "did you mean 'sb3_scale_components'?",
    ),
    "hook-raises": (
        GOOD.format(name="x", module="x") + "    raise KeyError('deep')",
        "KeyError: 'deep'",
    ),
    "rubbish": (
        "from sb3_scale import hookimpl\n@hookimpl\ndef sb3_scale_components(): return ['mine']",
        "TypeError: sb3_scale_components gave 'mine', which is none of the specs Network, Norm, "
        "Constraint, Actor, Critic, Value, Reduction, Extractor, Loss, Optimizer, ReplayBuffer, "
        "Transform, Collector, Callback, Algorithm, Env, EnvBackend, ZooConfig, Recipe",
    ),
    "panics": (
        "class Panic(BaseException): pass\nraise Panic('called `unwrap()`\\non a `None` value')",
        "Panic: called `unwrap()` on a `None` value",
    ),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "exits": ("import sys\nsys.exit('no licence')", "SystemExit: no licence"),
    "hook-exits": (GOOD.format(name="x", module="x") + "    exit()", "SystemExit: None"),
    "speechless": (
        "class Mute(Exception):\n    def __str__(self): return 1 / 0\nraise Mute",
        "Mute, whose message cannot be made",
    ),
    "prints": (
        "import os\nprint('hello')\nos.write(1, b'from C')\nos.system('echo child')\n1 / 0",
        "ZeroDivisionError: division by zero",
    ),
    "syntax": ("def :", "SyntaxError: invalid syntax (bad_syntax.py, line 2)"),
    "name": (
        "from sb3_scale import Env, hookimpl\n@hookimpl\n"
        "def sb3_scale_components(): return [Env(['x'], 'y:Z')]",
        "TypeError: env ['x'] has ['x'] as 'name'; allowed: str",
    ),
    "kwargs": (
        "from sb3_scale import Env, hookimpl\n@hookimpl\n"
        "def sb3_scale_components(): return [Env('x', 'y:Z', kwargs=None)]",
        "TypeError: env 'x' has None as 'kwargs'; allowed: Mapping",
    ),
    "own-spec": (
        "from sb3_scale import Spec, hookimpl\nclass Own(Spec): kind = 'own'\n@hookimpl\n"
        "def sb3_scale_components(): return [Own('x', 'y:Z')]",
        "TypeError: sb3_scale_components gave Own(name='x', target='y:Z', summary='', "
        "reference='', equation=''), which is none of the specs Network, Norm, Constraint, Actor, "
        "Critic, Value, Reduction, Extractor, Loss, Optimizer, ReplayBuffer, Transform, "
        "Collector, Callback, Algorithm, Env, EnvBackend, ZooConfig, Recipe",
    ),
    "forgets-yield": (
        "from sb3_scale import Critic, hookimpl\n@hookimpl\n"
        "def sb3_scale_components(): [Critic('x', 'y:Z')]",
        "Sb3ScaleError: sb3_scale_components gave nothing; allowed: specs in a list, or by yield",
    ),
    "one-spec": (
        "from sb3_scale import Critic, hookimpl\n@hookimpl\n"
        "def sb3_scale_components(): return Critic('x', 'y:Z')",
        "Sb3ScaleError: sb3_scale_components gave the spec Critic(name='x', target='y:Z', "
        "summary='', reference='', equation='') itself; allowed: specs in a list, or by yield",
    ),
    "twice": (
        GOOD.format(name="x", module="x") + "    yield Critic('x', 'y:Z')",
        "Sb3ScaleError: critic 'x' is offered 2 times; allowed: once",
    ),
    "colon": (
        GOOD.format(name="a:b", module="x"),
        "ValueError: critic 'a:b' has ':' in its name; allowed: names without, as in KIND:NAME",
    ),
    "no-algo": (
        "from sb3_scale import Recipe, hookimpl\n@hookimpl\n"
        "def sb3_scale_components(): yield Recipe('x', 'y:z.yml')",
        "ValueError: recipe 'x' has no algo; allowed: the name of its algorithm, as algo='sac'",
    ),
    "no-list": (
        "from sb3_scale import hookimpl\n@hookimpl\ndef sb3_scale_components(): return 3",
        "TypeError: 'int' object is not iterable",
    ),
}


def test_faulty_plugins_are_recorded_and_the_others_load(place: Place) -> None:
    for name, (source, _) in FAULTS.items():
        place.install(f"bad-{name}", source)
    place.install("zebra")  # its name comes last, after all faults
    records = place.records()
    assert records.pop("zebra")[1] == "active"
    expected = {
        f"bad-{name}": [f"bad-{name}", "failed", reason, []] for name, (_, reason) in FAULTS.items()
    }
    assert records == expected


@pytest.mark.parametrize("point", ["= nothing", "bad = :", "bad = bad_point:Absent", "bad = a b"])
def test_an_entry_point_that_names_nothing_stops_nothing(
    point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Place(tmp_path).install("bad-point")
    (tmp_path / "bad_point-0.1.dist-info/entry_points.txt").write_text(f"[sb3_scale]\n{point}\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = {plugin.distribution: plugin for plugin in PluginManager({}).plugins}
    assert found["sb3-scale"].status == "active"
    assert found["bad-point"].status == "failed"
    assert found["bad-point"].reason


def test_a_file_of_entry_points_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    Place(tmp_path).install("bad-file")
    (tmp_path / "bad_file-0.1.dist-info/entry_points.txt").write_bytes(b"[sb3_scale]\n\xff = x\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert PluginManager({}).plugins[0].status == "active"
    error = capsys.readouterr().err
    assert error.startswith("the entry points of bad-file cannot be read: UnicodeDecodeError: ")


def test_ctrl_c_while_a_plugin_loads_stays_what_it_is() -> None:
    class Slow:
        @hookimpl
        def sb3_scale_components(self):
            os.kill(os.getpid(), signal.SIGINT)
            return []

    # In the background a shell has it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            PluginManager({}).register(Slow(), "slow")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_slow_plugins_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    class Slow:
        @hookimpl
        def sb3_scale_components(self):
            print("I am slow")
            return []

    manager = PluginManager({})
    monkeypatch.setattr(plugins, "SLOW", 0.0)
    manager.register(Slow(), "slow")
    out, err = capsys.readouterr()
    assert out == ""
    greeting, told = err.splitlines()
    assert greeting == "I am slow"
    assert re.fullmatch(r"plugin 'slow' \(\(this process\) -\) took \d+\.\d s to load", told)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys\nsys.exit('no licence found')", "SystemExit: no licence found"),
        ("class Panic(BaseException): pass\nraise Panic", "Panic"),
        ("Part = 3", "is 3 \\(int\\) in '.*'; allowed: a class or a function"),
    ],
)
def test_code_of_a_part_that_ends_the_process_is_a_sentence(
    code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"acme_{abs(hash(code))}"
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)

    class Offer:
        @hookimpl
        def sb3_scale_components(self):
            yield Critic("ends", f"{name}:Part")

    plugins.manager().register(Offer(), "ends")
    try:
        with pytest.raises(Sb3ScaleError, match=f"critic 'ends' .*{message}$"):
            build("critic", "ends", 3, 1)
    finally:
        plugins.manager().unregister("ends")


@pytest.mark.parametrize(
    ("variable", "wanted"),
    [(plugins.DISABLE_VARIABLE, "blocked"), (plugins.LOAD_VARIABLE, "active")],
)
@pytest.mark.parametrize("name", ["sb3_scale_crossq", "SB3-Scale-CrossQ", "sb3.scale..crossq"])
def test_names_are_read_as_pip_reads_them(name: str, variable: str, wanted: str) -> None:
    found = {plugin.name: plugin.status for plugin in PluginManager({variable: name}).plugins}
    assert found["crossq"] == wanted


def test_a_part_of_a_faulty_plugin_says_why_it_is_missing(place: Place) -> None:
    place.install("acme-good")
    place.install("acme-nets", "import absent_module", "nets")
    place.install("other", "raise RuntimeError('x')")
    message = place.find("critic", "nets-critic")
    known = "acme-good, discrete-ensemble, ensemble"
    assert message.startswith(f"there is no critic 'nets-critic'; allowed: {known}")
    # The plugin whose name is nearest comes first.
    assert (
        "; plugin 'nets' (acme-nets 0.1) may have it: failed, ModuleNotFoundError: "
        "No module named 'absent_module'; plugin 'other' (other 0.1) may have it: failed, "
        "RuntimeError: x" in message
    )
    assert place.find("critic", "nets-critic", "acme-nets") == (
        "there is no critic 'nets-critic'; it came from plugin 'nets' (acme-nets 0.1), failed, "
        "ModuleNotFoundError: No module named 'absent_module'"
    )


NESTED = """
import sb3_scale.zoo
from rl_zoo3 import ALGOS
import gymnasium
from sb3_scale.plugins import manager
sb3_scale.zoo.install()
answer = [
    [p.reason for p in manager().plugins if p.status != "active"],
    ALGOS["my-sac"].__name__,
    [name in gymnasium.registry for name in ("first-v0", "second-v0", "dog-run")],
]
"""


def test_a_plugin_whose_module_imports_an_algorithm_of_ours_is_complete(place: Place) -> None:
    place.install("acme-first", ENVIRONMENT.format(name="first-v0"))
    place.install(
        "acme-nested",
        "from sb3_scale import SAC, Algorithm, hookimpl\nclass MySAC(SAC): pass\n@hookimpl\n"
        "def sb3_scale_components(): yield Algorithm('my-sac', 'acme_nested:MySAC')",
    )
    place.install("acme-second", ENVIRONMENT.format(name="second-v0"))
    assert place.run(NESTED) == [[], "MySAC", [True, True, True]]


def test_two_distributions_with_one_entry_point_name(place: Place) -> None:
    place.install("acme-b", point="same")
    place.install("acme-a", point="same")
    records = place.records()
    assert records["acme-a"][:3] == ["same", "active", ""]
    reason = "its name is taken by the distribution acme-a"
    assert records["acme-b"] == ["same", "duplicate", reason, []]
    assert not place.imported("acme-b")


def test_the_second_of_one_name_loads_when_the_first_is_blocked(place: Place) -> None:
    place.install("acme-a", point="same")
    place.install("acme-b", point="same")
    records = place.records(SB3_SCALE_DISABLE_PLUGINS="acme-a")
    assert records["acme-a"][1] == "blocked"
    assert records["acme-b"][1] == "active"


def test_one_part_in_two_plugins(place: Place) -> None:
    place.install("acme-a", GOOD.format(name="same", module="acme_a"), "a")
    place.install("acme-b", GOOD.format(name="same", module="acme_b"), "b")
    assert place.find("critic", "same") == (
        "critic 'same' is offered by acme-a and acme-b: uninstall one, or choose with "
        "SB3_SCALE_DISABLE_PLUGINS=acme-a or acme-b"
    )
    assert place.find("critic", "same", SB3_SCALE_DISABLE_PLUGINS="acme-a") == "acme-b"
    assert place.find("critic", "same", SB3_SCALE_DISABLE_PLUGINS=" b , zzz") == "acme-a"
    assert place.find("critic", "same", SB3_SCALE_DISABLE_PLUGINS="zzz;b yyy") == "acme-a"


def test_a_part_of_the_core_cannot_be_taken_over_silently(place: Place) -> None:
    place.install("acme", GOOD.format(name="ensemble", module="acme"))
    message = place.find("critic", "ensemble")
    assert message.startswith("critic 'ensemble' is offered by sb3-scale and acme: ")


@pytest.mark.parametrize("name", ["acme-point", "acme"])
def test_blocked_plugins_are_never_imported(place: Place, name: str) -> None:
    place.install("acme", point="acme-point")
    place.install("free")
    records = place.records(SB3_SCALE_DISABLE_PLUGINS=name)
    assert records["acme"] == ["acme-point", "blocked", "named in SB3_SCALE_DISABLE_PLUGINS", []]
    assert records["free"][1] == "active"
    assert (place.imported("acme"), place.imported("free")) == (False, True)


def test_only_the_named_plugins_are_imported(place: Place) -> None:
    for name in ("acme", "free", "third"):
        place.install(name)
    records = place.records(SB3_SCALE_LOAD_PLUGINS="free, third", SB3_SCALE_DISABLE_PLUGINS="third")
    assert records["acme"][1:3] == ["blocked", "not named in SB3_SCALE_LOAD_PLUGINS"]
    assert [records[name][1] for name in ("free", "third")] == ["active", "blocked"]
    assert [place.imported(name) for name in ("acme", "free", "third")] == [False, True, False]
    assert place.find("critic", "ensemble", SB3_SCALE_LOAD_PLUGINS="free") == "sb3-scale"


def test_typo_in_the_names_to_load(place: Place) -> None:
    place.install("acme")
    message = place.find("critic", "acme", SB3_SCALE_LOAD_PLUGINS="acne")
    assert message.startswith(
        "SB3_SCALE_LOAD_PLUGINS names 'acne'; allowed: acme, apex, asymmetric, "
    )
    assert message.endswith("; did you mean 'acme'?")
    assert not place.imported("acme")


@pytest.mark.parametrize("name", ["core", "sb3-scale"])
def test_the_core_cannot_be_blocked(place: Place, name: str) -> None:
    assert place.find("critic", "ensemble", SB3_SCALE_DISABLE_PLUGINS=name) == "sb3-scale"


def test_target_that_cannot_be_imported(place: Place) -> None:
    place.install("acme")
    (place.folder / "acme_parts.py").write_text("Part = 1 / 0\n")
    build = FIND.replace("manager().find(*wanted)[0].distribution", "build(*wanted)")
    build = "from sb3_scale.parts import build\n" + build
    start = " of plugin 'acme' (acme 0.1) cannot be imported from 'acme_parts:"
    reason = "ZeroDivisionError: division by zero"
    assert place.run(build, ("critic", "acme")) == f"critic 'acme'{start}Part': {reason}"
    (place.folder / "acme_parts.py").write_text("class Part: pass\n")
    message = place.run(build, ("loss", "acme-loss"))
    reason = "AttributeError: module 'acme_parts' has no attribute 'Lost'"
    assert message == f"loss 'acme-loss'{start}Lost': {reason}"


TRAIN = """
from sb3_scale import SAC
SAC("ScalePolicy", "Pendulum-v1", policy_kwargs={"critic": "acme"}, buffer_size=100,
    learning_starts=5, batch_size=4, device="cpu").learn(10).save(wanted)
answer = "saved"
"""


def test_checkpoint_names_the_package_of_a_missing_plugin(place: Place, tmp_path: Path) -> None:
    place.install("acme-nets", GOOD.format(name="acme", module="acme_nets"))
    target = "from sb3_scale.nn.critics import EnsembleCritic as Part\n"
    (place.folder / "acme_nets_parts.py").write_text(target)
    path = str(tmp_path / "model.zip")
    assert place.run(TRAIN, path) == "saved"
    # This process does not have the plugin.
    with pytest.raises(Sb3ScaleError) as caught:
        SAC.load(path, device="cpu")
    assert str(caught.value) == (
        "there is no critic 'acme'; it came from acme-nets, which is not installed: "
        "pip install acme-nets"
    )


class Offer:
    """A plugin made in this process."""

    @hookimpl
    def sb3_scale_components(self) -> list[Critic]:
        return [Critic("by-hand", "sb3_scale.nn.critics:EnsembleCritic")]


def test_register_by_hand() -> None:
    plugins = PluginManager({})
    assert plugins.register(Offer(), "mine").status == "active"
    assert plugins.find("critic", "by-hand")[0].name == "mine"
    with pytest.raises(Sb3ScaleError, match=r"^there is a plugin named 'mine' already$"):
        plugins.register(Offer(), "mine")
    with pytest.raises(Sb3ScaleError, match=r"^there is a plugin named 'core' already$"):
        plugins.register(Offer(), "core")
    assert plugins.register(object(), "empty").status == "failed"


@pytest.mark.parametrize(
    ("kind", "name", "package"),
    [
        ("recipe", "bro", "sb3-scale-bro"),
        ("network", "modern", "sb3-scale-spectral"),
        ("algorithm", "td2", "sb3-scale-asymmetric"),
        ("env", "dog-run", "sb3-scale-envs"),
    ],
)
def test_a_part_of_ours_that_is_not_installed_names_its_package(
    kind: str, name: str, package: str
) -> None:
    plugins = PluginManager({})
    plugins.unregister(plugins.find(kind, name)[0].name)
    assert plugins.missing_package(kind, name) == package
    with pytest.raises(Sb3ScaleError) as caught:
        plugins.find(kind, name)
    assert str(caught.value) == (
        f"there is no {kind} '{name}'; it comes with {package}: pip install {package}"
    )


def test_nothing_is_missing_of_what_is_installed_or_unknown() -> None:
    plugins = PluginManager({"SB3_SCALE_DISABLE_PLUGINS": "bro"})
    assert plugins.missing_package("network", "bronet") == ""
    assert plugins.missing_package("network", "mlp") == ""
    assert plugins.missing_package("colour", "blue") == ""


def test_unregistered_parts_are_forgotten() -> None:
    plugins = PluginManager({})
    plugins.register(Offer(), "mine")
    plugins.unregister("mine")
    assert [plugin.name for plugin in plugins.plugins if plugin.name == "mine"] == []
    with pytest.raises(Sb3ScaleError) as caught:
        plugins.find("critic", "by-hand")
    assert str(caught.value).startswith("there is no critic 'by-hand'; allowed: ")
    assert "by-hand" not in str(caught.value).partition("allowed")[2]
    plugins.register(Offer(), "mine")
    assert plugins.find("critic", "by-hand")[0].name == "mine"
