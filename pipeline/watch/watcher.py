"""Watches a lake: evaluates everything that becomes part of it once, and writes and sends the hits."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from pipeline.lake.lake import Lake
from pipeline.runtime.backoff import Backoff, BackoffConfig
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from pipeline.search.target import Target
from pipeline.watch.deliveries import Deliveries, DeliveryStatus
from pipeline.watch.done_segments import DoneSegment, DoneSegments
from pipeline.watch.json_lines import JsonLines
from pipeline.watch.matcher import Matcher
from pipeline.watch.new_rows import RowReader
from pipeline.watch.watch import Watch
from pipeline.watch.watch_state import WatchState
from schemas.clock import Span, union
from schemas.errors import LakeError, PlanError, WatchError

_log = logging.getLogger(__name__)
Since = Literal["now", "start"]
_ROWS_AT_ONCE = 65536  # rows read and scored together: 100 MB of vectors of 768 dimensions
_SOURCES_AT_ONCE = 200  # each source is a term of the filter that every row is compared with
_STEP_S = 0.05
_PAUSES = BackoffConfig(first_s=1.0, longest_s=30.0)


@dataclass(frozen=True, slots=True)
class WatcherStatus:
    """The state of a watcher. All numbers but `behind` count from its beginning.

    segments, keyframes: evaluated. hits: reported. held_back: hits that a cooldown or a least stay held back. behind:
    segments that are still to be evaluated. error: why the lake, the state or the output file is out of reach; None if
    none is.
    """

    segments: int
    keyframes: int
    hits: int
    held_back: int
    behind: int
    error: str | None
    delivery: DeliveryStatus | None


class Watcher:
    """Evaluates each segment that becomes done in a lake once, for all watches together, whichever process writes it.

    out: a file, in which every hit is once even if a process is killed; or a stream, where lines that a kill
        interrupted may come again.
    since: where a new state begins: "now" with what becomes done from now on, "start" with all that is in the lake. An
        existing state continues where it was, also with new watches; for these "start" is refused.
    Rows are read after the ledger that states them as done, and are marked as seen in the same transaction that keeps
    their hits. While the lake, the state or the file is out of reach, the watcher waits and then continues.
    Raises PlanError for watches that cannot begin, WatchError for an output that cannot be opened.
    """

    def __init__(
        self,
        lake: Lake,
        watches: Sequence[tuple[Watch, Target]],
        state: WatchState,
        *,
        out: Path | TextIO,
        deliveries: Deliveries | None = None,
        since: Since = "now",
        poll_s: float = 1.0,
        time: TimeSource = REAL_TIME,
    ) -> None:
        self._lake = lake
        self._state = state
        self._out = out if not isinstance(out, Path) else JsonLines(out.absolute())
        self._written = _written_unnoted(self._out, state) if isinstance(self._out, JsonLines) else set()
        self._deliveries = deliveries
        self._poll_s = poll_s
        self._time = time
        self._matcher = Matcher(watches, time=time)
        self._reader = RowReader(lake)
        self._ledger = DoneSegments(lake)
        self._pending: list[DoneSegment] = []
        self._segments = self._keyframes = self._hits = self._held_back = 0
        self._error: str | None = None
        self._begin([watch for watch, _ in watches], since)

    def run(self, stop: Callable[[], bool], *, once: bool = False) -> WatcherStatus:
        """Runs until `stop()` is true, which is checked about twenty times a second, and after every step.

        once: ends when all segments are evaluated and all hits are written, and sent or given up; raises instead of
            waiting for what is out of reach.
        """
        pauses = Backoff(_PAUSES)
        if self._deliveries is not None:
            self._deliveries.start()
        try:
            while not stop():
                began_s = self._time.monotonic_s()
                wait_s = self._poll_s
                try:
                    self.look(stop)
                    self._note(None)
                    pauses = Backoff(_PAUSES)
                    if once and self.idle:
                        break
                except (LakeError, WatchError) as error:
                    if once:
                        raise
                    self._note(str(error))
                    wait_s = pauses(lasted_s=0.0)
                while not stop() and self._time.monotonic_s() - began_s < wait_s:
                    self._time.sleep(_STEP_S)
        finally:
            if self._deliveries is not None:
                self._deliveries.stop()
            self._matcher.close()
        return self.status()

    def look(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Evaluates what is new; returns early when `stop()` is true. Raises LakeError and WatchError; it can then be
        called again."""
        self._write()  # hits that a kill or a full disk left unwritten
        before = None
        if self._ledger.changed():
            before = self._reader.fragments()
            self._follow_ledger()
        while self._pending and not stop():
            self._look_at(self._next())
        if before is not None and self._ledger.settled and not self._pending:
            self._reader.pass_over(before)

    @property
    def idle(self) -> bool:
        """Whether all segments are evaluated, and all hits are written, and sent or given up."""
        return not (self._pending or self._state.unwritten() or (self._deliveries and self._state.unsent()))

    def status(self) -> WatcherStatus:
        return WatcherStatus(
            self._segments,
            self._keyframes,
            self._hits,
            self._held_back,
            len(self._pending),
            self._error,
            None if self._deliveries is None else self._deliveries.status(),
        )

    # -- steps -----------------------------------------------------------------------------------

    def _begin(self, watches: Sequence[Watch], since: Since) -> None:
        names = [watch.name for watch in watches]
        if len(set(names)) < len(names):
            raise PlanError(f"watches need different names, got {', '.join(names)}")
        known = self._state.watches()
        new = [watch.name for watch in watches if known.get(watch.name) != watch.question]
        if known and new and since == "start":
            raise PlanError(
                f"{', '.join(new)} would begin where the others of {self._state.path} are; to evaluate what is already "
                "in the lake, run it once by itself: --since start --once, with another --name or --state"
            )
        seen: dict[str, list[Span]] = {}
        if not known and since == "now":
            before = self._reader.fragments()
            for segment in self._ledger.new():
                seen.setdefault(segment.source_id, []).append(segment.span)
            if self._ledger.settled:
                self._reader.pass_over(before)
        self._state.begin(watches, seen=seen)

    def _follow_ledger(self) -> None:
        new = self._ledger.new()
        self._pending = self._ledger.still_done(self._pending) + self._unseen(new)

    def _unseen(self, segments: Sequence[DoneSegment]) -> list[DoneSegment]:
        """Those of the segments that earlier looks have not covered, with whatever borders."""
        seen = self._state.seen(sorted({segment.source_id for segment in segments}))
        return [segment for segment in segments if segment.span.minus(seen[segment.source_id])]

    def _next(self) -> list[DoneSegment]:
        """The first pending segments, as many as are evaluated together."""
        group: list[DoneSegment] = []
        sources: set[str] = set()
        rows = 0
        for segment in self._pending:
            sources.add(segment.source_id)
            rows += segment.rows
            if group and (rows > _ROWS_AT_ONCE or len(sources) > _SOURCES_AT_ONCE):
                break
            group.append(segment)
        return group

    def _look_at(self, group: Sequence[DoneSegment]) -> None:
        looked: dict[str, list[Span]] = {}
        for segment in group:
            looked.setdefault(segment.source_id, []).append(segment.span)
        watched = {segment.source_id for segment in group if self._matcher.looks_at(segment.source)}
        before = self._state.seen(list(looked))
        unseen = {
            source: [rest for span in union(spans) for rest in span.minus(before[source])]
            for source, spans in looked.items()
            if source in watched
        }
        spans = {source: rest for source, rest in unseen.items() if rest}
        rows = self._reader.read(spans) if spans else None
        if self._ledger.changed():
            self._follow_ledger()
            if self._pending[: len(group)] != list(group):
                return  # some are being replaced or removed, so perhaps not all of their rows were read
        hits = [] if rows is None else self._matcher(rows)
        reported = self._state.record(hits, seen=looked, send=self._deliveries is not None)
        self._pending = self._pending[len(group) :]
        self._segments += len(group)
        self._keyframes += 0 if rows is None else len(rows)
        self._hits += reported
        self._held_back += len(hits) - reported
        self._write()

    def _write(self) -> None:
        """Writes the hits that are kept and not written yet."""
        hits = self._state.unwritten()
        if not hits:
            return
        path, size = "-", 0
        new = [hit for hit in hits if hit.id not in self._written]
        if isinstance(self._out, JsonLines):
            path = str(self._out.path)
            size = self._out.append([hit.line for hit in new])
        else:
            for hit in new:
                print(hit.line, file=self._out, flush=True)
        self._written.update(hit.id for hit in new)  # in case the state cannot be written now
        self._state.wrote(hits, path=path, size=size)
        self._written.clear()
        if self._deliveries is not None:
            self._deliveries.nudge()

    def _note(self, error: str | None) -> None:
        if error is not None and self._error is None:
            _log.warning("the watcher waits: %s", error)
        self._error = error


def _written_unnoted(lines: JsonLines, state: WatchState) -> set[str]:
    """Ids of hits that a killed watcher had written, but not marked as written in the state."""
    waiting = {hit.id for hit in state.unwritten()}
    return waiting and waiting.intersection(lines.ids(since=state.size_of(str(lines.path))))
