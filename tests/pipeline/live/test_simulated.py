"""Simulates hours of a follower's commits in a second: an outage of the lake, upkeep, threads in a drawn order.

It catches orders that a real run meets once in months; an order that was met can be run again by its seed.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.ledger import SourceEntry
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.writing.committer import Committer
from pipeline.live.account.losses import RecordingEnded
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.batch_commits import LiveWriter
from pipeline.live.commits.sink import Sink
from pipeline.live.commits.spool import Spool
from pipeline.plan.stored_plan import StoredPlan
from schemas.clock import Span
from schemas.errors import LakeError, RefusedError
from schemas.sources import Segment, Source
from tests.deadly_time import Panic
from tests.pipeline.lake.synthetic import SPACE, fold_shots, stored
from tests.pipeline.lake.upkeep.feeds import Recording
from tests.simulation import Simulation

GATE = Recording(0, length=200)


class Outage:
    """A lake that cannot be reached from one second to another. committed: (second, start of the segment)."""

    def __init__(self, simulation: Simulation, lake: LiveWriter | None, *, from_s: float, to_s: float) -> None:
        self._simulation = simulation
        self._lake = lake
        self._from_s, self._to_s = from_s, to_s
        self.committed: list[tuple[float, int]] = []
        self.refused_s: list[float] = []

    def commit(self, rows: Sequence[SegmentRows], *, plan: StoredPlan | None = None) -> int:
        now_s = self._reach()
        self.committed += [(now_s, each.segment.span.start) for each in rows]
        return len(rows) if self._lake is None else self._lake.commit(rows, plan=plan)

    def end(self, source: Source) -> None:
        self._reach()
        if self._lake is not None:
            self._lake.end(source)

    def register(self, source: Source, *, replace: bool) -> list[Span]:
        raise NotImplementedError

    def fail(self, segment: Segment, **_: object) -> None:
        raise NotImplementedError

    def quarantine(self, uri: str, *, error: str) -> None:
        raise NotImplementedError

    def open_recordings(self, besides: Sequence[Source] = ()) -> list[SourceEntry]:
        raise NotImplementedError

    def recordings(self, feed: str) -> list[Source]:
        return [GATE.source] if feed == GATE.feed else []

    def close(self) -> None: ...

    def _reach(self) -> float:
        now_s = self._simulation.monotonic_s()
        if self._from_s <= now_s < self._to_s:
            self.refused_s.append(now_s)
            raise LakeError("the bucket does not answer")
        return now_s


def follow(simulation: Simulation, sink: Sink, *, every_s: float, more_s: float = 0.0) -> None:
    """A batch every so often, then the end of the recording; somebody asks the committer meanwhile. more_s: before
    the sink is closed."""
    answers: list[list[Source]] = []
    asker = simulation.start("asker", lambda: answers.append(sink.ask(lambda writer: writer.recordings("gate"))))
    for segment in GATE.segments(20):
        sink.put(Batch(rows=(GATE.rows_at(segment),)))
        simulation.sleep(every_s)
    asker.join()
    assert answers == [[GATE.source]]
    sink.put(Batch(ended=(RecordingEnded(GATE.source, "over"),)))
    simulation.sleep(more_s)
    sink.close()


def outage(folder: Path, seed: int) -> tuple[Outage, list[tuple[float, str]]]:
    simulation = Simulation(seed)
    writer = Outage(simulation, None, from_s=45, to_s=135)
    chance = random.Random(seed)

    def run() -> None:
        sink = Sink(writer, Spool(folder), choose=chance.random, time=simulation, threads=simulation)
        follow(simulation, sink, every_s=10.0)
        assert sink.status().error is None

    simulation.run(run)
    return writer, simulation.trace


@pytest.mark.parametrize("seed", range(10))
def test_whatever_the_order_of_threads_batches_come_once_and_in_order_after_an_outage(
    tmp_path: Path, seed: int
) -> None:
    writer, _ = outage(tmp_path, seed)
    assert [start for _, start in writer.committed] == [segment.span.start for segment in GATE.segments(20)]
    assert not any(45 <= at_s < 135 for at_s, _ in writer.committed)
    pauses = [b - a for a, b in zip(writer.refused_s, writer.refused_s[1:], strict=False)]
    assert max(pauses) <= 10.0  # it is tried again and again, ever more seldom
    assert len(pauses) < 30
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", range(10))
def test_a_sink_whose_thread_is_killed_again_and_again_commits_each_batch_once_and_in_order(
    tmp_path: Path, seed: int
) -> None:
    simulation = Simulation(seed)
    writer = Outage(simulation, None, from_s=45, to_s=135)
    chance = random.Random(seed)
    states: list[str] = []

    def run() -> None:
        sink = Sink(writer, Spool(tmp_path), choose=chance.random, time=simulation, threads=simulation)

        def kill() -> None:
            for _ in range(8):
                simulation.sleep(chance.uniform(0, 25))
                simulation.kill("sink", Panic("killed"))
                simulation.sleep(0.001)
                states.append(sink.thread.state)
                if sink.thread.state != "running":
                    assert sink.status().error == "the thread that commits died: Panic: killed"

        killer = simulation.start("killer", kill)
        follow(simulation, sink, every_s=10.0)
        killer.join()
        assert sink.thread.restarts == 8

    simulation.run(run)
    assert [start for _, start in writer.committed] == [segment.span.start for segment in GATE.segments(20)]
    assert set(states) == {"backing off"}
    assert not list(tmp_path.iterdir())


class Picky(Outage):
    """A lake out of reach for a while that refuses some segments for ever, and panics at others. noted: starts of the
    segments of which it took the note that they failed."""

    def __init__(self, simulation: Simulation, *, refuses: set[int], panics: set[int]) -> None:
        super().__init__(simulation, None, from_s=45, to_s=135)
        self._refuses = refuses
        self._panics = panics
        self.noted: list[int] = []

    def commit(self, rows: Sequence[SegmentRows], *, plan: StoredPlan | None = None) -> int:
        self._reach()
        starts = {each.segment.span.start for each in rows}
        if starts & self._refuses:
            raise RefusedError("these rows have another schema")
        if starts & self._panics:
            raise Panic("called `Option::unwrap()` on a `None` value")
        return super().commit(rows, plan=plan)

    def fail(self, segment: Segment, **_: object) -> None:
        self._reach()
        self.noted.append(segment.span.start)


@pytest.mark.parametrize("seed", range(10))
def test_whatever_is_refused_or_panics_the_others_come_once_and_in_order(tmp_path: Path, seed: int) -> None:
    simulation = Simulation(seed)
    chance = random.Random(seed)
    starts = [segment.span.start for segment in GATE.segments(20)]
    bad = chance.sample(starts, 5)
    writer = Picky(simulation, refuses=set(bad[:2]), panics=set(bad[2:]))
    shown: set[str | None] = set()

    def run() -> None:
        sink = Sink(writer, Spool(tmp_path), choose=chance.random, time=simulation, threads=simulation)

        def watch() -> None:
            while sink.status().refused != len(bad):
                shown.add(sink.status().error)
                simulation.sleep(0.5)

        watcher = simulation.start("watcher", watch)
        follow(simulation, sink, every_s=10.0, more_s=120.0)
        watcher.join()
        assert (sink.status().error, sink.thread.restarts) == (None, 0)

    simulation.run(run)
    assert [start for _, start in writer.committed] == [start for start in starts if start not in bad]
    assert set(writer.noted) == set(bad)
    assert {None, "the bucket does not answer", "Panic: called `Option::unwrap()` on a `None` value"} <= shown
    kept = [each.contents for each in Spool(tmp_path).refused.read()]
    assert sorted(each.segments[0][0].span.start for each in kept if each is not None) == sorted(bad)
    assert not list(tmp_path.glob("*.zip"))


def test_a_seed_gives_the_same_run_again_and_another_gives_another(tmp_path: Path) -> None:
    first, again, other = (outage(tmp_path / str(run), seed) for run, seed in enumerate((1, 1, 2)))
    assert first[1] == again[1]
    assert first[0].committed == again[0].committed
    assert first[1] != other[1]


def test_an_hour_of_commits_and_upkeep_beside_them_takes_seconds_and_loses_nothing(tmp_path: Path) -> None:
    simulation = Simulation(3, began=datetime.now(UTC))  # LanceDB dates its versions by the machine's clock
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    config = UpkeepConfig(every_s=1200.0, many_fragments=4, join_after_s=0.0, keep_versions=timedelta(hours=2))

    def run() -> Upkeep:
        committer = Committer(lake, plan=stored(), fold_shots=fold_shots, time=simulation)
        upkeep = Upkeep(committer, config, time=simulation, threads=simulation)
        upkeep.start()
        writer = Outage(simulation, committer, from_s=1000, to_s=2000)
        sink = Sink(writer, Spool(tmp_path / "spool"), choose=lambda: 0.5, time=simulation, threads=simulation)
        follow(simulation, sink, every_s=180.0)
        simulation.sleep(1200)  # for a pass after the end
        committer.close()
        return upkeep

    upkeep = simulation.run(run)
    assert upkeep.status().passes == 5  # at 0, 20, 40, 60 and 80 minutes
    assert upkeep.status().last_error is None
    assert check(lake).problems == ()
    assert lake.count("segments", where="state = 'done'") == 1  # the ledger of a recording that is complete is joined
    assert lake.count("frames") == len(range(0, GATE.length, GATE.step))
