"""Hits as an Arrow table, whose columns follow the fields of a hit and of its place."""

from dataclasses import fields
from datetime import datetime
from typing import Any, get_args, get_type_hints

import pyarrow as pa

from schemas.query import BoxTuple, Hit, Place, SearchResult
from schemas.query_json import COLUMNS_FIRST

_TYPES: dict[object, pa.DataType] = {
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    datetime: pa.timestamp("us", tz="UTC"),
    BoxTuple: pa.list_(pa.float64(), 4),
    tuple[float, float]: pa.list_(pa.float64(), 2),
}
_NOT_A_COLUMN = {"place", "mask", "then"}


def hits_table(result: SearchResult) -> pa.Table:
    """One row for each hit; if the query has `then`, that column holds the following frame of the hit."""
    columns = _columns()
    schema = pa.schema(columns)
    rows = [_row(hit, schema.names) for hit in result.hits]
    if result.query.then is not None:
        schema = schema.append(pa.field("then", pa.struct(columns)))
        for row, hit in zip(rows, result.hits, strict=True):
            row["then"] = None if hit.then is None else _row(hit.then, schema.names[:-1])
    return pa.Table.from_pylist(rows, schema=schema)


def _columns() -> list[pa.Field]:
    hints = get_type_hints(Hit) | get_type_hints(Place)
    names = [name for name in hints if name not in _NOT_A_COLUMN]
    ordered = sorted(names, key=lambda name: COLUMNS_FIRST.index(name) if name in COLUMNS_FIRST else len(COLUMNS_FIRST))
    return [pa.field(name, _TYPES[_bare(hints[name])]) for name in ordered]


def _bare(hint: Any) -> object:
    """The type without None."""
    known = [part for part in get_args(hint) if part is not type(None)]
    return known[0] if type(None) in get_args(hint) else hint


def _row(hit: Hit, names: list[str]) -> dict[str, object]:
    found = {field.name: getattr(part, field.name) for part in (hit, hit.place) for field in fields(part)}
    return {name: found[name] for name in names}
