"""Catches a buffer that grows without bound, sheds without counting, or sheds the most informative keyframes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.packets import FramePacket
from pipeline.live.account.losses import Lost, RecordingEnded
from pipeline.live.feeds.feed_buffer import FeedBuffer
from schemas.ids import segment_id
from schemas.sources import SegmentReport
from tests.pipeline.live.packets import ended, packet, recording

STALE_S = 100.0


def report_of(item: FramePacket) -> SegmentReport:
    assert isinstance(item.head.end, SegmentReport)
    return item.head.end


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40),
    st.integers(1, 6),
)
def test_every_frame_comes_out_once_or_is_counted_as_shed(puts: list[tuple[int, bool]], most: int) -> None:
    """puts: keyframes of each packet in turn, and whether an item is taken after it."""
    source = recording()
    buffer = FeedBuffer(most=most, stale_s=STALE_S, plan_hash="plan")
    taken: list[FramePacket] = []
    for n, (keyframes, take) in enumerate(puts):
        buffer.put(packet(source, 10 * n, 10 * n + 10, tuple(range(10 * n, 10 * n + keyframes))))
        assert buffer.keyframes <= most
        if take and isinstance(item := buffer.take(), FramePacket):
            taken.append(item)
    while isinstance(item := buffer.take(), FramePacket):
        taken.append(item)
    assert sum(report_of(p).frames_decoded for p in taken) == 10 * len(puts)
    kept = sum(len(p.keyframes) for p in taken)
    shed = sum(report_of(p).shed for p in taken)
    assert kept + shed == sum(n for n, _ in puts)
    assert shed == buffer.shed
    for before, after in pairwise(taken):
        assert before.head.segment.span.stop == after.head.segment.span.start
    for each in taken:
        span = each.head.segment.span
        assert each.head.segment.id == segment_id(source.id, "plan", span)
        assert all(k.pts in span for k in each.keyframes)
        assert report_of(each).frames_decoded == span.stop - span.start


def test_what_begins_a_shot_stays_longest_and_of_the_others_those_far_apart() -> None:
    source = recording()
    buffer = FeedBuffer(most=3, stale_s=STALE_S, plan_hash="plan")
    buffer.put(packet(source, 0, 10, (1,), reason="shot"))
    buffer.put(packet(source, 10, 40, (20, 22, 35)))
    item = buffer.take()
    assert isinstance(item, FramePacket)
    assert [k.pts for k in item.keyframes] == [1, 20, 35]


def test_packets_of_two_recordings_are_not_joined_and_what_ends_one_stays_between() -> None:
    first, second = recording(), recording(start=100)
    buffer = FeedBuffer(most=10, stale_s=STALE_S, plan_hash="plan")
    lost = Lost(packet(first, 50, 60).head.segment, 10, "the decoder died (SIGKILL)")
    for item in (packet(first, 0, 50, (3,)), lost, ended(first, 60), packet(second, 100, 110, (105,))):
        buffer.put(item)
    kinds = [type(buffer.take()) for _ in range(4)]
    assert kinds == [FramePacket, Lost, RecordingEnded, FramePacket]
    assert buffer.take() is None


def test_what_is_far_behind_the_newest_is_shed_and_what_begins_a_shot_later() -> None:
    source = recording()
    buffer = FeedBuffer(most=10, stale_s=1.5, plan_hash="plan")
    buffer.put(packet(source, 0, 10, (5,), reason="shot"))
    buffer.put(packet(source, 10, 20, (12, 18)))
    assert buffer.shed == 0
    buffer.put(packet(source, 20, 40, (31,)))
    assert buffer.shed == 1
    buffer.put(packet(source, 40, 50, (40,)))
    item = buffer.take()
    assert isinstance(item, FramePacket)
    assert [k.pts for k in item.keyframes] == [31, 40]
    assert report_of(item).shed == 3
