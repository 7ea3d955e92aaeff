"""Checks the rows of segments, and writes them so that a kill or a power cut at any moment leaves all of them or none,
after the next recovery."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.lake import Lake
from pipeline.lake.ledger import LedgerEntry, SourceEntry, done_table
from pipeline.lake.writing.ledger_state import LedgerState
from schemas.clock import Span
from schemas.errors import RefusedError
from schemas.sources import Segment, Source
from schemas.tables import TableName, with_added_columns


def new_segments(rows: Sequence[SegmentRows], entry_of: Callable[[Source, str], SourceEntry]) -> list[SegmentRows]:
    """The segments that are not in the lake yet, with the plan hash under which the lake has their source.

    entry_of: (source, plan hash of its rows) → its entry; raises RefusedError where the lake has it under another plan.
    Raises RefusedError if spans overlap in part.
    """
    new: list[SegmentRows] = []
    settled: dict[str, list[Span]] = {}
    for item in rows:
        segment = item.segment
        entry = entry_of(segment.source, item.plan)
        spans = settled.setdefault(segment.source.id, entry.settled())
        left = segment.span.minus(spans)
        if left == [segment.span]:
            new.append(replace(item, plan=entry.plan))
            spans.append(segment.span)
        elif left:
            raise RefusedError(
                f"segment [{segment.span.start}, {segment.span.stop}) of {segment.source.uri} is in the lake in "
                "part; cut segments from the spans that register() returns"
            )
    return new


def write_segments(state: LedgerState, new: Sequence[SegmentRows]) -> None:
    """Writes the rows of new segments, whose sources must be known. Call it within a change of the state."""
    tables = state.tables
    forget_failures(state, (item.segment for item in new))
    rows: dict[TableName, pa.Table] = {
        "frames": pa.concat_tables([item.frames for item in new]),
        "regions": pa.concat_tables([item.regions for item in new]),
    }
    patches = [item.patches for item in new if item.patches is not None]
    if patches:
        rows["patches"] = pa.concat_tables(patches)
    tables.append_in_turn([{"segments": done_table(new, state="writing", time=state.time)}, rows])
    tables.upsert("segments", done_table(new, state="done", time=state.time))
    for item in new:
        report = item.report
        state.sources[item.segment.source.id].segments[item.segment.id] = LedgerEntry(
            item.segment.span, "done", report.frames_decoded, report.first_pts, report.last_pts
        )


def forget_failures(state: LedgerState, new: Iterable[Segment]) -> None:
    """Deletes failures from the ledger that overlap the `new` segments. Call it within a change."""
    gone: list[str] = []
    for segment in new:
        segments = state.sources[segment.source.id].segments
        for name, old in list(segments.items()):
            overlaps = old.span.intersection(segment.span) is not None
            if old.state in ("failed", "quarantined") and overlaps:
                gone.append(name)
                del segments[name]
    state.tables.delete("segments", "id", gone)


def of_today(item: SegmentRows, *, lake: Lake) -> SegmentRows:
    """Rows that an older release left for the lake, in the schemas of this one."""
    return replace(
        item,
        frames=with_added_columns(item.frames, "frames", lake.space),
        regions=with_added_columns(item.regions, "regions", lake.space),
        patches=None if item.patches is None else with_added_columns(item.patches, "patches", lake.space),
    )


def validate_rows(item: SegmentRows, *, lake: Lake) -> None:
    """Raises RefusedError unless the rows fit their tables, their segment, and each other."""
    segment, span = item.segment, item.segment.span
    where = f"rows of [{span.start}, {span.stop}) of {segment.source.uri}"
    parts: dict[TableName, pa.Table | None] = {
        "frames": item.frames,
        "regions": item.regions,
        "patches": item.patches,
    }
    for name, table in parts.items():
        if table is None:
            continue
        if not table.schema.equals(lake.schema(name)):
            raise RefusedError(f"{where}: {name} has schema {table.schema}, the lake has {lake.schema(name)}")
        if table.num_rows == 0:
            continue
        pts = pc.min_max(table["pts"]).as_py()
        if pts["min"] not in span or pts["max"] not in span:
            raise RefusedError(f"{where}: {name} has PTS {pts['min']} to {pts['max']}, outside the segment")
        if pc.unique(table["source_id"]).to_pylist() != [segment.source.id]:
            raise RefusedError(f"{where}: {name} has rows of other sources")
        key = "frame" if name == "patches" else "id"
        if pc.count_distinct(table[key]).as_py() != table.num_rows:
            raise RefusedError(f"{where}: {name} has the same {key} twice")
        if name != "frames" and not pc.all(pc.is_in(table["frame"], value_set=item.frames["id"])).as_py():
            raise RefusedError(f"{where}: {name} has rows of frames that are not among the segment's")
