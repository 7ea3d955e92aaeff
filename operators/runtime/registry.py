"""Finds operators by name: built-in ones, those that installed packages register, and classes by their path.

Nothing is imported before a name is looked up, and then only the module of that name.
"""

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import ClassVar, Generic, Protocol, TypeVar

from schemas.errors import RegionLakeError


class Named(Protocol):
    """The interface of every class of settings of an operator, of any kind."""

    name: ClassVar[str]


Config = TypeVar("Config", bound=Named)

_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def is_class_path(name: str) -> bool:
    """Whether a name is a class path, `package.module:Class`."""
    return _CLASS_PATH.fullmatch(name) is not None


def settings_key(name: str) -> str:
    """The key of an operator's settings in a plan: its name as a bare key of TOML, `open_set` for "open-set"."""
    return name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Registry(Generic[Config]):
    """The classes of settings of one kind of operator, by name.

    kind: the word for it in errors, "proposer". group: the group of entry points that register further names.
    built_in: name → class path. protocol: the interface of every class, which includes a `name`.
    error: raised for a name that is unknown or does not lead to such a class.
    further: other values that are accepted in place of a name, for the error.
    """

    kind: str
    group: str
    built_in: Mapping[str, str]
    protocol: type[Config]
    error: type[RegionLakeError]
    further: str = ""

    def resolve(self, name: str, *, class_paths: bool = True) -> type[Config]:
        """The class of a name or class path.

        class_paths: False for a name that was read from a lake and not given by the user: a class path imports a
            module, which runs code.
        """
        if name in self.built_in:
            return self._load(name, self.built_in[name], by=f"the {self.kind} {name}")
        if is_class_path(name):
            if not class_paths:
                raise self.error(
                    f"the {self.kind} {name} is a class path, which is not imported because a lake names it: "
                    "name it again yourself, or register it by an entry point"
                )
            return self._load(None, name, by=f"the {self.kind} {name}")
        point = self._registered(name)
        if point is None:
            raise self._unknown(name)
        return self._load(name, point.value, by=f"the {self.kind} {name} of {_package(point)}")

    def knows(self, name: str) -> bool:
        """Whether a name is built in or registered. Imports nothing."""
        return name in self.built_in or self._registered(name) is not None

    def names(self) -> tuple[str, ...]:
        """The built-in names, then those that installed packages register."""
        registered = {point.name for point in entry_points(group=self.group)} - set(self.built_in)
        return (*self.built_in, *sorted(registered))

    def name_of(self, kind: type[Config]) -> str:
        """The name of a class; its class path if it has no name here."""
        path = f"{kind.__module__}:{kind.__qualname__}"
        for name, known in self.built_in.items():
            if known == path:
                return name
        return next((point.name for point in entry_points(group=self.group) if point.value == path), path)

    def own_name(self, name: str) -> str:
        """The `name` of the class behind a name or class path. Built-in classes are not imported for this."""
        return name if name in self.built_in else self.resolve(name).name

    def config_of(self, name: str, settings: Sequence[Config]) -> Config:
        """The settings of an operator: the instance of its class among `settings`, else its defaults."""
        kind = self.resolve(name)
        return next((config for config in settings if type(config) is kind), kind())

    def differing(self, settings: Sequence[Config]) -> tuple[Config, ...]:
        """The settings that differ from their defaults, ordered by name, so that plans are equal however written.

        Raises this registry's error if two settings are of one class.
        """
        kinds = [type(config) for config in settings]
        if len(set(kinds)) != len(kinds):
            raise self.error(f"a {self.kind} has settings twice in {settings}")
        return tuple(sorted((c for c in settings if c != type(c)()), key=lambda config: config.name))

    def _registered(self, name: str) -> EntryPoint | None:
        points = sorted(entry_points(group=self.group, name=name), key=_package)
        if len(points) > 1:
            raise self.error(
                f"the {self.kind} {name} is registered twice, by {' and by '.join(map(_package, points))}; uninstall "
                "one of them, or name the class by its path"
            )
        return points[0] if points else None

    def _load(self, name: str | None, path: str, *, by: str) -> type[Config]:
        """name: the name that the class must have; None accepts any name that is not built in."""
        module, _, attribute = path.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except Exception as error:  # importing a module can raise any error
            raise self.error(
                f"{by} cannot be imported from {path}: {type(error).__name__}: {error}. Is its package installed, or "
                "the folder that holds it in PYTHONPATH?"
            ) from error
        self._require_protocol(found, path, by=by)
        if name is None and (found.name in self.built_in or not _NAME.fullmatch(found.name)):
            raise self.error(
                f"{by} calls itself {found.name!r}: it needs a name of lower-case letters, digits and hyphens that is "
                "not built in"
            )
        if name is not None and found.name != name:
            raise self.error(f"{by} calls itself {found.name!r}: both names must be equal")
        loaded: type[Config] = found
        return loaded

    def _require_protocol(self, found: object, path: str, *, by: str) -> None:
        needed = f"see {self.protocol.__module__}.{self.protocol.__name__}"
        if not isinstance(found, type) or not is_dataclass(found):
            raise self.error(f"{by} leads to {path}, which is no dataclass; {needed}")
        members = {*self.protocol.__annotations__, *vars(self.protocol)}
        lacking = sorted(m for m in members if not m.startswith("_") and not hasattr(found, m))
        if lacking:
            raise self.error(f"{by} leads to {path}, which has no {' and no '.join(lacking)}; {needed}")
        try:
            found()
        except TypeError as error:
            raise self.error(f"{by} leads to {path}, whose settings need a default each: {error}") from error

    def _unknown(self, name: str) -> RegionLakeError:
        registered = [
            f"{point.name} (of {_package(point)})" for point in sorted(entry_points(group=self.group)) if point.name
        ]
        known = ", ".join((*self.built_in, *registered))
        return self.error(
            f"unknown {self.kind} {name!r}; known {self.kind}s: {known}{self.further}; a class of your own is named by "
            "its path, package.module:Class"
        )


def _package(point: EntryPoint) -> str:
    return "an unnamed package" if point.dist is None else f"the package {point.dist.name} {point.dist.version}"
