"""Catches frames of a killed follower that are not counted, counted twice, or lost although they wait on disk."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.lake.ledger import LedgerEntry, SegmentState, SourceEntry
from pipeline.live.account.losses import Received
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.in_flight import FOLLOWER_KILLED, InFlight, closing
from schemas.clock import Span
from schemas.ids import segment_id
from schemas.sources import Segment
from tests.pipeline.live.packets import recording

GATE = recording()


def ledger(*settled: tuple[int, int, SegmentState], plan: str = "plan") -> SourceEntry:
    """The recording with segments (start, stop, state), of which each tick was a frame."""
    segments = {
        segment_id(GATE.id, plan, Span(start, stop)): LedgerEntry(Span(start, stop), state, stop - start)
        for start, stop, state in settled
    }
    return SourceEntry(GATE.uri, plan, "open", GATE, segments)


def waiting(start: int, stop: int) -> tuple[Segment, int]:
    span = Span(start, stop)
    return Segment(GATE, span, segment_id(GATE.id, "plan", span)), stop - start


def received(frames: int) -> Received:
    return Received(GATE, frames, frames, emitted=frames // 2)


def losses(batch: Batch) -> list[tuple[int, int, int]]:
    assert all(each.reason == FOLLOWER_KILLED for each in batch.lost)
    return [(each.segment.span.start, each.segment.span.stop, each.frames) for each in batch.lost]


def ends(batch: Batch) -> list[int]:
    return [each.source.span.stop for each in batch.ended]


def test_what_was_received_and_not_committed_is_lost_by_its_number() -> None:
    batch = closing([ledger((0, 10, "done"), (10, 14, "failed"))], [received(31)], [])
    assert losses(batch) == [(14, 31, 17)]
    assert ends(batch) == [31]


def test_what_waits_on_disk_is_not_lost() -> None:
    batch = closing([ledger((0, 10, "done"))], [received(31)], [waiting(10, 25)])
    assert losses(batch) == [(25, 31, 6)]
    batch = closing([ledger((0, 10, "done"), (10, 31, "done"))], [received(31)], [waiting(10, 31)])  # killed between
    assert not losses(batch)
    assert ends(batch) == [31]


def test_a_recording_of_which_nothing_was_committed_is_lost_whole() -> None:
    batch = closing([ledger()], [received(5)], [])
    assert losses(batch) == [(0, 5, 5)]
    assert ends(batch) == [5]


def test_what_was_committed_out_of_order_leaves_a_gap_that_is_lost_as_well() -> None:
    batch = closing([ledger((0, 10, "done"), (20, 30, "done"))], [received(30)], [])
    assert losses(batch) == [(10, 20, 10)]
    batch = closing([ledger((0, 10, "done"), (20, 30, "done"))], [received(33)], [])
    assert losses(batch) == [(10, 20, 0), (30, 33, 13)]


def test_a_recording_of_which_nothing_was_written_down_ends_where_the_ledger_does() -> None:
    batch = closing([ledger((0, 10, "done"), (12, 30, "done"))], [], [])
    assert losses(batch) == [(10, 12, 0)]
    assert ends(batch) == [30]
    assert not closing([ledger()], [], [])


def test_commits_after_the_last_writing_are_no_loss() -> None:
    batch = closing([ledger((0, 40, "done"))], [received(31)], [])
    assert not losses(batch)
    assert ends(batch) == [40]


def test_segments_of_another_plan_keep_its_name() -> None:
    (lost,) = closing([ledger((0, 10, "done"), plan="other")], [received(31)], []).lost
    assert lost.segment.id == segment_id(GATE.id, "other", Span(10, 31))


def test_it_outlives_the_process_until_the_end_is_committed(tmp_path: Path) -> None:
    flight = InFlight(tmp_path / "in-flight")
    flight.report([replace(received(1), source=recording(start=1), emitted=0)])
    other = Received(recording("yard"), 3, 3, emitted=0)
    flight.report([received(31), other])
    flight.write()
    after = InFlight(tmp_path / "in-flight")
    assert after.earlier == (received(31), other)
    after.settle(after.close_earlier([ledger((0, 10, "done"))], []))
    after.write()
    assert not InFlight(tmp_path / "in-flight").earlier


def test_a_disk_that_refuses_or_damages_it_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "folder" / "in-flight"
    (tmp_path / "folder").write_text("no folder")
    flight = InFlight(tmp_path / "none")
    flight._file = file
    flight.report([received(31)])
    with caplog.at_level(logging.WARNING):
        flight.write()
        flight.write()
    assert len(caplog.records) == 1  # not once a second
    (tmp_path / "folder").unlink()
    flight.write()
    assert InFlight(file).earlier == (received(31),)
    file.write_bytes(b"no JSON")
    assert not InFlight(file).earlier
    assert "not known" in caplog.text
