"""One drawn schedule of a follower: feeds, sink, committer, upkeep, pins, a watcher, clock and faults in one process.

Everything but the tables and the lease is the code that runs for users; the threads take turns as the seed draws, also
within a commit and within a removal.
"""

import logging
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from pipeline.lake import side_table as side_table_module
from pipeline.lake.audit.check import check
from pipeline.lake.durability import Durability
from pipeline.lake.lake import Lake
from pipeline.lake.side_table import SideTable
from pipeline.lake.upkeep import pins as pins_module
from pipeline.lake.upkeep import retention as retention_module
from pipeline.lake.upkeep import upkeep as upkeep_module
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.upkeep.upkeep_folder import UpkeepFolder
from pipeline.lake.upkeep.upkeep_status import write_upkeep_status
from pipeline.lake.writing import committer as committer_module
from pipeline.lake.writing import ledger_state as state_module
from pipeline.lake.writing import validity as validity_module
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.upkeep_changes import Removal
from pipeline.live.account.losses import RecordingEnded
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.in_flight import closing
from pipeline.live.commits.sink import Sink
from pipeline.live.commits.spool import Spool
from pipeline.watch import done_segments as watch_module
from pipeline.watch.done_segments import DoneSegments
from schemas.clock import Span
from schemas.errors import LakeError
from schemas.tables import TABLE_NAMES
from tests.pipeline.lake.synthetic import OTHER_PLAN, PLAN, SPACE, stored
from tests.pipeline.lake.upkeep.feeds import DAY
from tests.simulate.lance_lake import SteppedLake, SteppedTables
from tests.simulate.memory_lake import Dataset, MemoryLake, MemoryTables, Store, WatchedDataset, write_column
from tests.simulate.parts import (
    EVERY_S,
    FEEDS,
    MAX_AGE,
    PIECES,
    RECORDINGS,
    SETTLE_S,
    TOLERANCE,
    Lease,
    Panic,
    SteppedPins,
    fold,
    named,
    recording,
    rows_of,
)
from tests.simulation import SimulatedLock, Simulation


@dataclass(slots=True)
class Outcome:
    """problems: what must not be; empty for a sound schedule. steps: how often the tables were read or changed.
    tables: their contents at the end."""

    problems: list[str] = field(default_factory=list)
    steps: int = 0
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)


class Schedule:
    """Runs once. lance: a folder for a real lake, which has no watcher; None for tables in memory.
    short: with fewer recordings."""

    def __init__(self, seed: int, *, lance: Path | None = None, watches: bool = True, short: bool = False) -> None:
        self._watches = watches and lance is None
        self._recordings = RECORDINGS // 4 if short else RECORDINGS
        self._chance = random.Random(seed)
        self._simulation = Simulation(seed, began=DAY)
        self._outcome = Outcome()
        self._lance = lance
        self._scratch = Path(tempfile.mkdtemp(prefix="simulate-", dir=_fast_folder()))
        self._draw_faults()
        self._store = Store(self._step)
        self._pinned: list[tuple[str, Span | None, int]] = []  # with the number of keyframes there
        self._seen: Counter[str] = Counter()  # segments that the watcher found, by id
        self._put: set[tuple[str, int, int]] = set()  # what was given to the sink
        self._gone: set[str] = set()  # ids of sources that upkeep removed
        self._kept: set[str] = set()  # ids of segments that are refused at the end
        self._going: list[str] = []  # what upkeep is about to remove
        self._over = False
        self._quiet = False

    def run(self) -> Outcome:
        try:
            with self._seams():
                self._simulation.run(self._main)
                self._outcome.tables = self._contents()
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)
        return self._outcome

    # -- what is drawn ---------------------------------------------------------------------------

    def _draw_faults(self) -> None:
        chance = self._chance
        self._outages = []
        for _ in range(chance.randrange(3)):
            from_s = chance.uniform(0, RECORDINGS * EVERY_S)
            self._outages.append((from_s, from_s + chance.choice([2.0, 20.0, 60.0])))
        everything = [(f, n, p) for f in FEEDS for n in range(RECORDINGS) for p in range(PIECES)]
        bad = chance.sample(everything, chance.choice([0, 0, 1, 2, 4]))
        self._refused = set(bad[: len(bad) // 2])
        self._panicking = {rows_of(*each).segment.id for each in bad[len(bad) // 2 :]}
        self._rare = chance.choice([0.0, 0.0, 0.002, 0.01])  # a step fails for once
        self._restart_s = EVERY_S * (RECORDINGS // 2) + chance.uniform(-5.0, 15.0)
        if chance.random() < 0.4:  # the follower is stopped while the lake is out of reach
            self._outages.append((self._restart_s - chance.uniform(1.0, 20.0), self._restart_s + 10.0))
        self._jumps: list[tuple[float, timedelta]] = []
        if chance.random() < 0.5:
            far = timedelta(days=chance.choice([-4000, -1, 1, 4000]))
            at_s = chance.uniform(10.0, 150.0)
            self._jumps.append((at_s, far))
            if chance.random() < 0.5:
                self._jumps.append((at_s + chance.uniform(1.0, 60.0), -far))
        self._share = chance.choice([0.5, 0.5, 1.0])

    # -- seams -----------------------------------------------------------------------------------

    def _step(self, what: str, name: str) -> None:
        """Before each read and change of a table: other threads may run, and it may fail."""
        self._outcome.steps += 1
        self._simulation.turn()
        if self._quiet:
            return
        now_s = self._simulation.monotonic_s()
        if any(from_s <= now_s < to_s for from_s, to_s in self._outages):
            raise OSError(f"the lake does not answer: {what} {name}")
        if self._rare and self._chance.random() < self._rare:
            self._outcome.events["rare fault"] += 1
            raise self._chance.choice([OSError, Panic])(f"once: {what} {name}")

    @contextmanager
    def _seams(self) -> Iterator[None]:
        simulation = self._simulation
        with ExitStack() as stack:

            def put(module: object, name: str, value: object) -> None:
                stack.enter_context(patch.object(module, name, value))

            logging.disable(logging.CRITICAL)
            stack.callback(logging.disable, logging.NOTSET)
            put(state_module, "threading", SimpleNamespace(RLock=lambda: SimulatedLock(simulation)))
            put(committer_module, "HeldLake", lambda lake, **_: self._lease(lake))
            put(upkeep_module, "Lake", SimpleNamespace(open=lambda _: self._lake()))
            put(pins_module, "writer_of", lambda _: "the simulation")
            put(retention_module, "fragment_bytes", lambda _: 0)  # of files, which memory does not have
            put(watch_module, "fragment_key", lambda fragment: fragment.key)
            put(state_module, "TableWriter", MemoryTables if self._lance is None else SteppedTables)
            if self._lance is None:
                put(validity_module, "write_column", write_column)
                put(side_table_module, "open_dataset", self._side_table)
                put(SideTable, "_open", lambda side: Dataset(self._store, side.name))
            else:
                SteppedLake.create_or_open(str(self._lance), SPACE)
                real, table, write = side_table_module.open_dataset, SideTable._open, validity_module.write_column
                put(validity_module, "write_column", lambda *given: (self._step("update", "regions"), write(*given)))
                put(SteppedLake, "step", staticmethod(self._step))
                put(side_table_module, "open_dataset", lambda uri, name: self._read_side(name) and real(uri, name))
                put(SideTable, "_open", lambda side: SteppedPins(table(side), self._step))
            yield

    def _side_table(self, _uri: str, name: str) -> Dataset | None:
        return Dataset(self._store, name) if self._read_side(name) else None

    def _read_side(self, name: str) -> bool | None:
        """A step before a side table is read; None for one that no schedule writes, such as labels."""
        if name not in self._store.tables:
            return None
        self._step("read", name)
        return True

    def _lake(self, kind: type[Dataset] = Dataset) -> Lake:
        if self._lance is not None:
            lake = SteppedLake.open(str(self._lance))
            lake.time, lake.durability = self._simulation, Durability(None)  # nobody cuts the power
            return lake
        return MemoryLake(self._store, time=self._simulation, dataset=kind)

    def _lease(self, lake: Lake) -> Lease:
        lease = Lease(1)
        lease.share(lake)
        return lease

    # -- the schedule ----------------------------------------------------------------------------

    def _main(self) -> None:
        others = [self._simulation.start(name, run) for name, run in (("clock", self._clock), ("pinner", self._pin))]
        if self._watches:
            others.append(self._simulation.start("watcher", self._watch))
        for life in (0, 1):
            self._follow(life)
        self._over = True
        for each in others:
            each.join()
            each.check()
        self._audit()

    def _follow(self, life: int) -> None:
        simulation = self._simulation
        plan = stored((PLAN, OTHER_PLAN)[life])
        committer = self._opened(plan)
        upkeep = Upkeep(
            committer,
            UpkeepConfig(
                every_s=15.0, max_age=MAX_AGE, remove_share=self._share, clock_tolerance=TOLERANCE, join_after_s=40.0
            ),
            folder=UpkeepFolder(self._scratch),
            on_status=lambda status: write_upkeep_status(self._scratch / "upkeep.json", status),
            time=simulation,
            threads=simulation,
        )
        self._note_removals(upkeep)
        upkeep.start()
        spool = Spool(self._scratch / "spool", refused=self._scratch / "refused", plan=plan)
        sink = Sink(committer, spool, choose=lambda: 0.5, time=simulation, threads=simulation)
        self._patiently(lambda: self._close_earlier(committer, sink))
        feeds = [simulation.start(feed, lambda feed=feed: self._record(feed, life, sink)) for feed in FEEDS]
        for each in feeds:
            each.join()
            each.check()
        if life == 1:
            last_s = max([to_s for _, to_s in self._outages] + [at_s for at_s, _ in self._jumps] + [0.0])
            simulation.sleep(max(0.0, last_s - simulation.monotonic_s()))
            self._quiet = True
            simulation.sleep(SETTLE_S)
            self._require_settled(sink, spool)
        sink.close()
        self._patiently(committer.close)

    def _opened(self, plan: Any) -> Committer:
        opened: list[Committer] = []

        def open_it() -> None:
            opened.append(Committer(self._lake(), plan=plan, fold_shots=fold, time=self._simulation))

        self._patiently(open_it)
        return opened[0]

    def _patiently(self, do: Callable[[], object]) -> None:
        """As whoever starts a follower again until it runs."""
        while True:
            try:
                do()
            except (LakeError, OSError, Panic):
                self._simulation.sleep(1.0)
            else:
                return

    def _close_earlier(self, committer: Committer, sink: Sink) -> None:
        batch = closing(committer.open_recordings(), (), sink.spooled_before)
        if batch:
            sink.put(batch)

    def _record(self, feed: str, life: int, sink: Sink) -> None:
        simulation = self._simulation
        half = RECORDINGS // 2
        for number in range(life * half, life * half + self._recordings // 2):
            simulation.sleep(max(0.0, number * EVERY_S - simulation.monotonic_s()))
            for piece in range(PIECES):
                if life == 0 and simulation.monotonic_s() >= self._restart_s:
                    return  # the follower is stopped: the recording stays open
                rows = rows_of(feed, number, piece)
                if (feed, number, piece) in self._refused:
                    rows = replace(rows, frames=rows.frames.rename_columns(["x", *rows.frames.column_names[1:]]))
                self._put.add((feed, number, piece))
                sink.put(Batch(rows=(rows,)))
                simulation.sleep(self._chance.uniform(0.0, EVERY_S / PIECES))
            sink.put(Batch(ended=(RecordingEnded(recording(feed, number).source, "over"),)))

    def _clock(self) -> None:
        for at_s, by in self._jumps:
            self._simulation.sleep(max(0.0, at_s - self._simulation.monotonic_s()))
            self._simulation.set_clock(by)
            self._outcome.events["clock jump"] += 1

    def _pin(self) -> None:
        """Pins recordings, some of them while upkeep is about to remove them."""
        lake = self._lake()
        pins = Pins(lake, time=self._simulation)
        for _ in range(self._chance.randrange(6)):
            self._simulation.sleep(self._chance.uniform(5.0, 40.0))
            late = self._chance.random() < 0.6
            if late:
                self._simulation._wait(lambda: self._going or self._over, None)
            try:
                found = lake.read("sources", columns=["id", "source", "start", "stop"], where="state = 'complete'")
                rows = [row for row in found.sort_by("id").to_pylist() if not late or row["id"] in self._going]
                if not rows:
                    continue
                row = self._chance.choice(rows)
                span = None if self._chance.random() < 0.5 else Span(row["start"], row["start"] + 10)
                pins.add([(row["id"], row["source"], span)])
            except (LakeError, OSError, Panic):
                self._outcome.events["pin refused"] += 1
            else:
                self._outcome.events["pinned"] += 1
                self._pinned.append((row["id"], span, self._frames_in(row["id"], span)))

    def _watch(self) -> None:
        watched = DoneSegments(self._lake(WatchedDataset))
        while not self._over:
            with suppress(LakeError, OSError, Panic):
                self._seen.update(each.id for each in watched.new())
            self._simulation.sleep(1.0)

    # -- what must hold --------------------------------------------------------------------------

    def _note_removals(self, upkeep: Upkeep) -> None:
        """Checks what upkeep chooses to remove, by a clock that never jumps."""
        changes = upkeep._changes
        remove = changes.remove_unless_pinned

        def removed(ids: Sequence[str], choose: Callable[[], Removal]) -> Removal:
            self._going = list(ids)

            def chosen() -> Removal:
                found = choose()
                self._check_removal(found)
                return found

            try:
                return remove(ids, chosen)
            except BaseException:  # the next change of the lake ends the removal of what is marked and not pinned
                self._gone |= set(ids)
                raise
            finally:
                self._going = []

        changes.remove_unless_pinned = removed  # type: ignore[method-assign]

    def _check_removal(self, chosen: Removal) -> None:
        self._gone |= set(chosen.whole)
        now = DAY + timedelta(seconds=self._simulation.monotonic_s())
        for name in (*chosen.whole, *chosen.kept):
            self._outcome.events["removed"] += 1
            feed, number = named(name)
            source = recording(feed, number).source
            end = source.clock.utc(source.span.stop)
            assert end is not None
            if now - end < MAX_AGE - TOLERANCE:
                self._problem(f"{feed} {number} was removed {(now - end).total_seconds():.0f} s after its end")
        left = {named(row["id"]) for row in self._rows("sources")} - set(map(named, chosen.whole))
        for feed, number in map(named, chosen.whole):
            if not any(each == feed and later > number for each, later in left):
                self._problem(f"the newest recording of {feed} was removed")

    def _require_settled(self, sink: Sink, spool: Spool) -> None:
        status = sink.status()
        if status.spooled or status.batches or status.error is not None:
            self._problem(f"{status.spooled} + {status.batches} batches still wait: {status.error}")
        refused = {
            segment.id
            for each in spool.refused.read()
            if each.contents is not None
            for segment, _ in each.contents.segments
        }
        expected = {rows_of(*each).segment.id for each in self._refused} | self._panicking
        wrong = refused - expected
        if wrong:
            self._problem(
                f"{len(wrong)} segments are refused without a reason: {[e.reason for e in spool.refused.read()]}"
            )
        self._kept = refused
        self._outcome.events["refused"] += len(refused)

    def _audit(self) -> None:
        lake = self._lake()
        self._outcome.problems += check(lake).problems
        sources = {row["id"]: row for row in self._rows("sources")}
        for source_id, row in sources.items():
            if row["state"] != "complete":
                self._problem(f"{row['source']} is {row['state']} at the end")
            if row["plan"] != recording(*named(source_id)).plan:
                self._problem(f"{row['source']} is under another plan than it was recorded with")
        for each in sorted(self._put):
            segment = rows_of(*each).segment
            states = {
                row["state"]
                for row in self._rows("segments")
                if row["source_id"] == segment.source.id
                and Span(row["start"], row["stop"]).intersection(segment.span) is not None
            }
            if segment.id in self._kept and states - {"failed", "removed"}:
                self._problem(f"{each} is refused, and {states} in the lake")
            lost = not states or (states == {"failed"} and segment.id not in self._kept)
            if lost and segment.source.id not in self._gone:
                self._problem(f"{each} is lost: {states or 'not in the ledger'}")
        for source_id, span, held in self._pinned:
            whole = recording(*named(source_id))
            if source_id not in sources:
                self._problem(f"{whole.source.uri} was pinned, and is gone")
            elif self._frames_in(source_id, span) < held:
                self._problem(f"{whole.source.uri} was pinned, and has lost keyframes")
        twice = [name for name, times in self._seen.items() if times > 1]
        if twice:
            self._problem(f"the watcher found {len(twice)} segments twice")

    def _frames_in(self, source_id: str, span: Span | None) -> int:
        rows = (row["pts"] for row in self._rows("frames") if row["source_id"] == source_id)
        return sum(span is None or pts in span for pts in rows)

    def _problem(self, text: str) -> None:
        self._outcome.problems.append(text)

    def _rows(self, name: str) -> list[dict[str, Any]]:
        if self._lance is None:
            return self._store.tables[name]
        rows: list[dict[str, Any]] = Lake.dataset(Lake.open(str(self._lance)), name).to_table().to_pylist()  # type: ignore[arg-type]
        return rows

    def _contents(self) -> dict[str, list[dict[str, Any]]]:
        return {
            name: sorted(self._rows(name), key=lambda row: str(row.get("id", row.get("frame")))) for name in TABLE_NAMES
        }


def _fast_folder() -> str | None:
    """In memory where the machine has that: the spool syncs each of its files."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() else None


def differences(one: Outcome, other: Outcome) -> list[str]:
    """In what the tables of two outcomes differ, and their problems."""
    found = [f"{text} in one of them" for text in set(one.problems) ^ set(other.problems)]
    if one.steps != other.steps:
        found.append(f"{one.steps} and {other.steps} steps")
    for name, rows in one.tables.items():
        if rows != other.tables[name]:
            changed = [(a, b) for a, b in zip(rows, other.tables[name], strict=False) if a != b][:1]
            found.append(f"{name}: {len(rows)} and {len(other.tables[name])} rows, first {changed}")
    return found
