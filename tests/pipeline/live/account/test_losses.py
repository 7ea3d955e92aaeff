"""Catches frames that are in no count or in two, when a decoder, an actor or a follower dies at any moment."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.packets import FramePacket
from pipeline.live.account.feed_account import FeedAccount
from pipeline.live.account.losses import Lost, Received, RecordingEnded, close_recording
from pipeline.live.account.pending_ends import PendingEnds
from pipeline.live.feeds.feed_buffer import FeedBuffer
from pipeline.live.feeds.feed_status import FeedStatus
from schemas.clock import Span
from schemas.sources import SegmentReport
from tests.pipeline.live.packets import ended, packet, recording
from tests.simulation import BEGAN

GATE = recording()
CONNECTING = FeedStatus("gate", "gate", "connecting", BEGAN)


@given(
    edges=st.lists(st.integers(0, 60), max_size=8, unique=True).map(sorted),
    kept=st.lists(st.booleans(), min_size=8, max_size=8),
    newest=st.integers(0, 80),
)
def test_what_is_settled_and_what_is_lost_is_all_that_was_received(
    edges: list[int], kept: list[bool], newest: int
) -> None:
    """Each tick was a frame."""
    spans = [Span(a, b) for a, b, keep in zip(edges, edges[1:], kept, strict=False) if keep]
    settled = [(span, span.stop - span.start) for span in spans]
    received = Received(GATE, max(newest, sum(frames for _, frames in settled)), newest, 0)
    endings = close_recording(GATE, received, settled, plan_hash="plan", reason="it died")
    lost = [each for each in endings if isinstance(each, Lost)]
    assert received.frames == sum(frames for _, frames in settled) + sum(each.frames for each in lost)
    stretches = sorted([*spans, *(each.segment.span for each in lost)])
    assert all(a.stop == b.start for a, b in pairwise(stretches))  # nothing twice, no gap
    if received.frames:
        end = endings[-1]
        assert isinstance(end, RecordingEnded)
        assert end.source.span == Span(0, stretches[-1].stop)
    else:
        assert not endings


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.sampled_from("frames packet end die take".split()), max_size=40), again=st.booleans())
def test_after_every_step_each_frame_of_a_feed_is_in_one_of_the_counts(steps: list[str], again: bool) -> None:
    """A feed as its process reports it: what its packets, losses and ends say is what its status says."""
    account = FeedAccount(plan_hash="plan", reads_again=again)
    buffer = FeedBuffer(most=2, stale_s=3.0, plan_hash="plan")
    number = start = at = 0  # of the recording; where its segment began; its newest frame
    received = emitted = 0  # by the process
    settled = losses = 0
    for step in steps:
        source = recording(f"gate {number}")
        if step == "frames":
            at, received = at + 5, received + 5
            unsettled = Span(start, at)
            account.heartbeat(received=received, damaged=0, emitted=emitted, source=source, unsettled=unsettled)
        elif step == "packet" and at > start:
            item = packet(source, start, at, (start, at - 1))
            start, emitted = at, emitted + item.head.frames_decoded
            account.packet(item)
            buffer.put(item)
        elif step == "end" and at == start and at:
            account.recording_ended(ended(source, at))
            buffer.put(ended(source, at))
            number, start, at = number + 1, 0, 0
        elif step == "die":
            for ending in account.process_ended("it died"):
                buffer.put(ending)
            number, start, at, received, emitted = number + 1, 0, 0, 0, 0
        elif step == "take" and (taken := buffer.take()) is not None:
            account.polled(taken)
            if isinstance(taken, FramePacket):
                report = taken.head.end
                assert isinstance(report, SegmentReport)
                settled += report.frames_decoded
            elif isinstance(taken, Lost):
                losses += taken.frames
        status = account.with_counts(CONNECTING, shed=buffer.shed, waiting=buffer.keyframes)
        counted = status.kept + status.not_selected + status.shed + status.waiting + status.pending
        assert status.received == counted + sum(status.lost.values())
        assert min(status.pending, status.not_selected) >= 0
    for ending in account.process_ended("it died"):
        buffer.put(ending)
    while (taken := buffer.take()) is not None:
        account.polled(taken)
        if isinstance(taken, FramePacket):
            settled += taken.head.frames_decoded
        elif isinstance(taken, Lost):
            losses += taken.frames
    status = account.with_counts(CONNECTING, shed=buffer.shed, waiting=0)
    assert status.received == settled + losses
    assert sum(status.lost.values()) == losses
    assert not account.received()


def test_an_actor_that_died_loses_what_the_models_had_not_taken() -> None:
    status = replace(
        CONNECTING, received=20, pending=3, waiting=2, kept=4, not_selected=10, lost={"a": 1}, restarts={"a": 1}
    )
    after = status.broken_off("the feed's actor died")
    assert (after.pending, after.waiting) == (0, 0)
    assert after.lost == {"a": 1, "the feed's actor died": 5}
    assert after.received == after.kept + after.not_selected + sum(after.lost.values())
    assert after.restarts == {"a": 1, "the feed's actor died": 1}
    assert replace(status, pending=0, waiting=0).broken_off("again").lost == {"a": 1}


def test_an_end_waits_for_the_packets_of_its_recording_and_for_no_other() -> None:
    ends = PendingEnds()
    gate, yard = recording("gate"), recording("yard")
    first, second, other = packet(gate, 0, 10), packet(gate, 10, 20), packet(yard, 0, 10)
    ends.handed_out([first, other])
    ends.handed_out([second])
    ends.add(ended(gate, 20))
    ends.returned([first, other])
    ends.add(ended(yard, 10))
    assert ends.take() == [ended(yard, 10)]
    assert ends
    ends.add(Lost(second.head.segment, 10, "the model failed"))
    ends.returned([second])
    assert ends.take() == [ended(gate, 20), Lost(second.head.segment, 10, "the model failed")]
    assert not ends
