"""Watches in a TOML file: `[watch.NAME]` tables, whose keys are the query options that a watch can have."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Any

import cattrs
from cattrs.gen import make_dict_structure_fn, override

from pipeline.plan.named_tables import read_named_tables
from pipeline.watch.hours import Hours
from pipeline.watch.watch import Watch
from schemas.errors import PlanError, QueryError
from schemas.options import options_of
from schemas.query import PictureSource, Query, ZoneShape

THRESHOLD_IS_DEPRECATED = "{0} is deprecated, and will be removed in 0.4.0: the largest distance is {1} now"
_ASKED = {each.field: each for each in options_of(Query) if each.standing}
_Entry = make_dataclass(
    "_Entry",
    [
        ("title", str | None, field(default=None)),
        ("paused", bool, field(default=False)),
        ("max_distance", float | None, field(default=None)),
        ("threshold", float | None, field(default=None)),  # the former name of max_distance, until 0.4.0
        ("cooldown", float, field(default=0.0)),
        ("stay", float, field(default=0.0)),
        ("hours", str | None, field(default=None)),
        ("sources", tuple[str, ...], field(default=())),
        *((each.field, each.type, field(default=each.default)) for each in _ASKED.values()),
    ],
)
_DEFAULTS: dict[str, Any] = {each.name: each.default for each in fields(_Entry)}
_converter = cattrs.Converter(forbid_extra_keys=True)
_names: dict[str, Any] = {each.field: override(rename=each.name) for each in _ASKED.values()}
_converter.register_structure_hook(PictureSource | None, lambda value, _: None if value is None else str(value))
_converter.register_structure_hook(ZoneShape, lambda value, _: value)  # Query reads it, and says what is wrong
_converter.register_structure_hook(
    _Entry, make_dict_structure_fn(_Entry, _converter, _cattrs_forbid_extra_keys=True, **_names)
)


@dataclass(frozen=True, slots=True)
class ListedWatch:
    """A watch as a file lists it. title: what people call it. paused: it stays in the file, and reports nothing."""

    watch: Watch
    title: str
    paused: bool = False


def read_watches(path: Path, *, on_deprecated: Callable[[str], None] = lambda _: None) -> list[Watch]:
    """The watches that are not paused, in the order of the file. Paths of pictures are relative to the file's folder.

    on_deprecated: called with a sentence about each key that will not be read by the next release.

    Raises PlanError where the file cannot be read, has a key that no watch has, or has a value that is not possible.
    """
    listed = read_list(path, on_deprecated=on_deprecated)
    if not listed:
        raise PlanError(f"{path} has no [watch.NAME] table")
    return [each.watch for each in listed if not each.paused]


def read_list(path: Path, *, on_deprecated: Callable[[str], None] = lambda _: None) -> list[ListedWatch]:
    """All watches of the file, which may have none; otherwise as `read_watches`."""
    entries: dict[str, Any] = read_named_tables(path, "watch", _Entry, converter=_converter)
    for name, entry in entries.items():
        if entry.threshold is not None:
            on_deprecated(f"{path}: watch.{name}: {THRESHOLD_IS_DEPRECATED.format('threshold', 'max_distance')}")
    return [
        ListedWatch(_watch(name, entry, path=path), entry.title or name, entry.paused)
        for name, entry in entries.items()
    ]


def table_of(listed: ListedWatch, *, folder: Path) -> dict[str, object]:
    """The table that is read as this watch. folder: that of the file, to which the path of a picture is relative.

    Its picture must be a file: raises TypeError for pixels.
    """
    watch = listed.watch
    found: dict[str, Any] = {
        "title": None if listed.title == watch.name else listed.title,
        "paused": listed.paused,
        "max_distance": watch.max_distance,
        "cooldown": watch.cooldown_s,
        "stay": watch.stay_s,
        "hours": None if watch.hours is None else str(watch.hours),
        "sources": watch.sources,
    }
    found |= {each: getattr(watch.query, each) for each in _ASKED}
    if found["image"] is not None:
        if not isinstance(found["image"], str):
            raise TypeError("the picture of a watch that is written to a file must be a file, and not pixels")
        found["image"] = str(Path(found["image"]).relative_to(folder))
    found["zones"] = tuple(str(zone) for zone in watch.query.zones)
    names = {each.field: each.name for each in _ASKED.values()}
    return {names.get(key, key): value for key, value in found.items() if value != _DEFAULTS[key]}


def _watch(name: str, entry: Any, *, path: Path) -> Watch:
    asked = {field: getattr(entry, field) for field in _ASKED}
    if asked["image"] is not None:
        asked["image"] = str(path.absolute().parent / asked["image"])
    try:
        hours = None if entry.hours is None else Hours.parse(entry.hours)
        return Watch(
            name, Query(**asked), _largest_distance(entry), entry.cooldown, entry.stay, hours, tuple(entry.sources)
        )
    except QueryError as error:
        raise PlanError(f"{path}: watch.{name}: {error}") from None


def _largest_distance(entry: Any) -> float | None:
    if None not in (entry.max_distance, entry.threshold):
        raise QueryError("threshold is the former name of max_distance; give max_distance alone")
    distance: float | None = entry.max_distance if entry.threshold is None else entry.threshold
    return distance
