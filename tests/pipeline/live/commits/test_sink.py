"""Catches rows that are lost, doubled or reordered when the lake is out of reach or the process is killed."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.ledger import SourceEntry
from pipeline.live.account.losses import Lost
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.sink import Sink
from pipeline.live.commits.spool import Spool
from pipeline.runtime.backoff import BackoffConfig
from schemas.clock import Span
from schemas.errors import LakeError
from schemas.sources import Segment, SegmentReport, Source
from tests.pipeline.live.packets import ended, packet, recording
from tests.waiting import wait_until

SOON = BackoffConfig(first_s=0.01, longest_s=0.02)


class Writer:
    """A lake that can be out of reach; it keeps what it was given, in order."""

    def __init__(self) -> None:
        self.reachable = threading.Event()
        self.reachable.set()
        self.done: list[str] = []
        self.refuses: Exception = LakeError("the bucket does not answer")

    def register(self, source: Source, *, replace: bool) -> list[Span]:
        self._reach()
        return [] if replace else [source.span]

    def commit(self, rows: Sequence[SegmentRows], **_: object) -> int:
        self._reach()
        self.done += [f"rows {each.segment.span.start}" for each in rows]
        return len(rows)

    def fail(
        self, segment: Segment, *, state: Literal["failed", "quarantined"], error: str, lost: int = 0, **_: object
    ) -> None:
        self._reach()
        self.done.append(f"{state} {segment.span.start}: {lost} by {error}")

    def quarantine(self, uri: str, *, error: str) -> None:
        self.done.append(f"quarantined {uri}: {error}")

    def end(self, source: Source) -> None:
        self._reach()
        self.done.append(f"end {source.span.stop}")

    def open_recordings(self, besides: Sequence[Source] = ()) -> list[SourceEntry]:
        return [SourceEntry(each.uri, "plan", "open", each) for each in besides]

    def close(self) -> None: ...

    def _reach(self) -> None:
        if not self.reachable.is_set():
            raise self.refuses


def rows(start: int) -> Batch:
    segment = packet(recording(), start, start + 10).head.segment
    table = pa.table({"pts": [start]})
    return Batch(rows=(SegmentRows(segment, "plan", SegmentReport(10, 0, start, start + 9, ()), table, table, None),))


def test_batches_come_in_order_and_each_once_after_the_lake_was_out_of_reach(tmp_path: Path) -> None:
    writer = Writer()
    told: list[Batch] = []
    sink = Sink(writer, Spool(tmp_path), backoff=SOON, on_commit=told.append)
    sink.put(rows(0))
    wait_until(lambda: writer.done == ["rows 0"])
    writer.reachable.clear()
    for start in (10, 20):
        sink.put(rows(start))
    wait_until(lambda: sink.status().spooled == 2)
    assert sink.status().error == "the bucket does not answer"
    sink.put(Batch(ended=(ended(recording(), 30),)))
    writer.reachable.set()
    wait_until(lambda: len(writer.done) == 4)
    assert writer.done == ["rows 0", "rows 10", "rows 20", "end 30"]
    sink.close()
    status = sink.status()
    assert (status.error, status.spooled, status.batches, status.commits) == (None, 0, 0, 4)
    assert [len(batch.rows) for batch in told] == [1, 1, 1, 0]
    assert not list(tmp_path.iterdir())


def test_what_could_not_be_brought_in_is_brought_in_by_the_next_run(tmp_path: Path) -> None:
    writer = Writer()
    writer.reachable.clear()
    sink = Sink(writer, Spool(tmp_path), backoff=SOON)
    lost = Lost(packet(recording(), 10, 20).head.segment, 7, "the decoder died (SIGKILL)")
    sink.put(rows(0))
    sink.put(Batch(lost=(lost,)))
    sink.close()
    assert sink.status().spooled == 2
    assert [(segment.span.start, frames) for segment, frames in Spool(tmp_path).segments] == [(0, 10), (10, 7)]

    writer.reachable.set()
    again = Sink(writer, Spool(tmp_path), backoff=SOON)
    again.put(rows(20))
    again.close()
    assert writer.done == ["rows 0", "failed 10: 7 by the decoder died (SIGKILL)", "rows 20"]


def test_where_the_spool_cannot_be_written_either_batches_wait_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer()
    writer.reachable.clear()
    sink = Sink(writer, Spool(tmp_path), backoff=SOON)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "append", full)
        sink.put(rows(0))
        wait_until(lambda: "No space left" in (sink.status().error or ""))
        assert (sink.status().batches, sink.status().spooled) == (1, 0)
        assert sink.status().bytes > 0
    writer.reachable.set()
    wait_until(lambda: writer.done == ["rows 0"])
    sink.close()


def test_questions_are_answered_in_turn_and_errors_reach_who_asked(tmp_path: Path) -> None:
    writer = Writer()
    sink = Sink(writer, Spool(tmp_path), backoff=SOON)
    source = recording()
    assert sink.ask(lambda w: w.register(source, replace=False)) == [source.span]
    writer.reachable.clear()
    with pytest.raises(LakeError, match="does not answer"):
        sink.ask(lambda w: w.register(source, replace=False))
    sink.close()
    with pytest.raises(LakeError, match="being stopped"):
        sink.ask(lambda w: w.register(source, replace=False))


def test_an_error_that_nobody_foresaw_is_told_and_the_batch_tried_again(tmp_path: Path) -> None:
    writer = Writer()
    writer.reachable.clear()
    writer.refuses = ValueError("a list of another length")
    sink = Sink(writer, Spool(tmp_path), backoff=SOON)
    sink.put(rows(0))
    wait_until(lambda: sink.status().error == "ValueError: a list of another length")
    writer.reachable.set()
    wait_until(lambda: writer.done == ["rows 0"])
    sink.put(rows(10))
    sink.close()
    assert writer.done == ["rows 0", "rows 10"]


def test_who_is_told_of_commits_cannot_stop_them(tmp_path: Path) -> None:
    def fail(_: Batch) -> None:
        raise RuntimeError("the terminal is gone")

    writer = Writer()
    sink = Sink(writer, Spool(tmp_path), backoff=SOON, on_commit=fail)
    for start in (0, 10):
        sink.put(rows(start))
    sink.close()
    assert writer.done == ["rows 0", "rows 10"]
    assert sink.status().error is None


def test_what_of_the_spool_cannot_be_read_is_set_aside_and_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path)
    for start in (0, 10):
        spool.append(rows(start))
    (tmp_path / "000000000000.zip").write_bytes(b"PK cut off")
    writer = Writer()
    Sink(writer, Spool(tmp_path), backoff=SOON).close()
    assert writer.done == ["rows 10"]
    assert [path.name for path in Spool(tmp_path).refused.folder.iterdir()] == ["000000000000.unreadable"]
    assert "000000000000.unreadable" in caplog.text
