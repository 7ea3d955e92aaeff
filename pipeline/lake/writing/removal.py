"""Removes sources, or parts of them, from every table, so that the next writer can finish what a killed one began.

A source to remove is first marked `removing` in `sources`. From then on it is not found by searches. The mark can be
taken back until the deletion begins: with the rows of the ledger, which are deleted first, in one change. A part of a
source is deleted from the moment that its rows in `segments` are `removing`. The row of the source is deleted, or those
of the part become `removed`, last.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.lake import sql
from pipeline.lake.checksums import WRITTEN_ONCE, SegmentChecksum, of_rows, with_ledger_checksums, with_own_checksums
from pipeline.lake.lake import Lake
from pipeline.lake.ledger import SourceState, failed_table
from pipeline.lake.upkeep.pinned_places import clocks_of
from pipeline.lake.writing.ledger_rows import CountRows, Row, joined_rows, trimmed_rows
from pipeline.lake.writing.table_writer import TableWriter
from schemas.clock import Clock, Span
from schemas.ids import segment_id, shot_id
from schemas.sources import Segment, Source
from schemas.tables import TableName, segments_schema, shots_schema

ROW_TABLES: tuple[TableName, ...] = ("frames", "regions", "patches")
IN_PART = "a part of it is being removed"  # `error` of a source that is marked for a removal of a part
_AT_ONCE = 200
_ROWS_AT_ONCE = 8192  # of regions, in memory with their vectors and masks
Stretch = tuple[str, str, Span]  # a part of a source: source id, id of its row in `segments`, span


def mark(tables: TableWriter, source_ids: Sequence[str], *, in_part: bool = False) -> None:
    """Marks sources as `removing`. in_part: whoever opens the lake after a kill takes the mark back."""
    if source_ids:
        tables.update("sources", sql.is_in("id", source_ids), state="removing", error=IN_PART if in_part else "")


def unmark(tables: TableWriter, states: Mapping[str, SourceState]) -> None:
    """Takes the mark back. states: of each source before it was marked, by id."""
    for state in sorted(set(states.values())):
        names = [name for name, before in states.items() if before == state]
        where = sql.is_in("id", names)
        tables.update("sources", where, state=state, error="" if state == "quarantined" else None)


def finish_removals(tables: TableWriter, source_ids: Sequence[str]) -> None:
    """Deletes the rows of sources that are marked `removing`."""
    for name in ("segments", "shots", *ROW_TABLES):  # first the ledger: pins are too late once its rows are gone
        tables.delete(name, "source_id", source_ids)
    tables.delete("sources", "id", source_ids)


def keep_only(lake: Lake, tables: TableWriter, kept: Mapping[str, Sequence[Span]]) -> None:
    """Removes the rows of each of these sources outside its spans, which begin and end with shots.

    The sources are complete and marked `removing`; the mark is taken back with the first row that goes.
    """
    new: list[Row] = []
    for source_id, rows in _rows_of(lake, list(kept)).items():
        counted, summed = _counter(lake, source_id), partial(_checksum, lake, source_id)
        new += trimmed_rows(rows, sorted(kept[source_id]), count=counted, checksum=summed)
    _replace_ledger(tables, new)
    unmark(tables, dict.fromkeys(kept, "complete"))
    finish_trims(lake, tables, _going(new))


def cut_out(
    lake: Lake, tables: TableWriter, cuts: Mapping[str, tuple[Source, Span]], *, plans: Mapping[str, str]
) -> None:
    """Removes the rows of a span of each of these sources; shots are cut at its ends.

    The sources are marked `removing`. plans: of each source, by id. Parts of the span that were never read become
    `removed` too, so that they are not read later.
    """
    new: list[Row] = []
    for source_id, rows in _rows_of(lake, list(cuts)).items():
        source, span = cuts[source_id]
        held = [Span(row["start"], row["stop"]) for row in rows]
        unread = [_unread(source, part, plan=plans[source_id]) for part in span.minus(held)]
        ends = Span(min(s.start for s in (*held, span)), max(s.stop for s in (*held, span)))
        counted, summed = _counter(lake, source_id), partial(_checksum, lake, source_id)
        new += trimmed_rows([*rows, *unread], ends.minus([span]), count=counted, checksum=summed)
    _replace_ledger(tables, new)


def finish_cuts(lake: Lake, tables: TableWriter, source_ids: Sequence[str]) -> None:
    """Deletes the rows of the parts of these sources that `cut_out` marked."""
    finish_trims(lake, tables, _going([row for rows in _rows_of(lake, source_ids).values() for row in rows]))


def finish_trims(lake: Lake, tables: TableWriter, going: Sequence[Stretch]) -> None:
    """Deletes the rows of parts that are marked `removing`."""
    delete_rows(tables, going)
    cut_shots(lake, tables, going)
    continue_tracks(lake, tables, sorted({source_id for source_id, _, _ in going}))
    for at in range(0, len(going), _AT_ONCE):
        part = going[at : at + _AT_ONCE]
        tables.update("segments", sql.is_in("id", [row for _, row, _ in part]), state="removed")


def delete_rows(tables: TableWriter, going: Sequence[Stretch]) -> None:
    """Deletes the frames, regions and patches of these parts."""
    for at in range(0, len(going), _AT_ONCE):
        stretches = _any_stretch(going[at : at + _AT_ONCE], column="pts")
        for table in ROW_TABLES:
            tables.delete_where(table, stretches)


def join_ledger(lake: Lake, tables: TableWriter, source_ids: Sequence[str]) -> int:
    """Joins neighbouring rows of the ledger, in one change; returns by how many rows it became shorter."""
    rows = _rows_of(lake, source_ids)
    new = {name: joined_rows(found) for name, found in rows.items()}
    changed = [name for name in rows if len(new[name]) < len(rows[name])]
    _replace_ledger(tables, [row for name in changed for row in new[name]])
    return sum(len(rows[name]) - len(new[name]) for name in changed)


def _going(rows: Sequence[Row]) -> list[Stretch]:
    return [(r["source_id"], r["id"], Span(r["start"], r["stop"])) for r in rows if r["state"] == "removing"]


def _unread(source: Source, span: Span, *, plan: str) -> Row:
    """A row for a part of a source that has none yet."""
    segment = Segment(source, span, segment_id(source.id, plan, span))
    (row,) = failed_table(segment, plan=plan, state="failed", error="").to_pylist()
    found: Row = row
    return found


def _replace_ledger(tables: TableWriter, rows: Sequence[Row]) -> None:
    """Replaces all rows of the ledger of the sources of `rows` by `rows`."""
    if rows:
        table = with_ledger_checksums(pa.Table.from_pylist([dict(row) for row in rows], schema=segments_schema()))
        tables.replace("segments", table, sql.is_in("source_id", sorted({row["source_id"] for row in rows})))


def _rows_of(lake: Lake, source_ids: Sequence[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {name: [] for name in source_ids}
    if source_ids:
        for row in lake.read("segments", where=sql.is_in("source_id", source_ids)).to_pylist():
            found[row["source_id"]].append(row)
    return found


def _counter(lake: Lake, source_id: str) -> CountRows:
    """Returns a function that counts the rows of this source in `frames` and `regions` in a span."""
    frames, regions = (_places(lake, name, source_id) for name in ("frames", "regions"))

    def count(span: Span) -> tuple[int, int]:
        in_frames, in_regions = (np.searchsorted(pts, (span.start, span.stop)) for pts in (frames, regions))
        return int(np.diff(in_frames)[0]), int(np.diff(in_regions)[0])

    return count


def _checksum(lake: Lake, source_id: str, span: Span) -> SegmentChecksum:
    """Of the rows of this source in a span, as they are in the lake."""
    where = sql.all_of(sql.equals("source_id", source_id), sql.within("pts", span))
    frames, regions, patches = (lake.read(name, columns=[*WRITTEN_ONCE[name]], where=where) for name in ROW_TABLES)
    return of_rows(frames, regions, patches)


def _places(lake: Lake, name: TableName, source_id: str) -> NDArray[np.int64]:
    """PTS of a source's rows, ascending."""
    rows = lake.read(name, columns=["pts"], where=sql.equals("source_id", source_id))
    return np.sort(np.asarray(rows["pts"].to_numpy(), np.int64))


def _any_stretch(stretches: Sequence[Stretch], *, column: str) -> str:
    return sql.any_of(
        sql.all_of(sql.equals("source_id", source_id), sql.within(column, span)) for source_id, _, span in stretches
    )


def cut_shots(lake: Lake, tables: TableWriter, going: Sequence[tuple[str, str, Span]]) -> None:
    """Removes the parts of shots that are in these stretches: (source id, id of a row of the ledger, span).

    What is left of a shot on either side is a shot. Repeated after a kill, the result is the same.
    """
    removed: defaultdict[str, list[Span]] = defaultdict(list)
    for source_id, _, span in going:
        removed[source_id].append(span)
    clocks = clocks_of(lake, removed)
    old: list[str] = []
    new: list[dict[str, Any]] = []
    for row in lake.read("shots", where=sql.is_in("source_id", sorted(removed))).to_pylist():
        span = Span(row["start"], row["stop"])
        parts = span.minus(removed[row["source_id"]])
        if parts != [span]:
            old.append(row["id"])
            new += [_part(row, part, clocks[row["source_id"]]) for part in parts]
    if new:
        rows = with_own_checksums(pa.Table.from_pylist(new, schema=shots_schema()))
        tables.replace("shots", rows, sql.is_in("id", old))
    else:
        tables.delete("shots", "id", old)


def continue_tracks(lake: Lake, tables: TableWriter, source_ids: Sequence[str]) -> None:
    """Names each track whose first region was removed after the first that is left."""
    where = sql.is_in("source_id", source_ids)
    regions = lake.read("regions", columns=["id", "pts", "track"], where=where)
    lost = pc.and_(pc.is_valid(regions["track"]), pc.invert(pc.is_in(regions["track"], value_set=regions["id"])))
    headless = regions.filter(lost).sort_by([("pts", "ascending"), ("id", "ascending")])
    names: dict[str, str] = {}
    rows: Counter[str] = Counter()
    for row in headless.to_pylist():
        names.setdefault(row["track"], row["id"])
        rows[row["track"]] += 1
    for some in _batches(rows, _ROWS_AT_ONCE):
        old = lake.read("regions", where=sql.all_of(where, sql.is_in("track", some)))
        at = old.schema.get_field_index("track")
        new = pa.array([names[track] for track in old["track"].to_pylist()], pa.string())
        # whole rows are rewritten: a new column would leave the old name in its file
        tables.replace("regions", old.set_column(at, old.schema.field(at), new))


def _batches(rows: Mapping[str, int], limit: int) -> Iterator[list[str]]:
    """Names in order, as many at once as have `limit` rows together, and at least one. rows: of each."""
    batch: list[str] = []
    count = 0
    for name, number in sorted(rows.items()):
        if batch and count + number > limit:
            yield batch
            batch, count = [], 0
        batch.append(name)
        count += number
    if batch:
        yield batch


def _part(row: dict[str, Any], part: Span, clock: Clock) -> dict[str, Any]:
    return {
        **row,
        "id": shot_id(row["source_id"], part.start),
        "start": part.start,
        "stop": part.stop,
        "start_s": clock.seconds(part.start),
        "stop_s": clock.seconds(part.stop),
    }
