"""Writes the rows of segments so that a kill or a power cut at any moment leaves all of them or none, after the next
recovery."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pyarrow as pa

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.ledger import LedgerEntry, SourceEntry, done_table
from pipeline.lake.writing.ledger_state import LedgerState
from schemas.clock import Span
from schemas.errors import RefusedError
from schemas.sources import Segment, Source
from schemas.tables import TableName


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
