"""Reads the ledger as sources and segments with their states, and makes rows of `sources`, `segments` and `shots`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from pipeline.lake import sql
from pipeline.lake.checksums import SegmentChecksum, of_rows, with_ledger_checksums, with_own_checksums
from pipeline.lake.lake import Lake
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.clock import Clock, Span
from schemas.file_names import printable
from schemas.ids import shot_id
from schemas.shots import CutEvent, Shot
from schemas.sources import Segment, Source
from schemas.tables import segments_schema, shots_schema, sources_schema

if TYPE_CHECKING:
    from pipeline.ingest.arrow_rows import SegmentRows

SourceState = Literal["open", "complete", "quarantined", "removing"]
# removed: it was done, and retention deleted its rows later (pipeline/lake/upkeep/retention.py)
SegmentState = Literal["writing", "done", "failed", "quarantined", "removing", "removed"]


@dataclass(slots=True)
class LedgerEntry:
    """A row of the ledger, without its cut events. frames: number of frames decoded or lost."""

    span: Span
    state: SegmentState
    frames: int
    first_pts: int | None = None
    last_pts: int | None = None


@dataclass(slots=True)
class SourceEntry:
    """A source with its segments by id. source: None if it could not be probed. stored: whether it has a row."""

    uri: str
    plan: str
    state: SourceState
    source: Source | None
    segments: dict[str, LedgerEntry] = field(default_factory=dict)
    stored: bool = True

    def spans(self, state: SegmentState) -> list[Span]:
        return sorted(s.span for s in self.segments.values() if s.state == state)

    def settled(self) -> list[Span]:
        """Spans that need no further work: their rows are in the lake, or were removed by retention."""
        return sorted(self.spans("done") + self.spans("removed"))

    def covered(self) -> bool:
        """Whether every tick of the source is settled; lost segments of a feed count, as they cannot be read again."""
        if self.source is None:
            return False
        lost = self.spans("failed") if self.source.kind == "feed" else []
        return not self.source.span.minus(self.settled() + lost)


_ENTRY_COLUMNS = "id source_id source plan start stop state frames_decoded lost first_pts last_pts".split()


def load_entries(lake: Lake) -> dict[str, SourceEntry]:
    """All sources of a lake, with their segments, by source id."""
    entries = {row["id"]: _entry(row) for row in lake.read("sources").to_pylist()}
    for row in lake.read("segments", columns=_ENTRY_COLUMNS).to_pylist():
        entry = entries.get(row["source_id"])
        if entry is None:  # its source's row is missing: the audit reports it, --replace repairs it
            entry = entries[row["source_id"]] = SourceEntry(row["source"], row["plan"], "open", None)
        entry.segments[row["id"]] = _ledger_entry(row)
    return entries


def load_segments(lake: Lake, source_ids: Sequence[str]) -> dict[str, dict[str, LedgerEntry]]:
    """The segments of some sources: source id → segment id → entry."""
    found: dict[str, dict[str, LedgerEntry]] = {name: {} for name in source_ids}
    if source_ids:
        for row in lake.read("segments", columns=_ENTRY_COLUMNS, where=sql.is_in("source_id", source_ids)).to_pylist():
            found[row["source_id"]][row["id"]] = _ledger_entry(row)
    return found


def load_cut_events(lake: Lake, source_ids: Iterable[str]) -> dict[str, list[CutEvent]]:
    """The raw cut events of the done segments of each source, in order of PTS."""
    ids = list(source_ids)
    events: dict[str, list[CutEvent]] = {name: [] for name in ids}
    for at in range(0, len(ids), 500):
        where = sql.all_of("state = 'done'", sql.is_in("source_id", ids[at : at + 500]))
        for row in lake.read("segments", columns=["source_id", "cut_events"], where=where).to_pylist():
            events[row["source_id"]] += [CutEvent(**event) for event in row["cut_events"]]
    return {name: sorted(found) for name, found in events.items()}


def sources_table(sources: Iterable[tuple[Source, str, SourceState]]) -> pa.Table:
    """Rows of `sources` for each (source, plan hash, state)."""
    rows = [
        {
            "id": s.id,
            "source": s.uri,
            "kind": s.kind,
            "plan": plan,
            "state": state,
            "time_base_num": s.clock.time_base.numerator,
            "time_base_den": s.clock.time_base.denominator,
            "start_time": s.clock.start_time,
            "start": s.span.start,
            "stop": s.span.stop,
            "width_px": s.width_px,
            "height_px": s.height_px,
            "frame_rate": s.frame_rate,
            "codec": s.codec,
        }
        for s, plan, state in sources
    ]
    return with_own_checksums(pa.Table.from_pylist(rows, schema=sources_schema()))


def quarantined_source_table(*, source_id: str, uri: str, plan: str, error: str) -> pa.Table:
    """The row of `sources` for an input that could not be read."""
    row = {"id": source_id, "source": uri, "plan": plan, "state": "quarantined", "error": printable(error)}
    return with_own_checksums(pa.Table.from_pylist([row], schema=sources_schema()))


def done_table(
    commits: Iterable["SegmentRows"], *, state: Literal["writing", "done"], time: TimeSource = REAL_TIME
) -> pa.Table:
    """Rows of the ledger for committed segments, with counts and cut events; those that are done have checksums."""
    now = time.utc()
    rows = [
        _segment_row(c.segment, plan=c.plan, state=state, now=now)
        | {
            "frames_decoded": c.report.frames_decoded,
            "near_duplicates": c.report.near_duplicates,
            "shed": c.report.shed,
            "keyframes": c.frames.num_rows,
            "regions": c.regions.num_rows,
            "first_pts": c.report.first_pts,
            "last_pts": c.report.last_pts,
            "cut_events": [{"pts": e.pts, "previous_pts": e.previous_pts, "kind": e.kind} for e in c.report.cut_events],
            "checksum": str(of_rows(c.frames, c.regions, c.patches)) if state == "done" else None,
        }
        for c in commits
    ]
    return with_ledger_checksums(pa.Table.from_pylist(rows, schema=segments_schema()))


def failed_table(
    segment: Segment,
    *,
    plan: str,
    state: Literal["failed", "quarantined"],
    error: str,
    lost: int = 0,
    time: TimeSource = REAL_TIME,
) -> pa.Table:
    """The row of the ledger for a segment without rows. lost: frames of a feed that were received and then lost."""
    row = _segment_row(segment, plan=plan, state=state, now=time.utc()) | {"error": printable(error), "lost": lost}
    row["checksum"] = str(SegmentChecksum())
    return with_ledger_checksums(pa.Table.from_pylist([row], schema=segments_schema()))


def shots_table(shots: Iterable[tuple[Source, Shot]]) -> pa.Table:
    rows = [
        {
            "id": shot_id(source.id, shot.span.start),
            "source_id": source.id,
            "source": source.uri,
            "start": shot.span.start,
            "stop": shot.span.stop,
            "start_s": source.clock.seconds(shot.span.start),
            "stop_s": source.clock.seconds(shot.span.stop),
            "kind": shot.kind,
        }
        for source, shot in shots
    ]
    return with_own_checksums(pa.Table.from_pylist(rows, schema=shots_schema()))


def _segment_row(segment: Segment, *, plan: str, state: SegmentState, now: datetime) -> dict[str, Any]:
    return {
        "id": segment.id,
        "source_id": segment.source.id,
        "source": segment.source.uri,
        "plan": plan,
        "start": segment.span.start,
        "stop": segment.span.stop,
        "state": state,
        "frames_decoded": 0,
        "near_duplicates": 0,
        "shed": 0,
        "lost": 0,
        "keyframes": 0,
        "regions": 0,
        "cut_events": [],
        "committed_at": now,
    }


def _ledger_entry(row: dict[str, Any]) -> LedgerEntry:
    frames = row["frames_decoded"] + row["lost"]
    return LedgerEntry(Span(row["start"], row["stop"]), row["state"], frames, row["first_pts"], row["last_pts"])


def _entry(row: dict[str, Any]) -> SourceEntry:
    source = None
    if row["time_base_den"] is not None:
        source = Source(
            uri=row["source"],
            id=row["id"],
            kind=row["kind"],
            clock=Clock(Fraction(row["time_base_num"], row["time_base_den"]), row["start_time"]),
            span=Span(row["start"], row["stop"]),
            width_px=row["width_px"],
            height_px=row["height_px"],
            # the other sync points are not stored: shots are computed without them
            sync_pts=(row["start"],),
            frame_rate=row["frame_rate"],
            codec=row["codec"],
        )
    return SourceEntry(row["source"], row["plan"], row["state"], source)
