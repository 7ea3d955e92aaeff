"""Compares two lakes row by row, by id, independently of their segments and commits."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.lake.lake import Lake, lake_errors
from schemas.clock import Span, union
from schemas.tables import ADDED_COLUMNS, TableName

_KEYS: dict[TableName, str] = {"sources": "id", "shots": "id", "frames": "id", "regions": "id", "patches": "frame"}
_OF_THE_WRITER = frozenset({"error", "checksum", "lease"})  # may differ between lakes of equal contents
_SHOWN = 5  # differences of one column that are listed
_SUMS = ("frames_decoded", "near_duplicates", "keyframes", "regions")


def compare(lake_a: Lake, lake_b: Lake) -> tuple[str, ...]:
    """The first differences of each table; empty if the lakes are equal.

    All columns of sources, shots, frames, regions and patches are compared exactly, including thumbnails and vectors,
    except the wording of errors, leases, and columns that one lake is too old to have. Of the ledger, spans, counts and
    cut events are compared per source.
    """
    differences: list[str] = []
    if lake_a.space != lake_b.space:
        differences.append(f"vector space: {lake_a.space} in the first, {lake_b.space} in the second")
    differences += _differing_ledgers(_ledger(lake_a), _ledger(lake_b))
    for name, key in _KEYS.items():
        with lake_errors(f"comparing {name} of {lake_a.uri} and {lake_b.uri}", lake=lake_b.uri):
            differences += _differing_rows(name, key, lake_a.dataset(name), lake_b.dataset(name))
    return tuple(differences)


def _differing_rows(name: TableName, key: str, a: Any, b: Any) -> Iterator[str]:
    """a, b: Lance datasets. Columns are read one by one: two lakes need not fit in memory."""
    ids_a, ids_b = _column(a, key), _column(b, key)
    for ids, others, where in ((ids_a, ids_b, "second"), (ids_b, ids_a, "first")):
        lost = ids.filter(pc.invert(pc.is_in(ids, value_set=others)))
        if len(lost):
            shown = ", ".join(lost.slice(0, _SHOWN).to_pylist())
            yield f"{name}: {len(lost)} of {len(ids)} rows are not in the {where} lake: {key} {shown}"
    if len(ids_a) != len(ids_b):
        yield f"{name}: {len(ids_a)} rows in the first, {len(ids_b)} in the second"
    common_a, common_b = pc.is_in(ids_a, value_set=ids_b), pc.is_in(ids_b, value_set=ids_a)
    if pc.sum(common_a).as_py() != pc.sum(common_b).as_py():
        return  # an id exists twice: it is unknown which rows to compare
    order_a = pc.sort_indices(ids_a.filter(common_a))
    order_b = pc.sort_indices(ids_b.filter(common_b))
    ids = ids_a.filter(common_a).take(order_a)
    for column in sorted((set(a.schema.names) ^ set(b.schema.names)) - ADDED_COLUMNS):
        yield f"{name}: column {column} is only in the {'first' if column in a.schema.names else 'second'} lake"
    for column in a.schema.names:
        if column in _OF_THE_WRITER or column not in b.schema.names:
            continue
        values_a = _column(a, column).filter(common_a).take(order_a)
        values_b = _column(b, column).filter(common_b).take(order_b)
        for i in _first_differing(values_a, values_b):
            a_value, b_value = _short(values_a[i]), _short(values_b[i])
            yield f"{name}: {column} of {key} {ids[i]}: {a_value} in the first, {b_value} in the second"


def _column(dataset: Any, name: str) -> pa.Array:
    return dataset.to_table(columns=[name])[name].combine_chunks()


def _first_differing(a: pa.Array, b: pa.Array) -> list[int]:
    """Indices of the first few rows that differ, found by bisection."""
    found: list[int] = []
    pending = [(0, len(a))]
    while pending and len(found) < _SHOWN:
        start, stop = pending.pop()
        if a.slice(start, stop - start).equals(b.slice(start, stop - start)):
            continue
        if stop - start == 1:
            found.append(start)
            continue
        middle = (start + stop) // 2
        pending += [(middle, stop), (start, middle)]
    return found


def _short(value: pa.Scalar) -> str:
    text = repr(value.as_py())
    return text if len(text) <= 80 else f"{text[:80]}…"


def _ledger(lake: Lake) -> dict[str, dict[str, object]]:
    """For each source: the merged spans of each state, sums of counts, first and last PTS, and cut events."""
    totals: dict[str, dict[str, Any]] = {}
    for row in lake.read("segments").to_pylist():
        total = totals.setdefault(
            row["source_id"],
            {"source": row["source"], "plans": set(), "spans": {}, "first_pts": None, "last_pts": None, "events": []}
            | dict.fromkeys(_SUMS, 0),
        )
        total["plans"].add(row["plan"])
        total["spans"].setdefault(row["state"], []).append(Span(row["start"], row["stop"]))
        if row["state"] != "done":
            continue
        for column in _SUMS:
            total[column] += row[column]
        total["first_pts"] = min((p for p in (total["first_pts"], row["first_pts"]) if p is not None), default=None)
        total["last_pts"] = max((p for p in (total["last_pts"], row["last_pts"]) if p is not None), default=None)
        total["events"] += [(e["pts"], e["previous_pts"], e["kind"]) for e in row["cut_events"]]
    for total in totals.values():
        total["spans"] = {
            state: [(span.start, span.stop) for span in union(spans)] for state, spans in sorted(total["spans"].items())
        }
        total["events"].sort()
    return totals


def _differing_ledgers(a: dict[str, dict[str, object]], b: dict[str, dict[str, object]]) -> Iterator[str]:
    for source in sorted(a.keys() | b.keys()):
        if source not in a or source not in b:
            where = "second" if source in a else "first"
            yield f"segments: source {(a.get(source) or b[source])['source']} is not in the {where} lake"
            continue
        for what, value in a[source].items():
            if value != b[source][what]:
                yield (
                    f"segments: {what} of {a[source]['source']}: {str(value)[:200]} in the first, "
                    f"{str(b[source][what])[:200]} in the second"
                )
