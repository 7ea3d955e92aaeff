"""Upkeep of a lake while it grows: repeated passes of small steps, in the process of the lake's one writer."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.clock_check import ClockReading, jump, read_clock, right_time, with_right, with_wrong
from pipeline.lake.upkeep.compaction import VersionsForgotten, compaction_steps, forget_versions, fragment_bytes
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.holds import Held, hold_back
from pipeline.lake.upkeep.indexes import INDEXED, refresh_index
from pipeline.lake.upkeep.moving_video import MovingVideo
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.upkeep.retention import Recording, Trim, expired, recordings_of, shots_of, split_by_pins
from pipeline.lake.upkeep.upkeep_folder import FollowedFeeds, Release, UpkeepFolder
from pipeline.lake.upkeep.upkeep_status import PassReport, TableUpkeep, UpkeepStatus
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.upkeep_changes import Removal
from pipeline.ring.feed_ring import rings_of_state
from pipeline.ring.retention import Trimmed, trim
from pipeline.runtime.threads import REAL_THREADS, SupervisedThread, Threads, ThreadStatus
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.clock import Span
from schemas.errors import LakeError
from schemas.tables import TableName

_JOINABLE_ROWS = 4  # of a recording in the ledger: joining fewer is not worth a change
_JOINED_AT_ONCE = 16
_log = logging.getLogger(__name__)
Sizes = dict[TableName, tuple[int, int]]  # fragments, bytes


@dataclass(slots=True)
class _Pass:
    began: datetime
    before: Sizes
    joined_rows: int = 0
    removed: int = 0
    trimmed: int = 0
    removed_bytes: int = 0
    put_off: int = 0
    indexed: list[TableName] = field(default_factory=list)
    forgotten: dict[TableName, VersionsForgotten] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    clock_ahead: timedelta | None = None
    clock_read: bool = False
    video: Trimmed = field(default_factory=Trimmed)
    video_waits: bool = False


class Upkeep:
    """Does upkeep for a committer, in a thread of its own (`start`) or step by step (`step`).

    Heavy work runs in parallel with the committer, which waits only for the change itself: milliseconds for joined
    fragments, one step for sources that are removed. A step that a kill interrupts is undone or finished when the lake
    is next opened. A step that fails is recorded; the other kinds of steps still run, and the next pass tries again.
    earlier: status of an earlier upkeep, whose counts are continued.
    folder: where the last pass is recorded, and where other processes leave what upkeep must know; None for a lake of
        which nothing is known.
    on_status: called when a pass has ended, in the thread that does the steps.
    """

    def __init__(
        self,
        committer: Committer,
        config: UpkeepConfig | None = None,
        *,
        earlier: UpkeepStatus | None = None,
        folder: UpkeepFolder | None = None,
        on_status: Callable[[UpkeepStatus], None] = lambda _: None,
        time: TimeSource = REAL_TIME,
        threads: Threads = REAL_THREADS,
    ) -> None:
        self.config = config or UpkeepConfig()
        self._committer = committer
        self._changes = committer.upkeep
        committer.joins_fragments = False
        self._lake = Lake.open(committer.lake.uri)  # its own: two threads must not share a table's version
        committer.lease.share(self._lake)
        self._lake.durability = committer.lake.durability  # what one of them syncs is durable for the other
        self._pins = Pins(self._lake)
        self._moving = MovingVideo(self._lake)
        self._on_status = on_status
        self._time = time
        self._threads = threads
        self._started = time.utc()
        self._steps: Iterator[str] | None = None
        self._due_s = time.monotonic_s()
        self._doing: str | None = None
        self._last: PassReport | None = None
        self._last_error: str | None = None
        self._passes = self._failed_passes = self._removed = self._removed_bytes = 0
        if earlier is not None:
            self._started, self._last, self._last_error = earlier.started, earlier.last, earlier.last_error
            self._passes, self._failed_passes = earlier.passes, earlier.failed_passes
            self._removed, self._removed_bytes = earlier.removed, earlier.removed_bytes
        self._folder = folder
        last = folder.last_status() if folder is not None else None
        self._clock = last.clock if last is not None else None
        self._wrong_clocks = last.wrong_clocks if last is not None else ()
        self._stepping = committer.upkeep.stepping
        self._news = threading.Condition()
        self._closing = False
        self._thread: SupervisedThread | None = None

    def start(self) -> None:
        """Steps in a thread of its own until `close()`, or until the committer is closed."""
        self._committer.before_close = self.close
        self._thread = SupervisedThread("upkeep", self._run, noted=self._died, time=self._time, threads=self._threads)

    @property
    def thread(self) -> ThreadStatus:
        """The state of the thread. Raises LakeError where `start` was not called."""
        if self._thread is None:
            raise LakeError("upkeep has no thread; call start() first")
        return self._thread.status()

    def close(self) -> None:
        """Ends after the current step. The committer stays open."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        self._committer.joins_fragments = True
        if self._thread is not None:
            self._thread.end()
            self._thread.join()
            self._thread.check()

    def step(self) -> bool:
        """Does the next step of a pass; returns False if no pass is due before `every_s` is over."""
        with self._stepping:
            if self._steps is None:
                if self._time.monotonic_s() < self._due_s:
                    return False
                self._due_s = self._time.monotonic_s() + self.config.every_s
                self._steps = self._one_pass()
            try:
                self._doing = next(self._steps)
            except StopIteration:
                self._steps = self._doing = None
            ended = self._steps is None
        if ended:
            try:
                self._on_status(self.status())
            except Exception as error:  # for example a full disk, on which upkeep may free space
                _log.warning("the status of upkeep cannot be written: %s", error)
        return True

    @contextmanager
    def paused(self) -> Iterator[None]:
        """During the block no step is done; it begins after the current step."""
        with self._stepping:
            yield

    def run_pass(self) -> PassReport:
        """Does a whole pass, or finishes the pass that has begun."""
        with self._stepping:
            self._due_s = self._time.monotonic_s()
        while self.step() and self._steps is not None:
            pass
        assert self._last is not None
        return self._last

    def status(self) -> UpkeepStatus:
        return UpkeepStatus(
            self._time.utc(),
            self._started,
            self._doing,
            self._passes,
            self._failed_passes,
            self._removed,
            self._removed_bytes,
            self._last,
            self._last_error,
            self._clock,
            self._wrong_clocks,
        )

    def _died(self, error: str) -> None:
        self._steps = None  # the next pass begins from its first step
        self._failed_passes += 1
        self._last_error = f"the thread of upkeep died and is started again: {error}"

    def _run(self) -> None:
        while not self._closing:
            if not self.step():
                with self._news:
                    self._time.wait_for(self._news, lambda: self._closing, min(1.0, self.config.every_s))

    # -- a pass ----------------------------------------------------------------------------------

    def _one_pass(self) -> Iterator[str]:
        """Does the steps; yields a description before each, for the status."""
        done = _Pass(self._time.utc(), {})
        kinds: list[Callable[[_Pass], Iterator[str]]] = [
            self._measure,
            self._retain,
            self._trim_video,
            self._join_ledger,
            self._compact,
            self._index,
            self._forget,
        ]
        for kind in kinds:
            try:
                yield from kind(done)
            except LakeError as error:
                _log.warning("upkeep of %s: %s", self._lake.uri, error)
                done.errors.append(str(error))
            except Exception as error:  # upkeep must not stop silently: the disk would fill up
                _log.exception("upkeep of %s", self._lake.uri)
                done.errors.append(f"{type(error).__name__}: {error}")
        self._end(done)

    def _measure(self, done: _Pass) -> Iterator[str]:
        done.before = self._sizes()
        yield "looking at the tables"

    def _retain(self, done: _Pass) -> Iterator[str]:
        if self.config.max_age is None and self.config.max_bytes_per_feed is None:
            # what a pass with limits holds is still held: perhaps another process had that pass done
            last = self._folder.last_status() if self._folder is not None else None
            if last is not None and last.last is not None:
                done.held, done.clock_ahead = list(last.last.held), _duration(last.last.clock_ahead_s)
            return
        yield "looking for what is too old or too much"
        going = self._choose(done)
        for at in range(0, len(going), self.config.remove_at_once):
            yield f"removing {len(going) - at} recordings"
            self._remove(going[at : at + self.config.remove_at_once], done)

    def _choose(self, done: _Pass) -> list[Recording]:
        """What to remove now; what may be chosen by mistake is held back."""
        clock = read_clock(self._time)
        followed = self._folder.followed() if self._folder is not None else FollowedFeeds()
        releases = self._folder.releases() if self._folder is not None else {}
        recordings = recordings_of(self._lake, folders=followed.folders)
        ahead = self._look_at_clock(clock, releases, done)
        recordings = [
            replace(each, ended=right_time(each.ended, each.committed, self._wrong_clocks)) for each in recordings
        ]
        limits = partial(expired, recordings, self.config, removed_feeds=followed.removed)
        whole, parts = self._split(limits(now=clock.utc))
        going = sorted([*whole, *(part.recording for part in parts)], key=lambda each: (each.ended, each.id))
        doubtful: set[str] = set()
        if ahead is not None:
            # a clock that is ahead makes recordings older; one that is behind leads to an order that is wrong
            sure = {each.id for each in limits(now=clock.utc - ahead)} if ahead > timedelta(0) else set()
            doubtful = {each.id for each in going if each.id not in sure}
        allowed, done.held = hold_back(
            going,
            recordings,
            share=self.config.remove_share,
            doubtful=doubtful,
            clock="clock ahead" if ahead is not None and ahead > timedelta(0) else "clock behind",
            released={name for each in releases.values() for name in each.ids},
        )
        self._drop_releases(releases, {each.id for each in recordings})
        return allowed

    def _look_at_clock(self, clock: ClockReading, releases: Mapping[Path, Release], done: _Pass) -> timedelta | None:
        """How far the clock jumped ahead since the last pass whose clock was right; None if it did not."""
        confirmed = [each.clock for each in releases.values() if each.clock is not None]
        self._clock = max(confirmed, key=lambda each: each.since_boot_s, default=self._clock)
        ahead = jump(clock, self._clock, tolerance=self.config.clock_tolerance) if self._clock is not None else None
        if ahead is not None:
            assert self._clock is not None
            self._wrong_clocks = with_wrong(self._wrong_clocks, clock, self._clock, ahead)
        else:
            if confirmed:  # it is not the clock that was wrong
                self._wrong_clocks = tuple(each for each in self._wrong_clocks if each.over)
            self._wrong_clocks = with_right(self._wrong_clocks, clock)
            self._clock = clock
        done.clock_ahead, done.clock_read = ahead, True
        return ahead

    def _drop_releases(self, releases: Mapping[Path, Release], held: set[str]) -> None:
        """Deletes the releases whose sources have gone."""
        for path, release in releases.items():
            if not held & set(release.ids):
                path.unlink(missing_ok=True)

    def _remove(self, going: list[Recording], done: _Pass) -> None:
        whole, parts = self._split(going)
        marked = [*whole, *(part.recording for part in parts)]
        if not marked:
            return

        def choose() -> Removal:
            whole, parts = self._split(marked)
            return Removal(tuple(r.id for r in whole), {part.recording.id: part.kept for part in parts})

        removed = self._changes.remove_unless_pinned([recording.id for recording in marked], choose)
        bytes_gone = sum(recording.bytes for recording in marked if recording.id in removed.whole)
        done.removed += len(removed.whole)
        done.trimmed += len(removed.kept)
        done.removed_bytes += bytes_gone
        self._removed += len(removed.whole)
        self._removed_bytes += bytes_gone

    def _split(self, going: list[Recording]) -> tuple[list[Recording], list[Trim]]:
        """Divides recordings by the pins as they are now into those to remove as a whole, and those to cut."""
        pins = self._pins.read()
        pinned = {pin.source_id for pin in pins}
        return split_by_pins(going, pins, shots_of(self._lake, [r.id for r in going if r.id in pinned]))

    def _trim_video(self, done: _Pass) -> Iterator[str]:
        """Removes video of feeds beyond its limits, which are not those of rows."""
        max_age, max_bytes = self.config.video_max_age, self.config.video_max_bytes
        if self._folder is None or (max_age is None and max_bytes is None):
            return
        yield "looking for video that is too old or too much"
        clock = read_clock(self._time)
        if not done.clock_read:
            self._look_at_clock(clock, self._folder.releases(), done)
        done.video_waits = max_age is not None and done.clock_ahead is not None
        rings = rings_of_state(self._folder.path)
        done.video = trim(
            rings,
            max_age=None if done.video_waits else max_age,
            max_bytes=max_bytes,
            now=clock.utc,
            pinned=self._pinned_spans(),
            moving_max_age=self.config.video_moving_max_age,
            moving=self._moving,
        )
        self._moving.forget_others(rings)

    def _pinned_spans(self) -> dict[str, list[Span]]:
        """What is pinned of each recording: the spans of its pins, and the shots that they meet."""
        pins = self._pins.read()
        ids = sorted({pin.source_id for pin in pins})
        shots = shots_of(self._lake, ids)
        where = sql.is_in("id", ids)
        rows = self._lake.read("sources", columns=["id", "start", "stop"], where=where).to_pylist() if ids else []
        whole = {row["id"]: Span(row["start"], row["stop"]) for row in rows if row["stop"] is not None}
        found: dict[str, list[Span]] = {}
        for pin in pins:
            span = pin.span or whole.get(pin.source_id)
            if span is not None:
                met = [shot for shot in shots.get(pin.source_id, ()) if span.intersection(shot) is not None]
                found.setdefault(pin.source_id, []).extend([span, *met])
        return found

    def _join_ledger(self, done: _Pass) -> Iterator[str]:
        many = [name for name, rows in self._changes.ledger_rows().items() if rows >= _JOINABLE_ROWS]
        if not many:
            return
        yield "joining rows of the ledger"
        newest = {recording.id: recording.committed for recording in recordings_of(self._lake)}
        now = self._time.utc()
        settled = [n for n in many if n in newest and (now - newest[n]).total_seconds() >= self.config.join_after_s]
        for at in range(0, len(settled), _JOINED_AT_ONCE):
            yield "joining rows of the ledger"
            done.joined_rows += self._changes.join_ledger(settled[at : at + _JOINED_AT_ONCE])

    def _compact(self, done: _Pass) -> Iterator[str]:
        for name in self._lake.names:
            steps = compaction_steps(self._lake, name, many=self.config.many_fragments, turn=self._changes.turn)
            for joined in steps:
                done.put_off += not joined
                yield f"joining fragments of {name}"

    def _index(self, done: _Pass) -> Iterator[str]:
        for name in INDEXED:
            if refresh_index(self._lake, name, rows=self.config.index_rows):
                done.indexed.append(name)
            yield f"indexing {name}"

    def _forget(self, done: _Pass) -> Iterator[str]:
        for name in self._lake.names:
            done.forgotten[name] = forget_versions(
                self._lake, name, keep=self.config.keep_versions, now=self._time.utc()
            )
            yield f"forgetting old versions of {name}"

    def _end(self, done: _Pass) -> None:
        try:
            after = self._sizes()
        except LakeError as error:
            done.errors.append(str(error))
            after = done.before
        self._last = PassReport(
            began=done.began,
            ended=self._time.utc(),
            tables=tuple(_table(name, done, after[name]) for name in done.before if name in after),
            joined_rows=done.joined_rows,
            removed=done.removed,
            trimmed=done.trimmed,
            removed_bytes=done.removed_bytes,
            indexed=tuple(done.indexed),
            put_off=done.put_off,
            errors=tuple(done.errors),
            held=tuple(done.held),
            clock_ahead_s=_seconds(done.clock_ahead),
            video_files=done.video.files,
            video_bytes=done.video.bytes,
            video_pinned=done.video.pinned,
            video_moving=done.video.moving,
            video_waits=done.video_waits,
        )
        self._passes += 1
        if done.errors:
            self._failed_passes += 1
            self._last_error = f"{self._last.ended:%Y-%m-%dT%H:%M:%SZ}: {done.errors[-1]}"

    def _sizes(self) -> Sizes:
        sizes: Sizes = {}
        for name in self._lake.names:
            held = self._lake.dataset(name).get_fragments()
            sizes[name] = len(held), sum(map(fragment_bytes, held))
        return sizes


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _seconds(time: timedelta | None) -> float | None:
    return None if time is None else time.total_seconds()


def _table(name: TableName, done: _Pass, after: tuple[int, int]) -> TableUpkeep:
    forgotten = done.forgotten.get(name, VersionsForgotten(0, 0))
    before = done.before[name]
    return TableUpkeep(name, before[0], after[0], before[1], after[1], forgotten.versions, forgotten.bytes)
