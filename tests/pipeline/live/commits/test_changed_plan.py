"""Catches a follower with a changed plan that can never commit what an earlier one left, or mixes two plans."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from operators.shots.cuts import fold_shots
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.ingest.completion_of import completion_of
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.plans import read_plans
from pipeline.lake.writing.committer import Committer
from pipeline.live.account.losses import Lost, Received, RecordingEnded
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.commit_waiting import commit_waiting
from pipeline.live.commits.in_flight import InFlight
from pipeline.live.commits.sink import Sink
from pipeline.live.commits.spool import Spool
from pipeline.live.status.state_folder import StateFolder
from pipeline.plan.plan_file import load_plan
from pipeline.plan.stored_plan import StoredPlan
from pipeline.runtime.backoff import BackoffConfig
from schemas.errors import LakeError
from schemas.sources import Segment
from tests.pipeline.lake.synthetic import SPACE
from tests.pipeline.lake.upkeep.feeds import Recording

SOON = BackoffConfig(first_s=0.001, longest_s=0.002)
OLD, NEW = (StoredPlan.of(load_plan(overrides=[each])) for each in ("thumbnails.quality=80", "thumbnails.quality=81"))
OPEN, UNKNOWN, NEXT = Recording(0), Recording(1, hour=1), Recording(2, hour=2)


class Away(Committer):
    """A committer whose lake is out of reach."""

    def commit(self, *_: object, **__: object) -> int:
        raise LakeError("the bucket does not answer")


def committer(lake: Lake, plan: StoredPlan | None, kind: type[Committer] = Committer) -> Committer:
    fold = partial(fold_shots, config=load_plan().read.shots)
    return kind(lake, plan=plan, fold_shots=fold, completion_of=completion_of, wait_s=0.2)


def rows(recording: Recording, plan: StoredPlan, *, at: int) -> SegmentRows:
    segment = recording.segments(4)[at]
    return replace(recording.rows_at(segment), plan=plan.hash)


def spool_of(lake: Lake, plan: StoredPlan) -> Spool:
    state = StateFolder.of(lake.uri)
    return Spool(state.spool, refused=state.refused, plan=plan)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake of an earlier follower with the plan OLD, of which rows wait on disk: of a recording that is open in the
    lake, and of one of which the lake has nothing but of which a segment was lost."""
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    with committer(lake, OLD) as writer:
        writer.commit([rows(OPEN, OLD, at=0)])
    with committer(lake, OLD, Away) as writer:
        sink = Sink(writer, spool_of(lake, OLD), backoff=SOON)
        sink.put(Batch(rows=(rows(OPEN, OLD, at=1), rows(UNKNOWN, OLD, at=1))))
        lost = UNKNOWN.segments(4)[0]
        sink.put(Batch(lost=(Lost(Segment(UNKNOWN.announced(), lost.span, lost.id), 3, "the decoder died"),)))
        sink.close()
    return lake


def test_rows_that_wait_are_committed_under_their_plan_and_their_recording_ends_under_it(lake: Lake) -> None:
    state = StateFolder.of(lake.uri)
    in_flight = InFlight(state.in_flight)
    with committer(lake, NEW) as writer:
        sink = Sink(writer, spool_of(lake, NEW), backoff=SOON)
        left = writer.open_recordings([UNKNOWN.announced()])
        sink.put(in_flight.close_earlier(left, sink.spooled_before))
        sink.put(Batch(rows=tuple(rows(NEXT, NEW, at=at) for at in range(4))))
        sink.put(Batch(ended=(RecordingEnded(NEXT.source, "over"),)))
        sink.close()
        status = sink.status()
    assert (status.error, status.refused, status.spooled) == (None, 0, 0)
    made_by = {row["source"]: (row["plan"], row["state"]) for row in lake.read("sources").to_pylist()}
    assert made_by == {
        OPEN.source.uri: (OLD.hash, "complete"),
        UNKNOWN.source.uri: (OLD.hash, "complete"),
        NEXT.source.uri: (NEW.hash, "complete"),
    }
    assert set(read_plans(lake)) == {OLD.hash, NEW.hash}
    assert check(lake).problems == ()


def test_what_waits_is_committed_without_a_follower_and_without_its_plan_being_given(lake: Lake) -> None:
    status = commit_waiting(lake.uri, wait_s=0.2)
    assert (status.error, status.refused, status.spooled) == (None, 0, 0)
    assert lake.count("segments", where="state = 'done'") == 3
    assert {row["plan"] for row in lake.read("sources").to_pylist()} == {OLD.hash}
    assert check(lake).problems == ()
    with committer(lake, NEW), pytest.raises(LakeError, match="written by"):
        commit_waiting(lake.uri, wait_s=0.2)


def test_counts_of_received_frames_close_a_recording_whose_rows_wait(lake: Lake, tmp_path: Path) -> None:
    counted = InFlight(tmp_path / "in-flight.json")
    counted.report([Received(UNKNOWN.announced(), 100, 90, 1)])
    counted.write()
    with committer(lake, NEW) as writer:
        sink = Sink(writer, spool_of(lake, NEW), backoff=SOON)
        again = InFlight(tmp_path / "in-flight.json")
        left = writer.open_recordings([each.source for each in again.earlier])
        sink.put(again.close_earlier(left, sink.spooled_before))
        sink.close()
    lost = lake.read("segments", where=f"state = 'failed' AND source = '{UNKNOWN.source.uri}'").to_pylist()
    assert {row["plan"] for row in lost} == {OLD.hash}
    done = rows(UNKNOWN, OLD, at=1).report.frames_decoded
    assert sum(row["lost"] for row in lost) == 100 - done
    assert check(lake).problems == ()
