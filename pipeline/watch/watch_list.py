"""Reads watches from a TOML file: `[watch.NAME]` tables, whose keys are the query options that a watch can have."""

from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Any

import cattrs
from cattrs.gen import make_dict_structure_fn, override

from pipeline.plan.named_tables import read_named_tables
from pipeline.watch.watch import Watch
from schemas.errors import PlanError, QueryError
from schemas.options import options_of
from schemas.query import PictureSource, Query

_ASKED = {each.field: each for each in options_of(Query) if each.standing}
_Entry = make_dataclass(
    "_Entry",
    [
        ("threshold", float),
        ("cooldown", float, field(default=0.0)),
        *((each.field, each.type, field(default=each.default)) for each in _ASKED.values()),
    ],
)
_converter = cattrs.Converter(forbid_extra_keys=True)
_names: dict[str, Any] = {each.field: override(rename=each.name) for each in _ASKED.values()}
_converter.register_structure_hook(PictureSource | None, lambda value, _: None if value is None else str(value))
_converter.register_structure_hook(
    _Entry, make_dict_structure_fn(_Entry, _converter, _cattrs_forbid_extra_keys=True, **_names)
)


def read_watches(path: Path) -> list[Watch]:
    """The watches in the order of the file. Paths of pictures are relative to the file's folder.

    Raises PlanError where the file cannot be read, has a key that no watch has, or has a value that is not possible.
    """
    entries: dict[str, Any] = read_named_tables(path, "watch", _Entry, converter=_converter)
    if not entries:
        raise PlanError(f"{path} has no [watch.NAME] table")
    return [_watch(name, entry, path=path) for name, entry in entries.items()]


def _watch(name: str, entry: Any, *, path: Path) -> Watch:
    asked = {field: getattr(entry, field) for field in _ASKED}
    if asked["image"] is not None:
        asked["image"] = str(path.absolute().parent / asked["image"])
    try:
        return Watch(name, Query(**asked), entry.threshold, entry.cooldown)
    except QueryError as error:
        raise PlanError(f"{path}: watch.{name}: {error}") from None
