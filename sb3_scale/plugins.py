"""
Finds plugins, loads them one by one behind a guard, and answers look-ups of their parts.

pluggy carries the hooks. Loading is our own because pluggy's skips a second distribution with the
same entry-point name without a word, and stops at the first plugin that raises.
"""

import difflib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from importlib.resources import files
from types import ModuleType
from typing import Literal

import pluggy

from sb3_scale import hookspecs
from sb3_scale.entry_points import entry_points, normalized
from sb3_scale.errors import Sb3ScaleError, shown, suggestion
from sb3_scale.guard import importing
from sb3_scale.notices import notice
from sb3_scale.offers import check_hooks, specs_of
from sb3_scale.specs import Spec

CORE = "core"
"""The plugin of the built-in parts; it cannot be blocked."""

DISABLE_VARIABLE = "SB3_SCALE_DISABLE_PLUGINS"
LOAD_VARIABLE = "SB3_SCALE_LOAD_PLUGINS"

SLOW = 2.0
"""Seconds after which the loading of a plugin is told: every command waits for it."""

Status = Literal["active", "blocked", "failed", "duplicate"]


@dataclass
class Plugin:
    """
    What is known of one plugin.

    :param name: name of its entry point
    :param distribution: the package that brings it
    :param version: version of that package
    :param module: the module that the entry point names
    :param status: ``active``, ``blocked`` by an environment variable, ``failed`` or ``duplicate``
    :param reason: why it is not active
    :param specs: its parts
    """

    name: str
    distribution: str
    version: str
    module: str
    status: Status = "active"
    reason: str = ""
    specs: list[Spec] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Name, distribution and version for messages."""
        return f"'{self.name}' ({self.distribution} {self.version})"

    @property
    def names(self) -> set[str]:
        """By which the environment variables may call it, in the spelling of :func:`normalized`."""
        return {normalized(self.name), normalized(self.distribution)}


class PluginManager:
    """
    The installed plugins and their parts.

    :param environ: environment variables to read, those of the process by default
    :param publish: gets the manager before the first plugin is loaded
    :raises Sb3ScaleError: if ``SB3_SCALE_LOAD_PLUGINS`` names a plugin that is not installed
    """

    def __init__(
        self,
        environ: "os._Environ[str] | dict[str, str]" = os.environ,
        publish: "Callable[[PluginManager], None]" = lambda _: None,
    ) -> None:
        self.pluggy = pluggy.PluginManager(hookspecs.PROJECT)
        self.pluggy.add_hookspecs(hookspecs)
        self.plugins: list[Plugin] = []
        self._owners: dict[tuple[str, str], list[tuple[Plugin, Spec]]] = {}
        self._waiting: list[Callable[[], None]] | None = []
        publish(self)
        self._load_entry_points(_names(environ, LOAD_VARIABLE), _names(environ, DISABLE_VARIABLE))

    def _load_entry_points(self, only: set[str], disabled: set[str]) -> None:
        found = [
            (Plugin(point.name, name, version, point.value), point)
            for name, version, point in entry_points()
        ]
        names = {name for plugin, _ in found for name in plugin.names}
        for name in sorted(only - names):
            raise Sb3ScaleError(f"{LOAD_VARIABLE} names {shown(name)}{suggestion(name, names)}")
        for plugin, point in found:
            twin = self._owner(plugin.name)
            self.plugins.append(plugin)
            if plugin.distribution != "sb3-scale" and disabled & plugin.names:
                plugin.status, plugin.reason = "blocked", f"named in {DISABLE_VARIABLE}"
            elif plugin.distribution != "sb3-scale" and only and not only & plugin.names:
                plugin.status, plugin.reason = "blocked", f"not named in {LOAD_VARIABLE}"
            elif twin is not None:
                plugin.status = "duplicate"
                plugin.reason = f"its name is taken by the distribution {twin.distribution}"
            else:
                self._activate(plugin, point)
        waiting, self._waiting = self._waiting or [], None
        for each in waiting:
            each()

    def when_complete(self, then: Callable[[], None]) -> None:
        """
        :param then: to be called now, or, while plugins are still loaded, after the last of them
        """
        if self._waiting is None:
            then()
        else:
            self._waiting.append(then)

    def _owner(self, name: str) -> Plugin | None:
        same = (plugin for plugin in self.plugins if plugin.name == name)
        return next((plugin for plugin in same if plugin.status != "blocked"), None)

    def _activate(
        self, plugin: Plugin, source: "metadata.EntryPoint | ModuleType | object"
    ) -> None:
        start = time.monotonic()
        try:
            with importing():
                plugin.specs.extend(self._load(plugin.name, source))
        except Sb3ScaleError as error:
            plugin.status, plugin.reason = "failed", str(error)
            return
        finally:
            if (seconds := time.monotonic() - start) > SLOW:
                notice(f"plugin {plugin.label} took {seconds:.1f} s to load")
        for spec in plugin.specs:
            self._owners.setdefault((spec.kind, spec.name), []).append((plugin, spec))

    def _load(self, name: str, source: "metadata.EntryPoint | ModuleType | object") -> list[Spec]:
        module = source.load() if isinstance(source, metadata.EntryPoint) else source
        check_hooks(module)
        self.pluggy.register(module, name)
        hook = self.pluggy.subset_hook_caller(
            "sb3_scale_components",
            [other for other in self.pluggy.get_plugins() if other is not module],
        )
        return specs_of(hook())

    def register(self, module: "ModuleType | object", name: str) -> Plugin:
        """
        Add a plugin by hand, for notebooks and tests.

        :param module: an object with the hook ``sb3_scale_components``
        :param name: its name in the records
        :return: the record, which says whether it failed
        :raises Sb3ScaleError: if there is a plugin with that name
        """
        if any(plugin.name == name for plugin in self.plugins):
            raise Sb3ScaleError(f"there is a plugin named '{name}' already")
        plugin = Plugin(name, "(this process)", "-", getattr(module, "__name__", repr(module)))
        self.plugins.append(plugin)
        self._activate(plugin, module)
        return plugin

    def unregister(self, name: str) -> None:
        """
        Forget a plugin that :meth:`register` added.

        :param name: its name in the records
        """
        if self.pluggy.has_plugin(name):
            self.pluggy.unregister(name=name)
        self.plugins = [plugin for plugin in self.plugins if plugin.name != name]
        kept = {
            key: [owner for owner in owners if owner[0].name != name]
            for key, owners in self._owners.items()
        }
        self._owners = {key: owners for key, owners in kept.items() if owners}

    def specs(self, kind: str) -> Iterator[tuple[Plugin, Spec]]:
        """
        :param kind: a part kind, for instance ``"critic"``
        :return: each part of that kind with its plugin, by name
        """
        for key in sorted(self._owners):
            if key[0] == kind:
                yield from self._owners[key]

    def find(self, kind: str, name: str, provider: str = "") -> tuple[Plugin, Spec]:
        """
        Look a part up.

        :param kind: a part kind
        :param name: its name
        :param provider: distribution that had the part when a checkpoint was written
        :return: the plugin and the spec
        :raises Sb3ScaleError: if there is none, or more than one
        """
        self.check_offered_once(kind, name)
        for owner in self._owners.get((kind, name), ()):
            return owner
        raise Sb3ScaleError(
            f"there is no {kind} {shown(name)}{self._explain(kind, name, provider)}"
        )

    def check_offered_once(self, kind: str, name: str) -> None:
        """
        :param kind: a part kind
        :param name: of a part, which need not exist
        :raises Sb3ScaleError: if there is more than one
        """
        offers = [plugin.distribution for plugin, _ in self._owners.get((kind, name), ())]
        if len(offers) < 2:
            return
        # The core cannot be blocked.
        others = dict.fromkeys(each for each in offers if each != "sb3-scale")
        raise Sb3ScaleError(
            f"{kind} '{name}' is offered by {' and '.join(offers)}: uninstall one, or choose with "
            f"{DISABLE_VARIABLE}={' or '.join(others)}"
        )

    def missing_package(self, kind: str, name: str) -> str:
        """
        :param kind: a part kind
        :param name: name of a part that no plugin offers
        :return: this project's package that brings it and is not installed, or nothing
        """
        package = known_parts().get(kind, {}).get(name, "")
        return "" if any(plugin.distribution == package for plugin in self.plugins) else package

    def _explain(self, kind: str, name: str, provider: str) -> str:
        if provider:
            plugin = next((p for p in self.plugins if p.distribution == provider), None)
            if plugin is None:
                return f"; it came from {provider}, which is not installed: pip install {provider}"
            return f"; it came from plugin {plugin.label}, {_fault(plugin)}"
        if package := self.missing_package(kind, name):
            return f"; it comes with {package}: pip install {package}"
        others = sorted(other for other, part in self._owners if part == name)
        if others:
            return f": '{name}' is a {' and a '.join(others)}, put it there"
        text = suggestion(name, (part for other, part in self._owners if other == kind))
        faulty = [plugin for plugin in self.plugins if plugin.status != "active"]
        faulty.sort(key=lambda plugin: -difflib.SequenceMatcher(None, name, plugin.name).ratio())
        for plugin in faulty:
            text += f"; plugin {plugin.label} may have it: {_fault(plugin)}"
        return text


@lru_cache(maxsize=1)
def known_parts() -> dict[str, dict[str, str]]:
    """
    :return: for each kind and name the package that brings the part, of all this project's plugins;
        from a file that ``docs/build_lists.py`` makes
    """
    text = files("sb3_scale").joinpath("known_parts.json").read_text()
    packages: dict[str, dict[str, str]] = json.loads(text)
    return packages


def is_of_this_project(plugin: Plugin, spec: Spec) -> bool:
    """
    :param plugin: of anybody
    :param spec: of a part of it
    :return: whether this project's own package brings it
    """
    package = known_parts().get(spec.kind, {}).get(spec.name, "sb3-scale")
    return plugin.distribution == package


def _fault(plugin: Plugin) -> str:
    return f"{plugin.status}, {plugin.reason}" if plugin.reason else plugin.status


def words_of(environ: "os._Environ[str] | dict[str, str]", variable: str) -> list[str]:
    """
    :param environ: environment variables
    :param variable: one that names plugins, with commas, semicolons or spaces between them
    :return: the names as they are written
    """
    return [word for word in re.split(r"[,;\s]+", environ.get(variable, "")) if word]


def _names(environ: "os._Environ[str] | dict[str, str]", variable: str) -> set[str]:
    return {normalized(word) for word in words_of(environ, variable)}


_shared: list[PluginManager] = []


def manager() -> PluginManager:
    """
    :return: the plugins of this process, loaded at the first call; the module of a plugin that
        asks for it while it is loaded gets those before it
    """
    if not _shared:
        try:
            PluginManager(publish=_shared.append)
        except BaseException:
            _shared.clear()
            raise
    return _shared[0]
