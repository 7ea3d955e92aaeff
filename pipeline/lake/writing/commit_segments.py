"""Writes the rows of segments so that a kill at any moment leaves all of them or none, after the next recovery."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pyarrow as pa

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.ledger import LedgerEntry, SourceEntry, done_table
from pipeline.lake.writing.ledger_state import LedgerState
from pipeline.plan.stored_plan import StoredPlan
from schemas.clock import Span
from schemas.errors import LakeError
from schemas.sources import Segment, Source


def new_segments(
    rows: Sequence[SegmentRows], entry_of: Callable[[Source], SourceEntry], *, plan: StoredPlan
) -> list[SegmentRows]:
    """The segments that are not in the lake yet, with the plan hash under which the lake has their source.

    Raises LakeError if spans overlap in part, or the plans differ.
    """
    new: list[SegmentRows] = []
    settled: dict[str, list[Span]] = {}
    for item in rows:
        segment = item.segment
        entry = entry_of(segment.source)
        if not (plan.is_of(item.plan) and plan.is_of(entry.plan)):
            raise LakeError(
                f"rows of {segment.source.uri} were made by plan {item.plan}, the lake has it under "
                f"{entry.plan}; ingest it with one plan"
            )
        spans = settled.setdefault(segment.source.id, entry.settled())
        left = segment.span.minus(spans)
        if left == [segment.span]:
            new.append(replace(item, plan=entry.plan))
            spans.append(segment.span)
        elif left:
            raise LakeError(
                f"segment [{segment.span.start}, {segment.span.stop}) of {segment.source.uri} is in the lake in "
                "part; cut segments from the spans that register() returns"
            )
    return new


def write_segments(state: LedgerState, new: Sequence[SegmentRows]) -> None:
    """Writes the rows of new segments, whose sources must be known. Call it within a change of the state."""
    tables = state.tables
    forget_failures(state, (item.segment for item in new))
    tables.append("segments", done_table(new, state="writing", time=state.time))
    tables.append("frames", pa.concat_tables([item.frames for item in new]))
    tables.append("regions", pa.concat_tables([item.regions for item in new]))
    patches = [item.patches for item in new if item.patches is not None]
    if patches:
        tables.append("patches", pa.concat_tables(patches))
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
