"""Catches a batch that holds up all others because the lake never takes it, and one that is given up too early."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.ledger import SourceEntry
from pipeline.live.account.losses import Lost
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.batch_commits import UNEXPECTED_TRIES
from pipeline.live.commits.sink import Sink
from pipeline.live.commits.spool import Spool
from pipeline.plan.stored_plan import StoredPlan
from pipeline.runtime.backoff import BackoffConfig
from schemas.clock import Span
from schemas.errors import InvalidValueError, LakeError, PlanConflictError, RefusedError
from schemas.sources import Segment, Source
from tests.pipeline.lake.synthetic import World, stored
from tests.waiting import wait_until

SOON = BackoffConfig(first_s=0.001, longest_s=0.002)
GATE, YARD, DOOR = World(1), World(2), World(3)


class PanicException(BaseException):
    """As a panic of Rust reaches Python, where it is no Exception."""


class Writer:
    """A lake that raises for some sources, or for all; it keeps what it was given, in order."""

    def __init__(self) -> None:
        self.for_rows: dict[str, BaseException] = {}  # by source id
        self.for_notes: dict[str, BaseException] = {}
        self.for_all: BaseException | None = None
        self.done: list[str] = []
        self.noted: list[tuple[str, int, str]] = []
        self.plans: list[str | None] = []
        self.tries = 0

    def commit(self, rows: Sequence[SegmentRows], *, plan: StoredPlan | None = None) -> int:
        self.tries += 1
        for each in rows:
            self._raise(self.for_rows, each.segment.source)
        new = [f"{each.segment.source.uri} {each.segment.span.start}" for each in rows]
        self.done += [each for each in new if each not in self.done]
        self.plans.append(None if plan is None else plan.hash)
        return len(rows)

    def fail(self, segment: Segment, *, error: str, lost: int = 0, **_: object) -> None:
        self._raise(self.for_notes, segment.source)
        self.noted.append((segment.source.uri, lost, error))

    def end(self, source: Source) -> None:
        self._raise(self.for_rows, source)

    def register(self, source: Source, *, replace: bool) -> list[Span]:
        raise NotImplementedError

    def quarantine(self, uri: str, *, error: str) -> None:
        raise NotImplementedError

    def open_recordings(self, besides: Sequence[Source] = ()) -> list[SourceEntry]:
        raise NotImplementedError

    def recordings(self, feed: str) -> list[Source]:
        raise NotImplementedError

    def close(self) -> None: ...

    def _raise(self, errors: dict[str, BaseException], source: Source) -> None:
        error = self.for_all or errors.get(source.id)
        if error is not None:
            raise error


def rows(*worlds: World, at: int = 0) -> Batch:
    return Batch(rows=tuple(world.rows(world.segments(3)[at]) for world in worlds))


def start(folder: Path, writer: Writer) -> Sink:
    return Sink(writer, Spool(folder / "spool", refused=folder / "refused"), backoff=SOON, choose=lambda: 0.0)


def name(world: World, at: int = 0) -> str:
    return f"{world.source.uri} {world.segments(3)[at].span.start}"


def test_what_the_lake_refuses_is_kept_and_everything_else_is_committed(tmp_path: Path) -> None:
    writer = Writer()
    writer.for_rows[YARD.source.id] = PlanConflictError("yard is in the lake under another plan")
    sink = start(tmp_path, writer)
    for at in range(3):
        sink.put(rows(GATE, YARD, DOOR, at=at))
    wait_until(lambda: sink.status().refused == 3)
    wait_until(lambda: len(writer.done) == 6)
    status = sink.status()
    assert (status.error, status.refusal) == (None, "yard is in the lake under another plan")
    assert writer.done == [name(world, at) for at in range(3) for world in (GATE, DOOR)]
    assert [uri for uri, _, _ in writer.noted] == [YARD.source.uri] * 3
    assert "refused by the lake: PlanConflictError: yard" in writer.noted[0][2]
    sink.close()
    assert not list((tmp_path / "spool").glob("*.zip"))
    refused = list(Spool(tmp_path / "spool", refused=tmp_path / "refused").refused.read())
    assert [each.name for each in refused] == ["000000000000", "000000000001", "000000000002"]
    assert all(each.reason == "yard is in the lake under another plan" for each in refused)
    assert all(each.contents is not None and len(each.contents.segments) == 1 for each in refused)


@pytest.mark.parametrize(
    "error", [PanicException("called `Option::unwrap()`"), RecursionError(), MemoryError(), SystemExit(1)]
)
def test_a_panic_about_one_batch_is_shown_and_tried_again_and_then_refused(
    error: BaseException, tmp_path: Path
) -> None:
    writer = Writer()
    writer.for_rows[YARD.source.id] = error
    shown: set[str | None] = set()
    sink = start(tmp_path, writer)
    sink.put(rows(GATE))
    sink.put(rows(YARD, DOOR))
    sink.put(rows(GATE, at=1))

    def seen() -> bool:
        status = sink.status()
        shown.add(status.error)
        return status.refused == 1 and status.error is None and len(writer.done) == 3

    wait_until(seen)
    assert any(text is not None and type(error).__name__ in text for text in shown)
    assert writer.tries >= 1 + UNEXPECTED_TRIES
    assert writer.done == [name(GATE), name(DOOR), name(GATE, 1)]
    assert sink.thread.restarts == 0
    sink.close()


def test_the_note_of_a_refusal_is_tried_again_too(tmp_path: Path) -> None:
    class Once(Writer):
        def fail(self, segment: Segment, *, error: str, lost: int = 0, **_: object) -> None:
            self.for_notes, failing = {}, self.for_notes
            self._raise(failing, segment.source)
            super().fail(segment, error=error, lost=lost)

    writer = Once()
    writer.for_rows[YARD.source.id] = RefusedError("never")
    writer.for_notes[YARD.source.id] = PanicException("once")
    sink = start(tmp_path, writer)
    sink.put(rows(YARD))
    wait_until(lambda: sink.status().refused == 1)
    assert [uri for uri, _, _ in writer.noted] == [YARD.source.uri]
    sink.close()


def test_a_panic_about_everything_refuses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    writer = Writer()
    writer.for_all = PanicException("the disk of the lake is gone")
    sink = start(tmp_path, writer)
    for at in range(3):
        sink.put(rows(GATE, YARD, at=at))
    wait_until(lambda: writer.tries > 4 * UNEXPECTED_TRIES)
    assert (sink.status().refused, sink.status().spooled) == (0, 3)
    assert "PanicException: the disk" in (sink.status().error or "")
    writer.for_all = None
    wait_until(lambda: len(writer.done) == 6)
    assert writer.done == [name(world, at) for at in range(3) for world in (GATE, YARD)]
    sink.close()
    assert sink.status().refused == 0


def test_a_source_of_which_not_even_a_failure_can_be_noted_does_not_hold_up_the_others(tmp_path: Path) -> None:
    writer = Writer()
    writer.for_rows[YARD.source.id] = writer.for_notes[YARD.source.id] = PanicException("a surrogate")
    sink = start(tmp_path, writer)
    sink.put(rows(YARD))
    wait_until(lambda: writer.tries > 2 * UNEXPECTED_TRIES)
    assert sink.status().refused == 0  # it may be the lake: nothing else was tried yet
    sink.put(rows(YARD, at=1))
    sink.put(rows(GATE, YARD))
    wait_until(lambda: sink.status().refused == 3)
    assert writer.done == [name(GATE)]
    sink.close()


def test_a_lake_out_of_reach_refuses_nothing_however_long_it_lasts(tmp_path: Path) -> None:
    writer = Writer()
    writer.for_all = LakeError("the bucket does not answer")
    sink = start(tmp_path, writer)
    sink.put(rows(GATE))
    wait_until(lambda: writer.tries > 6 * UNEXPECTED_TRIES)
    assert (sink.status().refused, sink.status().spooled) == (0, 1)
    writer.for_all = None
    wait_until(lambda: writer.done == [name(GATE)])
    sink.close()


def test_a_refused_batch_is_tried_again_before_later_ones_beside_the_sink(tmp_path: Path) -> None:
    writer = Writer()
    writer.for_rows[YARD.source.id] = RefusedError("the schema has changed")
    sink = start(tmp_path, writer)
    sink.put(rows(YARD, at=0))
    sink.put(rows(YARD, at=1))
    wait_until(lambda: sink.status().refused == 2)
    beside = Spool(tmp_path / "spool", refused=tmp_path / "refused").refused
    with pytest.raises(InvalidValueError, match="no refused batch is called 7; there are 0, 1"):
        beside.named(["7"])
    beside.drop(beside.named(["1"])[0])
    wait_until(lambda: sink.status().refused == 1)
    for each in beside.named([]):
        beside.try_again(each)  # for nothing
    wait_until(lambda: sink.status().refused == 1 and len(writer.noted) == 3)
    writer.for_rows.clear()
    [again] = beside.named(["0"])
    beside.try_again(again)
    wait_until(lambda: sink.status().refused == 0 and writer.done == [name(YARD)])
    sink.put(rows(YARD, at=2))
    sink.close()
    assert writer.done == [name(YARD, 0), name(YARD, 2)]


def test_rows_that_waited_are_committed_under_the_plan_that_made_them(tmp_path: Path) -> None:
    writer = Writer()
    writer.for_all = OSError("away")
    earlier = Sink(writer, Spool(tmp_path / "spool", plan=stored("plan-a")), backoff=SOON)
    earlier.put(rows(GATE))
    earlier.close()
    writer.for_all = None
    later = Sink(writer, Spool(tmp_path / "spool", plan=stored("plan-b")), backoff=SOON)
    later.put(rows(GATE, at=1))
    later.close()
    assert writer.done == [name(GATE, 0), name(GATE, 1)]
    assert writer.plans[0] == "plan-a"
    assert writer.plans[1] in (None, "plan-b")


def test_a_file_of_the_spool_that_is_damaged_while_it_waits_is_set_aside(tmp_path: Path) -> None:
    writer = Writer()
    writer.for_all = LakeError("away")
    sink = start(tmp_path, writer)
    for at in range(2):
        sink.put(rows(GATE, at=at))
    wait_until(lambda: sink.status().spooled == 2)
    (tmp_path / "spool" / "000000000000.zip").write_bytes(bytes(500))
    writer.for_all = None
    wait_until(lambda: writer.done == [name(GATE, 1)])
    wait_until(lambda: (sink.status().refused, sink.status().spooled) == (1, 0))
    sink.close()


def test_a_nearly_full_disk_keeps_batches_in_memory_and_says_so(tmp_path: Path) -> None:
    writer = Writer()
    writer.for_all = LakeError("away")
    spool = Spool(tmp_path / "spool", least_free_bytes=2**62)
    sink = Sink(writer, spool, backoff=SOON)
    sink.put(rows(GATE))
    wait_until(lambda: "the disk is nearly full" in (sink.status().error or ""))
    assert (sink.status().batches, sink.status().spooled) == (1, 0)
    assert sink.status().bytes > 0
    writer.for_all = None
    wait_until(lambda: writer.done == [name(GATE)])
    sink.close()


def test_a_batch_that_cannot_be_stored_is_counted_as_lost_and_holds_nothing_up(tmp_path: Path) -> None:
    class Unstorable:
        nbytes, num_rows = 1, 1

        @property
        def schema(self) -> object:
            raise TypeError("no such type")

    writer = Writer()
    writer.for_all = LakeError("away")
    sink = start(tmp_path, writer)
    [item] = rows(YARD).rows
    broken = SegmentRows(item.segment, item.plan, item.report, Unstorable(), item.regions, None)  # type: ignore[arg-type]
    sink.put(Batch(rows=(broken,)))
    sink.put(rows(GATE))
    wait_until(lambda: sink.status().spooled == 2)
    writer.for_all = None
    wait_until(lambda: writer.done == [name(GATE)])
    [(uri, frames, why)] = writer.noted
    assert (uri, frames) == (YARD.source.uri, item.report.frames_decoded)
    assert "its rows cannot be stored: TypeError: no such type" in why
    sink.close()


def test_losses_and_ends_are_refused_like_rows(tmp_path: Path) -> None:
    writer = Writer()
    writer.for_notes[YARD.source.id] = RefusedError("never")
    sink = start(tmp_path, writer)
    sink.put(Batch(lost=(Lost(YARD.segments(3)[0], 7, "the decoder died"),)))
    sink.put(rows(GATE))
    wait_until(lambda: writer.done == [name(GATE)] and sink.status().refused == 1)
    sink.close()
