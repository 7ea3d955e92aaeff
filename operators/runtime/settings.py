"""Finds the settings of a config on which rows depend, and the name and value by which each counts.

A config is a frozen dataclass. The metadata of a field decides how it counts:

    batch: int = field(default=8, metadata=no_rows())
    model: str = field(default="", metadata=weights())
    least_area: float = field(default=0.01, metadata=neutral(0.0))

A field without metadata counts by its name and value. A config with a method `fields_in_use` counts by the fields that
it names, as the others have no effect. A config with a method `counted` counts by what that returns.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from operators.checkpoints.files import find_checkpoint, fingerprint, is_checkpoint
from schemas.errors import InvalidValueError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Setting: TypeAlias = "bool | int | float | str | Sequence[Setting] | Mapping[str, Setting] | None"
Metadata = dict[str, object]

_ROWS, _WEIGHTS, _FILE, _NEUTRAL, _STORED_AS = (
    f"regionlake.{key}" for key in ("rows", "weights", "file", "neutral", "stored_as")
)


@runtime_checkable
class CountsByUse(Protocol):
    """A config some of whose fields may have no effect, such as options of a part that is switched off."""

    def fields_in_use(self) -> Collection[str]:
        """Names of the fields on which rows depend."""
        ...


@runtime_checkable
class CountsByName(Protocol):
    """A config whose settings are not its fields, such as one that holds the settings of operators by their names."""

    def counted(self) -> Mapping[str, object]:
        """Settings and configs by their names."""
        ...


def no_rows() -> Metadata:
    """Marks a setting on which no row depends: a batch size, a number of threads."""
    return {_ROWS: False}


def checkpoint_weights(name: str) -> Setting:
    """The fingerprint of the weights in a folder, a file or a repository of the hub; any other name is returned.

    Raises ModelError if a checkpoint does not exist.
    """
    return fingerprint(find_checkpoint(name)) if is_checkpoint(name) else name


def weights(fingerprint: Callable[[str], Setting] = checkpoint_weights) -> Metadata:
    """Marks a setting that names a model: the contents of its files count, not their place; "" means no model."""
    return {_WEIGHTS: fingerprint}


def read_when_made() -> Metadata:
    """For a setting that names a file which the config reads when it is created: rows depend on the content alone."""
    return {_FILE: True, **no_rows()}


def consent() -> Metadata:
    """Marks a setting by which a user consents to run what is in a file: no lake can give it, no row depends on it."""
    return {_FILE: True, **no_rows()}


def opens_files(field: "Field[Any]") -> bool:
    """Whether a setting names a model or another file, or trusts one, so that its value must not come from a lake."""
    return _WEIGHTS in field.metadata or _FILE in field.metadata


def neutral(value: object) -> Metadata:
    """Marks a setting that is newer than existing rows: with `value`, rows are the same as before the setting existed.

    With this value, which must never change, the setting does not count. It need not be the default, which may change.
    """
    return {_NEUTRAL: value}


def neutral_values(config: "type[DataclassInstance]") -> dict[str, object]:
    """The settings of a class of configs that are newer than existing rows, each with the value that they had then."""
    return {each.name: each.metadata[_NEUTRAL] for each in fields(config) if _NEUTRAL in each.metadata}


def stored_as(name: str) -> Metadata:
    """Marks a setting that was renamed or moved, with the name by which it counts.

    A name that begins with "/" is relative to the plan, for a field that moved to another config: "/refine.limit".
    """
    return {_STORED_AS: name}


def holds_weights(config: "DataclassInstance") -> bool:
    """Whether a config has a setting that names a model, set or not: what is built from it requests a GPU."""
    values = [getattr(config, each.name) for each in fields(config)]
    below = [value for value in values if is_dataclass(value) and not isinstance(value, type)]
    return any(_WEIGHTS in each.metadata for each in fields(config)) or any(map(holds_weights, below))


def identity(config: "DataclassInstance", *, name: str = "") -> dict[str, Setting]:
    """Every setting on which rows depend, by its dotted name, which begins with `name`.

    Two configs with equal identity make equal rows. Neither the order of fields nor the module of a class changes it.
    Raises ModelError if weights cannot be read, InvalidValueError for a value that is not a setting.
    """
    counted: dict[str, Setting] = {}
    for key, value in _settings(config, name):
        if key in counted:
            raise InvalidValueError(f"two settings of {type(config).__name__} count as {key!r}; give one another name")
        counted[key] = value
    return counted


def _settings(config: "DataclassInstance", name: str) -> Iterator[tuple[str, Setting]]:
    if isinstance(config, CountsByName):
        for key, value in config.counted().items():
            yield from _values(dotted(name, key), value)
        return
    in_use = config.fields_in_use() if isinstance(config, CountsByUse) else None
    for each in fields(config):
        value = getattr(config, each.name)
        counts = each.metadata.get(_ROWS, True) and (in_use is None or each.name in in_use)
        if not counts or (_NEUTRAL in each.metadata and value == each.metadata[_NEUTRAL]):
            continue
        key = _key(each, name)
        if value and _WEIGHTS in each.metadata:
            yield key, each.metadata[_WEIGHTS](value)
        else:
            yield from _values(key, value)


def _key(each: "Field[object]", name: str) -> str:
    stored = str(each.metadata.get(_STORED_AS, each.name))
    return stored.removeprefix("/") if stored.startswith("/") else dotted(name, stored)


def _values(key: str, value: object) -> Iterator[tuple[str, Setting]]:
    if is_dataclass(value) and not isinstance(value, type):
        yield from _settings(value, key)
    elif isinstance(value, Mapping):
        for below, each in value.items():
            yield from _values(dotted(key, str(below)), each)
    else:
        yield key, _setting(key, value)


def _setting(key: str, value: object) -> Setting:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return identity(value)
    if isinstance(value, Sequence):
        return tuple(_setting(key, each) for each in value)
    raise InvalidValueError(
        f"{key} = {value!r} is not a setting: it must be text, a number, a bool, a sequence, or a config of these"
    )


def dotted(name: str, key: str) -> str:
    """The name of a setting below another, as in TOML: a part with dots is quoted."""
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    below = key if bare else json.dumps(key)
    return f"{name}.{below}" if name else below
