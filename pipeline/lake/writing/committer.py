"""The one writer of a lake: commits segments so that each appears once, whatever crashes.

A commit writes its ledger rows as `writing`, then the rows of frames, regions and patches, then the
ledger rows as `done`. The next writer that opens the lake deletes the rows of every segment that is
still `writing`, so that a commit happens wholly or not at all.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal, Self

import pyarrow as pa

from operators.tracking.links import Linker
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.lease.held_lake import HeldLake
from pipeline.lake.ledger import (
    LedgerEntry,
    SourceEntry,
    failed_table,
    quarantined_source_table,
)
from pipeline.lake.plans import plan_conflict, plans_table, replace_command
from pipeline.lake.upkeep.compaction import MANY_FRAGMENTS
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.writing.commit_segments import forget_failures, new_segments, of_today, validate_rows, write_segments
from pipeline.lake.writing.completion import Completion, CompletionOf, Completions, FoldShots
from pipeline.lake.writing.ledger_state import LedgerState
from pipeline.lake.writing.tracks import NewTracker
from pipeline.lake.writing.upkeep_changes import UpkeepChanges
from pipeline.lake.writing.validity import GRID_S, with_validity
from pipeline.plan.stored_plan import StoredPlan
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.clock import Span
from schemas.errors import FileChangedError, LakeError, RefusedError
from schemas.ids import digest
from schemas.sources import Segment, Source


class Committer:
    """Writes a lake under one plan. Holds the lake's lease from construction to `close()`.

    Opening repairs what a killed writer left behind. Every method may be called again with the same arguments,
    by the same or the next committer, when it is not known whether the first call succeeded; and from any thread:
    calls are done one after the other.

    plan: None for a writer that adds no rows, such as upkeep. A source that 0.1.0 began under this plan keeps its hash.
    fold_shots, new_tracker, linker: see Completion; the linker is closed with the committer.
    completion_of: completes sources of another plan; None where that plan cannot be followed, and they stay open. By
        default, they are completed as those of `plan`.
    grid_s: of the validity of regions: pipeline/lake/writing/validity.py. store_once: whether regions that repeat an
        earlier one are removed from complete sources: pipeline/lake/writing/repeats.py.
    wait_s: how long to wait for another writer to end.
    beside: a committer of this process, whose lease and ledger this one shares, for rows of another plan. It is closed
        first, and holds nothing of its own.
    upkeep: changes of the lake besides commits. lease: the right to write.
    before_close: called by `close()` first.
    joins_fragments: whether small fragments are joined between commits and at the end; False if an Upkeep does it.
    Raises LakeError if another writer has the lake, or the storage fails.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        plan: StoredPlan | None,
        fold_shots: FoldShots,
        new_tracker: NewTracker | None = None,
        linker: Linker | None = None,
        completion_of: CompletionOf | None = None,
        grid_s: float = GRID_S,
        store_once: bool = False,
        beside: "Committer | None" = None,
        wait_s: float = 10.0,
        time: TimeSource = REAL_TIME,
    ) -> None:
        self.lake = lake
        self._plan = plan
        self._kept: set[str] | None = None  # hashes under which the lake has the plan; None: not read yet
        self._linker = linker
        self._beside = beside
        self.lease: HeldLake = HeldLake(lake, wait_s=wait_s, time=time) if beside is None else beside.lease
        self._grid_s = grid_s
        own = Completion(fold_shots, new_tracker=new_tracker, linker=linker, grid_s=grid_s, store_once=store_once)
        self._completions = Completions(own, completion_of, plan=plan, lake=lake)
        if beside is None:
            self._state = LedgerState(lake, self.lease, finish=self._complete_of_this_plan, time=time)
            self.upkeep = UpkeepChanges(self._state)
        else:
            self._state, self.upkeep = beside._state, beside.upkeep
        self.joins_fragments = beside is None
        self.before_close: Callable[[], None] | None = None
        self._unsound: frozenset[str] | None = None  # None: not audited yet; only --replace needs it
        self._commits = 0  # since small fragments were last looked for
        try:
            if beside is None:
                lake.migrate()
                lake.make_durable()  # a writer that was killed may have left a commit that it had not synced
            with self._state.reading():
                if beside is not None:
                    self._complete_of_this_plan()  # what a killed writer of this plan left covered but open
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
                self.before_close()  # without holding `turn`: what it ends may be waiting for it
        finally:
            self._release()

    def _release(self) -> None:
        with self._state.turn:
            try:
                if self._state.sound:
                    self.flush()
                if self._commits and self._state.sound and self.joins_fragments:
                    self._join_fragments()
                if self._beside is None:
                    with lake_errors(f"noting what is durable in {self.lake.uri}", lake=self.lake.uri):
                        self.lake.durability.note()
            finally:
                if self._beside is None:
                    self.lease.release()
                if self._linker is not None:
                    self._linker.close()

    def register(self, source: Source, *, replace: bool = False) -> list[Span]:
        """Registers a source; returns its spans that are still to be read, in order.

        A source that was quarantined is tried again. replace: first removes the rows of the source that another plan
        made or that fail the audit, and the rows of other bytes at its URI; without it, another plan or rows of other
        bytes raise PlanConflictError. Pins are of spans of the bytes, so those of the source stay; where other bytes
        are pinned, FileChangedError is raised.
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
        """Spans of a source that need not be read, in order: their rows are in the lake, or upkeep has removed them."""
        with self._state.reading() as known:
            entry = known.get(source_id)
            return entry.settled() if entry is not None else []

    def commit(self, rows: Sequence[SegmentRows], *, plan: StoredPlan | None = None) -> int:
        """Adds segments to the lake in one commit; returns how many were new.

        Segments whose span is done already are skipped, even if it was cut differently. Sources that are now
        covered get their shots and become complete.
        plan: of the rows, where it is not this writer's: an earlier follower made them, and they were not committed.
        Raises RefusedError if the lake has a source under another plan than its rows (PlanConflictError), a span is
        done only in part, or rows do not belong to their segment; LakeError if the storage fails. The next call or the
        next opening then restores the lake as it was before.
        """
        self._completions.learn(plan)
        with self._state.reading():
            new = new_segments([of_today(item, lake=self.lake) for item in rows], self._entry)
            for item in new:
                validate_rows(item, lake=self.lake)
            if new:
                with self._state.change():
                    self._write_registered(item.plan for item in new)
                    write_segments(self._state, [with_validity(item, grid_s=self._grid_s) for item in new])
                self._commits += 1
            self._completions.complete(self._state, {item.segment.source.id for item in new})
            if self._commits >= MANY_FRAGMENTS and self.joins_fragments:
                # every commit opens all fragments of the ledger: 50 ms of CPU each at first, 150 ms after 400 commits
                self._join_fragments()
            return len(new)

    def fail(
        self,
        segment: Segment,
        *,
        state: Literal["failed", "quarantined"],
        error: str,
        lost: int = 0,
        plan: StoredPlan | None = None,
    ) -> None:
        """Records that a segment failed, and why. What is done stays done.

        lost: frames of a feed that had been received. The recording of a killed follower may be of another plan.
        plan: under which a source that the lake does not know was recorded, where it is not this writer's.
        """
        self._completions.learn(plan)
        with self._state.reading() as known:
            entry = known.get(segment.source.id)
            if entry is None or entry.source is None:
                entry = self._entry(segment.source, self.plan.hash if plan is None else plan.hash)
            if any(span.intersection(segment.span) for span in entry.settled()):
                return
            with self._state.change():
                self._write_registered([entry.plan])
                forget_failures(self._state, [segment])
                row = failed_table(segment, plan=entry.plan, state=state, error=error, lost=lost, time=self._state.time)
                self._state.tables.upsert("segments", row)
                entry.segments[segment.id] = LedgerEntry(segment.span, state, lost)

    def quarantine(self, uri: str, *, source_id: str | None = None, error: str) -> None:
        """Records an input that cannot be read, and why. A complete source stays complete.

        source_id: hash of its bytes; None if they could not be read.
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
        """Completes a recording of a feed that is shorter than it was registered. source: with its true span.

        Does nothing if no segment of it was committed, or if it is complete.
        """
        with self._state.reading() as known:
            entry = known.get(source.id)
            if entry is not None and entry.state == "open" and entry.segments:
                known[source.id] = replace(entry, source=source, stored=False)
                self._completions.complete(self._state, [source.id])

    def open_recordings(self, besides: Sequence[Source] = ()) -> list[SourceEntry]:
        """The recordings that are not complete, and those of `besides` that are not in the lake.

        Before feeds are followed, these are the recordings that a killed follower left.
        """
        with self._state.reading() as known:
            unknown = [source for source in besides if source.id not in known]
            return known.open_recordings() + [
                SourceEntry(source.uri, self.plan.hash, "open", source, stored=False) for source in unknown
            ]

    def recordings(self, feed: str) -> list[Source]:
        """The recordings of a feed that have segments, each with the span that these cover."""
        with self._state.reading() as known:
            return known.recordings_of(feed)

    def flush(self) -> None:
        """Writes the sources that were registered and not yet written, and the plan where a source lacks it."""
        with self._state.change() as known:
            self._write_registered({entry.plan for entry in known.values()})

    @property
    def plan(self) -> StoredPlan:
        """The plan of this writer's rows. Raises LakeError for a writer without a plan."""
        if self._plan is None:
            raise LakeError(f"this writer of {self.lake.uri} has no plan, so it cannot add rows")
        return self._plan

    def _made(self, entry: SourceEntry) -> bool:
        """Whether a source is in the lake under this plan."""
        return self._plan is not None and self._plan.is_of(entry.plan)

    def _write_registered(self, plans: Iterable[str]) -> None:
        """Writes the plan, then the registered sources. plans: hashes of other rows. Call it within a change."""
        self._keep_plan([*plans, *(entry.plan for _, entry in self._state.sources.unwritten())])
        self._state.write_registered()

    def _keep_plan(self, hashes: Iterable[str]) -> None:
        """Writes the plans with those hashes that are known here and missing in the lake. Call it within a change."""
        wanted = set(hashes)
        if self._kept is None and wanted:
            self._kept = set(self.lake.read("plans", columns=["id"])["id"].to_pylist())
        missing = wanted - (self._kept or set())
        known = {each: plan for each in missing if (plan := self._completions.plan_of(each)) is not None}
        if self._kept is not None and known:
            now = self._state.time.utc()
            rows = [plans_table(plan, [each], written_at=now) for each, plan in sorted(known.items())]
            self._state.tables.upsert("plans", pa.concat_tables(rows))
            self._kept |= known.keys()

    def _clear_place(self, source: Source, *, replace: bool) -> None:
        """Removes rows of other bytes at the URI of `source`: the old file is gone, and clips would show the new one.

        Without `replace` it does nothing if the lake has all of the new bytes under another name, and raises
        FileChangedError if there are such rows.
        """
        known = self._state.sources.get(source.id)
        elsewhere = known is not None and known.uri != source.uri and self._made(known)
        if known is not None and elsewhere and not replace and not source.span.minus(known.settled()):
            return
        for name in self._state.sources.ids_at(source.uri):
            old = self._state.sources[name]
            if name == source.id:
                continue
            if old.spans("done") and not replace:
                raise FileChangedError(
                    f"{source.uri} has changed since it was ingested into {self.lake.uri}; to ingest the new file and "
                    f"remove the rows of the old one, run {replace_command(source.uri, self.lake.uri)}, or give the "
                    "new file another name"
                )
            if old.segments or old.state != "quarantined":  # else `forget_quarantined` deletes its one row
                if any(pin.source_id == name for pin in Pins(self.lake).read()):
                    command = f"regionlake unpin --lake {shlex.quote(self.lake.uri)} {shlex.quote(source.uri)}"
                    raise FileChangedError(
                        f"{source.uri} has changed since it was ingested into {self.lake.uri}, and the old file is "
                        f"pinned: nothing could read it again; unpin it first ({command}), or give the new file "
                        "another name"
                    )
                self._remove(name)

    def _remove(self, source_id: str) -> None:
        self.upkeep.remove_sources([source_id])
        if self._unsound is not None:
            self._unsound -= {source_id}

    def _entry(self, source: Source, plan: str) -> SourceEntry:
        """The entry of a source, which is registered here if it was registered with a committer that died.

        plan: hash under which its rows were made. Raises RefusedError if the lake has rows of it under another plan, or
        if the plan is not known.
        """
        made_by = self._completions.plan_of(plan)
        if made_by is None:
            raise RefusedError(
                f"rows of {source.uri} were made by the plan {plan}, which the lake {self.lake.uri} does not store; "
                "follow a feed with the settings of that plan, then try them again"
            )
        entry = self._state.sources.get(source.id)
        if entry is None or entry.source is None or not made_by.is_of(entry.plan):
            if made_by is self._plan:
                self.register(source)
            else:
                self._register_under(made_by, source, entry)
        return self._state.sources[source.id]

    def _register_under(self, plan: StoredPlan, source: Source, entry: SourceEntry | None) -> None:
        """Registers a source under a plan that is not this writer's."""
        self._clear_place(source, replace=False)
        if entry is not None and entry.spans("done"):
            raise plan_conflict(self.lake, source.uri, here=plan, there=entry.plan)
        segments = {} if entry is None else entry.segments
        self._state.sources[source.id] = SourceEntry(source.uri, plan.hash, "open", source, segments, stored=False)
        with self._state.change():
            self._state.forget_quarantined({source.uri})

    def _unsound_sources(self) -> frozenset[str]:
        """Ids of the sources that fail the audit, which is run at the first call."""
        if self._unsound is None:
            self._unsound = check(self.lake).source_ids
        return self._unsound

    def _join_fragments(self) -> None:
        self._commits = 0
        self.upkeep.compact()

    def _complete_of_this_plan(self) -> None:
        """Completes the covered sources of this plan, whose settings determine the shots; not those of other plans."""
        own = [name for name, entry in self._state.sources.items() if self._made(entry)]
        self._completions.complete(self._state, own)
