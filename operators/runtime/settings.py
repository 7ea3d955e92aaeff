"""Which settings of a config rows depend on, and under which name and value each counts.

A config is a frozen dataclass. What a field says in its metadata decides how it counts:

    batch: int = field(default=8, metadata=no_rows())
    model: str = field(default="", metadata=weights())
    least_area: float = field(default=0.01, metadata=neutral(0.0))

A field without any counts by its name and its value. A config with a method `fields_in_use` counts by the fields that
it names: the others change nothing as the config is set. One with a method `counted` counts by what that returns.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from operators.checkpoints.files import find_checkpoint, fingerprint, is_checkpoint
from schemas.errors import InvalidValueError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Setting: TypeAlias = "bool | int | float | str | Sequence[Setting] | Mapping[str, Setting] | None"
Metadata = dict[str, object]

_ROWS, _WEIGHTS, _NEUTRAL, _STORED_AS = (f"regionlake.{key}" for key in ("rows", "weights", "neutral", "stored_as"))


@runtime_checkable
class CountsByUse(Protocol):
    """A config of which some fields change nothing as it is set, such as the options of what is switched off."""

    def fields_in_use(self) -> Collection[str]:
        """Names of the fields on which rows depend."""
        ...


@runtime_checkable
class CountsByName(Protocol):
    """A config whose settings are not its fields, such as one that holds those of operators, each by its name."""

    def counted(self) -> Mapping[str, object]:
        """Settings, and configs, by their names."""
        ...


def no_rows() -> Metadata:
    """For a setting on which no row depends: a batch size, a number of threads."""
    return {_ROWS: False}


def checkpoint_weights(name: str) -> Setting:
    """What stands for the weights of a folder, a file or a repository of the hub; any other name for itself.

    Raises ModelError where a checkpoint is not there.
    """
    return fingerprint(find_checkpoint(name)) if is_checkpoint(name) else name


def weights(fingerprint: Callable[[str], Setting] = checkpoint_weights) -> Metadata:
    """For a setting that names a model: what its files hold counts, and not where they lie; "" is no model."""
    return {_WEIGHTS: fingerprint}


def neutral(value: object) -> Metadata:
    """For a setting that is newer than rows which exist: at `value` rows are as they were before there was the setting.

    At this value, which never changes, it does not count. It need not be the default, which may change.
    """
    return {_NEUTRAL: value}


def stored_as(name: str) -> Metadata:
    """For a setting that was renamed or moved: the name by which it counts.

    A name that begins with "/" is counted from the plan, where the field has moved to another config: "/refine.limit".
    """
    return {_STORED_AS: name}


def holds_weights(config: "DataclassInstance") -> bool:
    """Whether a config has a setting that names a model, named or not: what is built from it wants a GPU."""
    values = [getattr(config, each.name) for each in fields(config)]
    below = [value for value in values if is_dataclass(value) and not isinstance(value, type)]
    return any(_WEIGHTS in each.metadata for each in fields(config)) or any(map(holds_weights, below))


def identity(config: "DataclassInstance", *, name: str = "") -> dict[str, Setting]:
    """Every setting on which rows depend, by its dotted name, which begins with `name`.

    Two configs of equal identity make equal rows. Neither the order of fields nor where a class lies changes it.
    Raises ModelError where weights cannot be read, InvalidValueError for a value that is no setting.
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
            yield from _values(_dotted(name, key), value)
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
    return stored.removeprefix("/") if stored.startswith("/") else _dotted(name, stored)


def _values(key: str, value: object) -> Iterator[tuple[str, Setting]]:
    if is_dataclass(value) and not isinstance(value, type):
        yield from _settings(value, key)
    elif isinstance(value, Mapping):
        for below, each in value.items():
            yield from _values(_dotted(key, str(below)), each)
    else:
        yield key, _setting(key, value)


def _setting(key: str, value: object) -> Setting:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return identity(value)
    if isinstance(value, Sequence):
        return tuple(_setting(key, each) for each in value)
    raise InvalidValueError(f"{key} = {value!r} is no setting: no text, number, truth, sequence or config of these")


def _dotted(name: str, key: str) -> str:
    """The name of a setting below another, as TOML writes it: what is quoted has no dot of its own."""
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    below = key if bare else json.dumps(key)
    return f"{name}.{below}" if name else below
