"""``sb3-scale doctor``."""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from rich.text import Text

from sb3_scale.cli.arguments import add_json
from sb3_scale.cli.output import make_console, print_json
from sb3_scale.entry_points import normalized
from sb3_scale.errors import Sb3ScaleError, shown, suggestion
from sb3_scale.parts import load_target, settings_path
from sb3_scale.plugins import (
    DISABLE_VARIABLE,
    LOAD_VARIABLE,
    Plugin,
    PluginManager,
    manager,
    words_of,
)
from sb3_scale.specs import KINDS, Algorithm, Env, Recipe, Spec, ZooConfig
from sb3_scale.tables import make_table

Status = Literal["ok", "warning", "problem"]
STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}

REQUIRED = ("sb3-scale", "torch", "stable-baselines3", "gymnasium", "numpy")
OPTIONAL = {
    "rl-zoo3": "pip install sb3-scale to train from the command line",
    "sb3-contrib": "pip install sb3-scale, which RL-Zoo needs",
    "optuna": "pip install sb3-scale to search for hyperparameters",
    "sb3-scale-envs": "pip install sb3-scale-envs for the DeepMind Control Suite",
    "dm-control": "pip install sb3-scale-envs for the DeepMind Control Suite",
    "mujoco": "pip install sb3-scale-envs for the DeepMind Control Suite",
    "matplotlib": "pip install sb3-scale for sb3-scale report",
    "tensorboard": "pip install sb3-scale for --tensorboard-log",
}
"""Distributions that only some uses need, with what to do where one is missing."""

OTHER_WAY = "use --gym-packages sb3_scale.zoo.installed, or python -m sb3_scale.zoo train"

DRAW = "sb3_scale_envs.drawing_speed"
GL_VARIABLE = "MUJOCO_GL"
BACKENDS = ("egl", "osmesa")
SOFTWARE = ("llvmpipe", "softpipe", "swrast", "software")
"""Words in the names of renderers that draw on the CPU."""
DRAW_FASTER = (
    "it draws on the CPU; env_kwargs render: {shadows: false} is faster, and so is an NVIDIA GPU "
    "with its own libEGL"
)
INSTALL_GL = "install libegl1 or libosmesa6, for pictures and videos; training needs neither"


AUTOCAST = "autocast: true may train large networks and from images faster, with 8 bits of mantissa"
WORTH_IT = 1.3
"""Gain of products in bfloat16 from which on ``autocast`` may pay."""


@dataclasses.dataclass(frozen=True)
class Check:
    """
    One line of the report.

    :param name: what was looked at
    :param status: a problem breaks something, a warning may be wanted
    :param detail: what was found
    :param hint: what to do about it
    """

    name: str
    status: Status
    detail: str
    hint: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of this subcommand
    """
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """
    :param args: ``json``
    :return: 1 if there is a problem, else 0
    """
    checks = [
        *_versions(),
        _requirements(),
        _custom_envs(),
        *_torch(),
        *_rendering(),
        *_plugins(),
    ]
    if args.json:
        print_json([dataclasses.asdict(check) for check in checks])
    else:
        table = make_table(("check", "status", "found"), ())
        for check in checks:
            found = Text(check.detail)
            if check.hint:
                found.append(f"\n{check.hint}", style="italic")
            table.add_row(check.name, Text(check.status, style=STYLES[check.status]), found)
        make_console().print(table)
    return int(any(check.status == "problem" for check in checks))


def _versions() -> Iterator[Check]:
    yield Check("python", "ok", f"{platform.python_version()} in {sys.prefix}")
    for name in (*REQUIRED, *OPTIONAL):
        try:
            yield Check(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            hint = OPTIONAL.get(name, "pip install --upgrade sb3-scale")
            yield Check(name, "problem" if name in REQUIRED else "warning", "not installed", hint)


def _custom_envs() -> Check:
    # RL-Zoo runs as `python -m`, which looks in the present folder first; this command does not.
    found = PathFinder.find_spec("custom_envs", [str(Path.cwd()), *sys.path])
    if found is None or found.origin is None:
        hint = f"pip install sb3-scale-envs, or {OTHER_WAY}"
        return Check("custom_envs", "warning", "RL-Zoo finds no such module", hint)
    if "sb3_scale.zoo" in Path(found.origin).read_text(errors="replace"):
        return Check("custom_envs", "ok", f"{found.origin} brings sb3_scale into RL-Zoo")
    return Check(
        "custom_envs", "warning", f"{found.origin} comes before that of sb3-scale-envs", OTHER_WAY
    )


def _requirements() -> Check:
    """Other packages may have moved a version out of the range that ours need."""
    answer = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    if "No module named pip" in answer.stderr:
        return Check("requirements", "warning", "not checked, pip is not installed")
    broken = [line for line in answer.stdout.splitlines() if line.startswith("sb3-scale")]
    if broken:
        return Check(
            "requirements", "problem", "; ".join(broken), "pip install --upgrade sb3-scale"
        )
    return Check("requirements", "ok", "versions fit")


def _torch() -> Iterator[Check]:
    # A PyTorch that does not fit the machine's libraries fails at its import.
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Check("PyTorch", "problem", str(error), "https://pytorch.org/get-started/locally")
        return
    yield _accelerator(torch.__version__, torch.version.cuda, torch.cuda.is_available())
    threads = torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    yield Check("CPU threads", "ok", f"PyTorch uses {threads} on {cores} cores")
    yield _bfloat16()


def _accelerator(version: str, cuda: str | None, available: bool) -> Check:
    if available:
        import torch

        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Check("GPU", "ok", f"{', '.join(names)}, CUDA {cuda}")
    if cuda is None and shutil.which("nvidia-smi"):
        hint = "install PyTorch with CUDA: https://pytorch.org/get-started/locally"
        return Check("GPU", "warning", f"PyTorch {version} cannot use it", hint)
    if cuda is not None:
        return Check("GPU", "warning", f"PyTorch {version} finds none", "see nvidia-smi")
    return Check("GPU", "ok", f"none, and PyTorch {version} is for the CPU")


def _bfloat16() -> Check:
    import torch

    from sb3_scale.execution.matmul_precision import bfloat16_gain

    kind = "cuda" if torch.cuda.is_available() else "cpu"
    return _products(kind, bfloat16_gain(torch.device(kind)))


def _products(device: str, gain: float) -> Check:
    detail = f"{gain:.2g} times as many as of float32 in the same time, on {device}"
    return Check("products of bfloat16", "ok", detail, AUTOCAST if gain > WORTH_IT else "")


def _rendering() -> Iterator[Check]:
    if find_spec("sb3_scale_envs") is None:
        yield Check("rendering", "warning", "not tried, sb3-scale-envs is not installed")
        return
    chosen = os.environ.get(GL_VARIABLE, "")
    tries = {
        backend: subprocess.Popen(
            [sys.executable, "-m", DRAW],
            env={**os.environ, GL_VARIABLE: backend},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for backend in sorted({*BACKENDS, *filter(None, [chosen])})
    }
    answers = {backend: process.communicate()[0] for backend, process in tries.items()}
    working = [backend for backend, process in tries.items() if process.returncode == 0]
    if chosen and chosen not in working:
        hint = f"set {GL_VARIABLE}={working[0]}" if working else INSTALL_GL
        yield Check("rendering", "problem", f"{GL_VARIABLE}={chosen} does not work", hint)
    elif not working:
        yield Check("rendering", "warning", "egl and osmesa do not work", INSTALL_GL)
    else:
        yield Check("rendering", "ok", f"{GL_VARIABLE}: {', '.join(working)}")
    for backend in working:
        yield _drawing(backend, json.loads(answers[backend]))


def _drawing(backend: str, found: dict[str, Any]) -> Check:
    """
    :param backend: a value of ``MUJOCO_GL``
    :param found: what :mod:`sb3_scale_envs.drawing_speed` printed
    """
    detail = (
        f"{found['renderer']}, OpenGL {found['version']}: {found['shadows']:.0f} frames of 84x84 "
        f"a second, {found['plain']:.0f} without shadows (cartpole-swingup)"
    )
    software = any(word in found["renderer"].lower() for word in SOFTWARE)
    return Check(f"rendering with {backend}", "ok", detail, DRAW_FASTER if software else "")


def _plugins() -> Iterator[Check]:
    try:
        plugins = manager()
    except Sb3ScaleError as error:
        yield Check("plugins", "problem", str(error), f"change or unset {LOAD_VARIABLE}")
        return
    for plugin in plugins.plugins:
        name = f"plugin {plugin.label}"
        if plugin.status == "active":
            yield Check(name, "ok", f"{len(plugin.specs)} parts")
        elif plugin.status == "blocked":
            hint = f"change or unset {DISABLE_VARIABLE} and {LOAD_VARIABLE} to have its parts"
            yield Check(name, "warning", f"blocked, {plugin.reason}", hint)
        else:
            hint = f"pip install --upgrade {plugin.distribution}, or name it in {DISABLE_VARIABLE}"
            yield Check(name, "problem", f"{plugin.status}, {plugin.reason}", hint)
    known = {name for plugin in plugins.plugins for name in plugin.names}
    for word in words_of(os.environ, DISABLE_VARIABLE):
        if normalized(word) not in known:
            detail = f"names {shown(word)}{suggestion(word, known)}"
            yield Check(DISABLE_VARIABLE, "warning", detail, f"change or unset {DISABLE_VARIABLE}")
    yield from _parts(plugins)


def _parts(plugins: PluginManager) -> Iterator[Check]:
    for kind in KINDS:
        offered = list(plugins.specs(kind))
        for name, count in Counter(spec.name for _, spec in offered).items():
            if count > 1:
                yield _collision(plugins, kind, name)
        for plugin, spec in offered:
            what = f"{kind} '{spec.name}'"
            try:
                _look(spec)
            except Sb3ScaleError as error:
                hint = f"pip install --upgrade {plugin.distribution}"
                yield Check(what, "problem", str(error), hint)
            if _is_left_out(plugin, spec):
                hint = f"another name in {plugin.distribution}"
                yield Check(what, "problem", "left out, its name was taken before", hint)


def _look(spec: Spec) -> None:
    """Read what a part names."""
    if isinstance(spec, Recipe):
        from sb3_scale.recipes import resolve

        resolve.plain({"recipe": spec.name}, spec.algo, None)
    elif isinstance(spec, ZooConfig):
        settings_path(spec)
    else:
        load_target(spec)


def _is_left_out(plugin: Plugin, spec: Spec) -> bool:
    if isinstance(spec, Env):
        from sb3_scale.registration import takes_known_id

        return takes_known_id(plugin, spec)
    if isinstance(spec, Algorithm) and find_spec("rl_zoo3"):
        from sb3_scale.zoo import takes_stock_name

        return takes_stock_name(plugin, spec)
    return False


def _collision(plugins: PluginManager, kind: str, name: str) -> Check:
    owners = [plugin.distribution for plugin, spec in plugins.specs(kind) if spec.name == name]
    hint = f"uninstall one, or name one in {DISABLE_VARIABLE}"
    return Check(f"{kind} '{name}'", "problem", f"offered by {' and '.join(owners)}", hint)
