"""The one writer of a lake: commits segments so that each appears once, whatever crashes.

A commit writes its ledger rows as `writing`, then the rows of frames, regions and patches, then the
ledger rows as `done`. Whoever opens the lake to write next deletes the rows of every segment that is
still `writing`: a commit happened wholly or not at all.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Concatenate, Literal, ParamSpec, Self, TypeVar

import pyarrow as pa

from operators.tracking.links import Linker
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.ledger import (
    LedgerEntry,
    SourceEntry,
    done_table,
    failed_table,
    load_entries,
    load_segments,
    quarantined_source_table,
    shots_table,
    sources_table,
)
from pipeline.lake.upkeep.compaction import MANY_FRAGMENTS, Compaction, compact
from pipeline.lake.writing import removal
from pipeline.lake.writing.fold_shots import FoldShots, fold_sources
from pipeline.lake.writing.known_sources import KnownSources
from pipeline.lake.writing.lock import WriterLock
from pipeline.lake.writing.table_writer import TableWriter
from pipeline.lake.writing.tracks import NewTracker, write_tracks
from pipeline.lake.writing.validate_rows import validate_rows
from schemas.clock import Span
from schemas.errors import LakeError, PlanConflictError
from schemas.ids import digest
from schemas.sources import Segment, Source

P = ParamSpec("P")
R = TypeVar("R")


def _in_turn(method: Callable[Concatenate["Committer", P], R]) -> Callable[Concatenate["Committer", P], R]:
    """Whatever threads the calls come from, one is done after the other."""

    @wraps(method)
    def called(self: "Committer", /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.turn:
            return method(self, *args, **kwargs)

    return called


class Committer:
    """Writes a lake under one plan. Holds the lake's writer lock from construction to `close()`.

    fold_shots: (source, its cut events in order, first PTS, last PTS) → its shots.
    new_tracker: makes what follows the regions of one source; None leaves the tracks unknown.
    linker: carries masks from keyframe to keyframe for the tracker; closed with the committer.
    wait_s: how long to wait for another writer to end.
    Opening repairs what a killed writer left behind. Every method may be called again with the same arguments,
    by the same or the next committer, when it is not known whether the first call got through.
    turn: held by every method while it runs; whoever else changes the lake from this process holds it meanwhile.
    before_close: what else is to end with it.
    joins_fragments: between commits and at the end; False where an Upkeep does it.
    Raises LakeError when another writer holds the lake, or the storage refuses.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        plan_hash: str,
        fold_shots: FoldShots,
        new_tracker: NewTracker | None = None,
        linker: Linker | None = None,
        wait_s: float = 10.0,
    ) -> None:
        self.lake = lake
        self._tables = TableWriter(lake)
        self.plan_hash = plan_hash
        self._fold_shots = fold_shots
        self._new_tracker = new_tracker
        self._linker = linker
        # a bucket has no lock to take: its single writer is a rule for whoever runs the ingest
        self._lock = WriterLock(lake.folder, wait_s=wait_s) if lake.folder is not None else None
        self._known = KnownSources()
        self._damaged = True  # until recovery has looked
        self.turn = threading.RLock()
        self.joins_fragments = True
        self.before_close: Callable[[], None] | None = None
        self._unsound: frozenset[str] | None = None  # until somebody wants to replace what is
        self._commits = 0  # since small fragments were last looked for
        try:
            self._recover()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Releases the lake; sources registered without any commit are written first, small fragments joined."""
        if self.before_close is not None:
            self.before_close()  # in nobody's turn: what it ends may wait for one
        self._close()

    @_in_turn
    def _close(self) -> None:
        try:
            if not self._damaged:
                self.flush()
            if self._commits and not self._damaged and self.joins_fragments:
                self.compact()
        finally:
            if self._lock is not None:
                self._lock.release()
            if self._linker is not None:
                self._linker.close()

    @_in_turn
    def register(self, source: Source, *, replace: bool = False) -> list[Span]:
        """Makes a source known; returns the spans of it that are still to be read, in order.

        A source that was quarantined is tried again. replace: what another plan made of it, what other bytes at
        its URI gave, or what fails the audit, is removed first; without it, another plan or rows of other bytes
        raise PlanConflictError.
        """
        self._recover()
        self._clear_place(source, replace=replace)
        entry = self._known.get(source.id)
        conflict = entry is not None and entry.plan != self.plan_hash and entry.spans("done")
        if replace and (conflict or source.id in self._unsound_sources()):
            self.remove(source.id)
            entry = None
        elif entry is not None and conflict:
            raise PlanConflictError(
                f"{source.uri} is in the lake {self.lake.uri} under plan {entry.plan}, this run has plan "
                f"{self.plan_hash}; pass --replace to ingest it anew, or use another lake"
            )
        if entry is None or entry.source is None or entry.plan != self.plan_hash or entry.state == "quarantined":
            segments = entry.segments if entry is not None else {}
            self._known[source.id] = SourceEntry(source.uri, self.plan_hash, "open", source, segments, stored=False)
        self._damaged = True
        self._forget_quarantined({source.uri})
        self._damaged = False
        return source.span.minus(self.done_spans(source.id))

    @_in_turn
    def done_spans(self, source_id: str) -> list[Span]:
        """Spans of a source whose rows are in the lake, in order; those that upkeep removed are not wanted again."""
        entry = self._known.get(source_id)
        return entry.settled() if entry is not None else []

    @_in_turn
    def commit(self, rows: Sequence[SegmentRows]) -> int:
        """Adds segments to the lake in one commit; returns how many were new.

        Segments whose span is done already are skipped, however it was cut. Sources that are now
        covered get their shots and become complete.
        Raises PlanConflictError as `register`, LakeError when a span is done in part only, rows do not belong to
        their segment, or the storage refuses; the lake is then as it was before, after the next call or the
        next opening.
        """
        self._recover()
        new = self._new_segments(rows)
        for item in new:
            validate_rows(item, lake=self.lake)
        if new:
            self._damaged = True
            self._write_sources()
            self._write_segments(new)
            self._damaged = False
            self._commits += 1
        self._complete({item.segment.source.id for item in new})
        if self._commits >= MANY_FRAGMENTS and self.joins_fragments:
            # every commit opens all fragments of the ledger: 50 ms of CPU each at first, 150 ms after 400 commits
            self.compact()
        return len(new)

    @_in_turn
    def fail(self, segment: Segment, *, state: Literal["failed", "quarantined"], error: str, lost: int = 0) -> None:
        """Notes that a segment gave nothing, and why. A segment that is done stays done.

        lost: frames of a feed that had been received. The recording of a killed follower may be of another plan.
        """
        self._recover()
        entry = self._known.get(segment.source.id)
        if entry is None or entry.source is None:
            entry = self._entry(segment.source)
        if segment.id in entry.segments and entry.segments[segment.id].state == "done":
            return
        self._damaged = True
        self._write_sources()
        self._forget_failures([segment])
        self._tables.upsert("segments", failed_table(segment, plan=entry.plan, state=state, error=error, lost=lost))
        entry.segments[segment.id] = LedgerEntry(segment.span, state, lost)
        self._damaged = False

    @_in_turn
    def quarantine(self, uri: str, *, source_id: str | None = None, error: str) -> None:
        """Notes an input that cannot be read, and why. A complete source stays complete.

        source_id: hash of its bytes; None where not even those could be read.
        """
        self._recover()
        name = source_id or digest("uri", uri)
        entry = self._known.get(name)
        if entry is not None and entry.state == "complete":
            return
        self._damaged = True
        self._tables.upsert(
            "sources", quarantined_source_table(source_id=name, uri=uri, plan=self.plan_hash, error=error)
        )
        segments = entry.segments if entry is not None else {}
        self._known[name] = SourceEntry(uri, self.plan_hash, "quarantined", None, segments)
        self._damaged = False

    @_in_turn
    def remove(self, source_id: str) -> None:
        """Takes a source out of the lake, so that it can be ingested anew."""
        self.remove_sources([source_id])

    @_in_turn
    def remove_sources(self, source_ids: Sequence[str]) -> None:
        """Takes these sources out of the lake."""
        self._recover()
        self._damaged = True
        removal.remove_sources(self._tables, source_ids)
        for source_id in source_ids:
            self._known.pop(source_id, None)
        if self._unsound is not None:
            self._unsound -= set(source_ids)
        self._damaged = False

    @_in_turn
    def keep_only(self, kept: Mapping[str, Sequence[Span]]) -> None:
        """Of each of these complete sources, by id, what lies in the spans, which begin and end with shots of it.

        The rest is `removed` in the ledger: it is not asked for again.
        """
        self._recover()
        self._damaged = True
        kept = {name: kept[name] for name in self._known.complete(kept)}
        removal.keep_only(self.lake, self._tables, kept)
        self._reload(list(kept))
        self._damaged = False

    @_in_turn
    def join_ledger(self, source_ids: Sequence[str]) -> int:
        """Makes one row of the ledger of neighbours that are done, of complete sources; returns how many fewer."""
        self._recover()
        self._damaged = True
        source_ids = self._known.complete(source_ids)
        fewer = removal.join_ledger(self.lake, self._tables, source_ids)
        self._reload(source_ids)
        self._damaged = False
        return fewer

    @_in_turn
    def ledger_rows(self) -> dict[str, int]:
        """How many rows the ledger has of each recording of a feed that is complete."""
        self._recover()
        return self._known.ledger_rows()

    @_in_turn
    def end(self, source: Source) -> None:
        """Completes a recording of a feed, of which more was announced than came. source: with the span that it has.

        Nothing is done where no segment of it was committed, or where it is complete.
        """
        self._recover()
        entry = self._known.get(source.id)
        if entry is None or entry.state != "open" or not entry.segments:
            return
        self._known[source.id] = replace(entry, source=source, stored=False)
        self._complete([source.id])

    @_in_turn
    def open_recordings(self, besides: Sequence[Source] = ()) -> list[SourceEntry]:
        """The recordings that are not complete, and those of `besides` of which the lake knows nothing.

        Before feeds are followed these are what a follower that died left.
        """
        self._recover()
        unknown = [source for source in besides if source.id not in self._known]
        return self._known.open_recordings() + [
            SourceEntry(source.uri, self.plan_hash, "open", source, stored=False) for source in unknown
        ]

    @_in_turn
    def recordings(self, feed: str) -> list[Source]:
        """Those of a feed of which anything is settled, each with the span up to which it is."""
        self._recover()
        return self._known.recordings_of(feed)

    @_in_turn
    def flush(self) -> None:
        """Writes the sources that were registered and not yet written."""
        self._recover()
        self._damaged = True
        self._write_sources()
        self._damaged = False

    @_in_turn
    def compact(self, *, many: int = MANY_FRAGMENTS) -> tuple[Compaction, ...]:
        """Joins small fragments of the tables that have at least `many`; readers are not disturbed."""
        self._recover()
        self._commits = 0
        return compact(self.lake, many=many)

    # -- writing ---------------------------------------------------------------------------------

    def _new_segments(self, rows: Sequence[SegmentRows]) -> list[SegmentRows]:
        """What of `rows` is not in the lake. Raises LakeError where spans overlap in part."""
        new: list[SegmentRows] = []
        taken: dict[str, list[Span]] = {}
        for item in rows:
            segment = item.segment
            entry = self._entry(segment.source)
            if item.plan != entry.plan:
                raise LakeError(
                    f"rows of {segment.source.uri} were made by plan {item.plan}, the lake has it under "
                    f"{entry.plan}; ingest it with one plan"
                )
            spans = taken.setdefault(segment.source.id, entry.settled())
            left = segment.span.minus(spans)
            if left == [segment.span]:
                new.append(item)
                spans.append(segment.span)
            elif left:
                raise LakeError(
                    f"segment [{segment.span.start}, {segment.span.stop}) of {segment.source.uri} is in the lake in "
                    "part; cut segments from what register() returns"
                )
        return new

    def _write_segments(self, new: Sequence[SegmentRows]) -> None:
        self._forget_failures(item.segment for item in new)
        self._tables.append("segments", done_table(new, state="writing"))
        for item in new:
            report = item.report
            self._known[item.segment.source.id].segments[item.segment.id] = LedgerEntry(
                item.segment.span, "writing", report.frames_decoded, report.first_pts, report.last_pts
            )
        self._tables.append("frames", pa.concat_tables([item.frames for item in new]))
        self._tables.append("regions", pa.concat_tables([item.regions for item in new]))
        patches = [item.patches for item in new if item.patches is not None]
        if patches:
            self._tables.append("patches", pa.concat_tables(patches))
        self._tables.upsert("segments", done_table(new, state="done"))
        for item in new:
            self._known[item.segment.source.id].segments[item.segment.id].state = "done"

    def _forget_failures(self, new: Iterable[Segment]) -> None:
        """Deletes the ledger's failures of which `new` knows better, however they were cut."""
        gone: list[str] = []
        for segment in new:
            segments = self._known[segment.source.id].segments
            for name, old in list(segments.items()):
                overlaps = old.span.intersection(segment.span) is not None
                if old.state in ("failed", "quarantined") and overlaps:
                    gone.append(name)
                    del segments[name]
        self._tables.delete("segments", "id", gone)

    def _write_sources(self) -> None:
        unwritten = self._known.unwritten()
        if not unwritten:
            return
        self._forget_quarantined({source.uri for source, _ in unwritten})
        table = sources_table([(source, entry.plan, entry.state) for source, entry in unwritten])
        self._tables.upsert("sources", table)
        for _, entry in unwritten:
            entry.stored = True

    def _forget_quarantined(self, uris: set[str]) -> None:
        """An input that was unreadable and now is not had an id of its URI, or of other bytes."""
        held = [(name, self._known[name]) for uri in uris for name in self._known.standing_at(uri)]
        stale = [name for name, entry in held if entry.stored and entry.state == "quarantined"]
        self._tables.delete("sources", "id", stale)
        for name in stale:
            del self._known[name]

    def _clear_place(self, source: Source, *, replace: bool) -> None:
        """Removes what other bytes at the URI of `source` left: they are gone, and clips would show the new ones.

        Raises PlanConflictError where that has rows, unless they are to be replaced.
        """
        for name in self._known.standing_at(source.uri):
            old = self._known[name]
            if name == source.id:
                continue
            if old.spans("done") and not replace:
                raise PlanConflictError(
                    f"{source.uri} has changed since it was ingested into {self.lake.uri}; pass --replace to take "
                    "what is there now and remove what was, or give the new file another name"
                )
            if old.segments or old.state != "quarantined":  # else its one row is forgotten as that of any quarantine
                self.remove(name)

    def _complete(self, source_ids: Iterable[str]) -> None:
        """Writes the shots of the sources that are covered, and marks them complete."""
        covered = [name for name in source_ids if self._known[name].state == "open" and self._known[name].covered()]
        if not covered:
            return
        self._damaged = True
        shots = fold_sources(self.lake, {name: self._known[name] for name in covered}, self._fold_shots)
        covered = [name for name in covered if name in shots]
        self._tables.append(
            "shots", shots_table([(source, shot) for source, found in shots.values() for shot in found])
        )
        if self._new_tracker is not None:
            videos = {name: found for name, (source, found) in shots.items() if source.kind != "picture"}
            write_tracks(self.lake, videos, self._new_tracker, linker=self._linker)
        complete = sources_table(
            [(e.source, e.plan, "complete") for e in map(self._known.__getitem__, covered) if e.source is not None]
        )
        self._tables.upsert("sources", complete)
        for name in covered:
            self._known[name].state = "complete"
        self._damaged = False

    def _entry(self, source: Source) -> SourceEntry:
        """What is known of a source; registered here where the committer to which it was registered has died."""
        entry = self._known.get(source.id)
        if entry is None or entry.source is None or entry.plan != self.plan_hash:
            self.register(source)
        return self._known[source.id]

    def _unsound_sources(self) -> frozenset[str]:
        """Ids of the sources that fail the audit, as it was found the first time."""
        if self._unsound is None:
            self._unsound = check(self.lake).source_ids
        return self._unsound

    # -- recovery --------------------------------------------------------------------------------

    def _recover(self) -> None:
        """Undoes commits that did not end, and finishes sources whose last segment is done."""
        if not self._damaged:
            return
        registered = self._known.unwritten()
        self._known = KnownSources(load_entries(self.lake).items())
        removing = [name for name, entry in self._known.items() if entry.state == "removing"]
        removal.finish_removals(self._tables, removing)
        for name in removing:
            del self._known[name]
        trimmed = self._known.stretches("removing")
        removal.finish_trims(self._tables, trimmed)
        for source_id, name, _ in trimmed:
            self._known[source_id].segments[name].state = "removed"
        torn = self._known.stretches("writing")
        removal.delete_rows(self._tables, torn)
        self._tables.delete("segments", "id", [name for _, name, _ in torn])
        for source_id, name, _ in torn:
            del self._known[source_id].segments[name]
        self._tables.delete("shots", "source_id", [name for name, e in self._known.items() if e.state == "open"])
        for source, entry in registered:
            known = self._known.get(source.id)
            if known is None or known.source is None:
                entry.segments = known.segments if known is not None else {}
                self._known[source.id] = entry
        self._damaged = False
        # shots are folded by the rules of the plan: those of another are left to its own next ingest
        self._complete([name for name, entry in self._known.items() if entry.plan == self.plan_hash])

    def _reload(self, source_ids: Sequence[str]) -> None:
        for source_id, segments in load_segments(self.lake, source_ids).items():
            self._known[source_id].segments = segments
