"""The one writer of a lake: commits segments so that each appears once, whatever crashes.

A commit writes its ledger rows as `writing`, then the rows of frames, regions and patches, then the
ledger rows as `done`. Whoever opens the lake to write next deletes the rows of every segment that is
still `writing`: a commit happened wholly or not at all.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal, Self

from operators.tracking.links import Linker
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.ledger import (
    LedgerEntry,
    SourceEntry,
    failed_table,
    quarantined_source_table,
)
from pipeline.lake.plans import plan_conflict, plans_table
from pipeline.lake.upkeep.compaction import MANY_FRAGMENTS
from pipeline.lake.writing.commit_segments import forget_failures, new_segments, write_segments
from pipeline.lake.writing.completion import Completion
from pipeline.lake.writing.fold_shots import FoldShots
from pipeline.lake.writing.ledger_state import LedgerState
from pipeline.lake.writing.lock import WriterLock
from pipeline.lake.writing.tracks import NewTracker
from pipeline.lake.writing.upkeep_changes import UpkeepChanges
from pipeline.lake.writing.validate_rows import validate_rows
from pipeline.plan.stored_plan import StoredPlan
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.clock import Span
from schemas.errors import LakeError, PlanConflictError
from schemas.ids import digest
from schemas.sources import Segment, Source


class Committer:
    """Writes a lake under one plan. Holds the lake's writer lock from construction to `close()`.

    plan: None for what brings no rows, such as upkeep. A source that 0.1.0 began under the same plan keeps its hash.
    fold_shots, new_tracker, linker: see Completion; the linker is closed with the committer.
    wait_s: how long to wait for another writer to end.
    Opening repairs what a killed writer left behind. Every method may be called again with the same arguments,
    by the same or the next committer, when it is not known whether the first call got through; and from any thread,
    as one is done after the other.
    upkeep: what may be changed beside the commits.
    before_close: what else is to end with it.
    joins_fragments: between commits and at the end; False where an Upkeep does it.
    Raises LakeError when another writer holds the lake, or the storage refuses.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        plan: StoredPlan | None,
        fold_shots: FoldShots,
        new_tracker: NewTracker | None = None,
        linker: Linker | None = None,
        wait_s: float = 10.0,
        time: TimeSource = REAL_TIME,
    ) -> None:
        self.lake = lake
        self._plan = plan
        self._kept: set[str] | None = None  # hashes under which the lake keeps the plan, once it was looked at
        self._linker = linker
        # a bucket has no lock to take: its single writer is a rule for whoever runs the ingest
        self._lock = WriterLock(lake.folder, wait_s=wait_s) if lake.folder is not None else None
        self._completion = Completion(fold_shots, new_tracker=new_tracker, linker=linker)
        self._state = LedgerState(lake, finish=self._complete_of_this_plan, time=time)
        self.upkeep = UpkeepChanges(self._state)
        self.joins_fragments = True
        self.before_close: Callable[[], None] | None = None
        self._unsound: frozenset[str] | None = None  # until somebody wants to replace what is
        self._commits = 0  # since small fragments were last looked for
        try:
            with self._state.reading():
                pass
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Releases the lake; sources registered without any commit are written first, small fragments joined."""
        try:
            if self.before_close is not None:
                self.before_close()  # in nobody's turn: what it ends may wait for one
        finally:
            self._release()

    def _release(self) -> None:
        with self._state.turn:
            try:
                if self._state.sound:
                    self.flush()
                if self._commits and self._state.sound and self.joins_fragments:
                    self._join_fragments()
            finally:
                if self._lock is not None:
                    self._lock.release()
                if self._linker is not None:
                    self._linker.close()

    def register(self, source: Source, *, replace: bool = False) -> list[Span]:
        """Makes a source known; returns the spans of it that are still to be read, in order.

        A source that was quarantined is tried again. replace: what another plan made of it, what other bytes at
        its URI gave, or what fails the audit, is removed first; without it, another plan or rows of other bytes
        raise PlanConflictError.
        """
        with self._state.reading() as known:
            self._clear_place(source, replace=replace)
            entry = known.get(source.id)
            conflict = entry is not None and not self._made(entry) and entry.spans("done")
            if replace and (conflict or source.id in self._unsound_sources()):
                self._remove(source.id)
                entry = None
            elif entry is not None and conflict:
                raise plan_conflict(self.lake, source.uri, here=self.plan, there=entry.plan)
            if entry is None or entry.source is None or not self._made(entry) or entry.state == "quarantined":
                segments = entry.segments if entry is not None else {}
                plan = entry.plan if entry is not None and self._made(entry) else self.plan.hash
                known[source.id] = SourceEntry(source.uri, plan, "open", source, segments, stored=False)
            with self._state.change():
                self._state.forget_quarantined({source.uri})
            return source.span.minus(self.done_spans(source.id))

    def done_spans(self, source_id: str) -> list[Span]:
        """Spans of a source whose rows are in the lake, in order; those that upkeep removed are not wanted again."""
        with self._state.reading() as known:
            entry = known.get(source_id)
            return entry.settled() if entry is not None else []

    def commit(self, rows: Sequence[SegmentRows]) -> int:
        """Adds segments to the lake in one commit; returns how many were new.

        Segments whose span is done already are skipped, however it was cut. Sources that are now
        covered get their shots and become complete.
        Raises PlanConflictError as `register`, LakeError when a span is done in part only, rows do not belong to
        their segment, or the storage refuses; the lake is then as it was before, after the next call or the
        next opening.
        """
        with self._state.reading():
            new = new_segments(rows, self._entry, plan=self.plan)
            for item in new:
                validate_rows(item, lake=self.lake)
            if new:
                with self._state.change():
                    self._write_registered(item.plan for item in new)
                    write_segments(self._state, new)
                self._commits += 1
            self._completion.complete(self._state, {item.segment.source.id for item in new})
            if self._commits >= MANY_FRAGMENTS and self.joins_fragments:
                # every commit opens all fragments of the ledger: 50 ms of CPU each at first, 150 ms after 400 commits
                self._join_fragments()
            return len(new)

    def fail(self, segment: Segment, *, state: Literal["failed", "quarantined"], error: str, lost: int = 0) -> None:
        """Notes that a segment gave nothing, and why. A segment that is done stays done.

        lost: frames of a feed that had been received. The recording of a killed follower may be of another plan.
        """
        with self._state.reading() as known:
            entry = known.get(segment.source.id)
            if entry is None or entry.source is None:
                entry = self._entry(segment.source)
            if segment.id in entry.segments and entry.segments[segment.id].state == "done":
                return
            with self._state.change():
                self._write_registered([entry.plan])
                forget_failures(self._state, [segment])
                row = failed_table(segment, plan=entry.plan, state=state, error=error, lost=lost, time=self._state.time)
                self._state.tables.upsert("segments", row)
                entry.segments[segment.id] = LedgerEntry(segment.span, state, lost)

    def quarantine(self, uri: str, *, source_id: str | None = None, error: str) -> None:
        """Notes an input that cannot be read, and why. A complete source stays complete.

        source_id: hash of its bytes; None where not even those could be read.
        """
        name = source_id or digest("uri", uri)
        with self._state.reading() as known:
            entry = known.get(name)
            if entry is not None and entry.state == "complete":
                return
            with self._state.change():
                self._keep_plan([self.plan.hash])
                row = quarantined_source_table(source_id=name, uri=uri, plan=self.plan.hash, error=error)
                self._state.tables.upsert("sources", row)
                segments = entry.segments if entry is not None else {}
                known[name] = SourceEntry(uri, self.plan.hash, "quarantined", None, segments)

    def end(self, source: Source) -> None:
        """Completes a recording of a feed, of which more was announced than came. source: with the span that it has.

        Nothing is done where no segment of it was committed, or where it is complete.
        """
        with self._state.reading() as known:
            entry = known.get(source.id)
            if entry is not None and entry.state == "open" and entry.segments:
                known[source.id] = replace(entry, source=source, stored=False)
                self._completion.complete(self._state, [source.id])

    def open_recordings(self, besides: Sequence[Source] = ()) -> list[SourceEntry]:
        """The recordings that are not complete, and those of `besides` of which the lake knows nothing.

        Before feeds are followed these are what a follower that died left.
        """
        with self._state.reading() as known:
            unknown = [source for source in besides if source.id not in known]
            return known.open_recordings() + [
                SourceEntry(source.uri, self.plan.hash, "open", source, stored=False) for source in unknown
            ]

    def recordings(self, feed: str) -> list[Source]:
        """Those of a feed of which anything is settled, each with the span up to which it is."""
        with self._state.reading() as known:
            return known.recordings_of(feed)

    def flush(self) -> None:
        """Writes the sources that were registered and not yet written, and the plan where a source lacks it."""
        with self._state.change() as known:
            self._write_registered({entry.plan for entry in known.values()})

    @property
    def plan(self) -> StoredPlan:
        """That of its rows. Raises LakeError for a writer that brings none."""
        if self._plan is None:
            raise LakeError(f"this writer of {self.lake.uri} has no plan: it brings no rows")
        return self._plan

    def _made(self, entry: SourceEntry) -> bool:
        """Whether a source is in the lake under this plan."""
        return self._plan is not None and self._plan.is_of(entry.plan)

    def _write_registered(self, plans: Iterable[str]) -> None:
        """With the plan first. plans: hashes that further rows name. Within a change."""
        self._keep_plan([*plans, *(entry.plan for _, entry in self._state.sources.unwritten())])
        self._state.write_registered()

    def _keep_plan(self, hashes: Iterable[str]) -> None:
        """Writes the plan under those of the hashes that are its own, where the lake lacks them. Within a change."""
        own = {each for each in hashes if self._plan is not None and self._plan.is_of(each)}
        if self._kept is None and own:
            self.lake.add_missing_tables()
            self._kept = set(self.lake.read("plans", columns=["id"])["id"].to_pylist())
        if self._kept is not None and own - self._kept:
            rows = plans_table(self.plan, sorted(own - self._kept), written_at=self._state.time.utc())
            self._state.tables.upsert("plans", rows)
            self._kept |= own

    def _clear_place(self, source: Source, *, replace: bool) -> None:
        """Removes what other bytes at the URI of `source` left: they are gone, and clips would show the new ones.

        Raises PlanConflictError where that has rows, unless they are to be replaced.
        """
        for name in self._state.sources.standing_at(source.uri):
            old = self._state.sources[name]
            if name == source.id:
                continue
            if old.spans("done") and not replace:
                raise PlanConflictError(
                    f"{source.uri} has changed since it was ingested into {self.lake.uri}; pass --replace to take "
                    "what is there now and remove what was, or give the new file another name"
                )
            if old.segments or old.state != "quarantined":  # else its one row is forgotten as that of any quarantine
                self._remove(name)

    def _remove(self, source_id: str) -> None:
        self.upkeep.remove_sources([source_id])
        if self._unsound is not None:
            self._unsound -= {source_id}

    def _entry(self, source: Source) -> SourceEntry:
        """What is known of a source; registered here where the committer to which it was registered has died."""
        entry = self._state.sources.get(source.id)
        if entry is None or entry.source is None or not self._made(entry):
            self.register(source)
        return self._state.sources[source.id]

    def _unsound_sources(self) -> frozenset[str]:
        """Ids of the sources that fail the audit, as it was found the first time."""
        if self._unsound is None:
            self._unsound = check(self.lake).source_ids
        return self._unsound

    def _join_fragments(self) -> None:
        self._commits = 0
        self.upkeep.compact()

    def _complete_of_this_plan(self) -> None:
        """Shots are folded by the rules of the plan: sources of another are left to its own next ingest."""
        own = [name for name, entry in self._state.sources.items() if self._made(entry)]
        self._completion.complete(self._state, own)
