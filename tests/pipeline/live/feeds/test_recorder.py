"""Catches a recorder that loses a frame at a border, counts one twice, chooses other keyframes than for a file, or
states a wrong time."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from operators.readers.live_stream import LiveFrame, StreamConfig, StreamInfo
from operators.readers.probe import probe
from operators.readers.video import VideoReader
from pipeline.ingest.packets import FramePacket
from pipeline.live.account.losses import RecordingEnded
from pipeline.live.feeds.recorder import Recorder
from pipeline.live.live_config import LiveConfig
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.read_segment import SegmentReader
from schemas.frames import Keyframe
from schemas.ids import segment_id
from schemas.sources import Segment, SegmentReport, Source
from tests.clips import ffmpeg

BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def clip(data_dir: Path) -> Source:
    path = str(data_dir / "tud-stadtmitte" / "TUD-Stadtmitte.mp4")
    return probe(path, uri=path)


def live_frames(
    source: Source, *, late_s: Sequence[float] = (0.1,), sender: datetime | None = None, epoch_at: int | None = None
) -> Iterator[LiveFrame]:
    """A file's frames as if they came live: each arrives late_s (in turns) after its time, counted from BEGAN."""
    rate, base = source.frame_rate, source.clock.time_base
    info = StreamInfo(source.codec, source.width_px, source.height_px, rate, base)
    with VideoReader(source.uri, source) as reader:
        for n, frame in enumerate(reader.frames(source.span.start)):
            arrived = BEGAN + timedelta(seconds=source.clock.seconds(frame.pts) + late_s[n % len(late_s)])
            epoch = "connected" if n == 0 else "PTS jumped" if n == epoch_at else None
            yield LiveFrame(frame, info, arrived, sender, epoch)


def recorded(frames: Iterator[LiveFrame], live: LiveConfig | None = None) -> list[FramePacket | RecordingEnded]:
    recorder = Recorder(ReadConfig(), live or LiveConfig(), uri="gate", plan_hash="plan")
    items = [item for frame in frames for item in recorder.add(frame)]
    items += recorder.finish("over")
    assert recorder.emitted == recorder.received
    return items


def packets_of(items: Sequence[FramePacket | RecordingEnded]) -> list[FramePacket]:
    return [item for item in items if isinstance(item, FramePacket)]


def report_of(packet: FramePacket) -> SegmentReport:
    assert isinstance(packet.head.end, SegmentReport)
    return packet.head.end


def test_the_keyframes_of_a_feed_are_those_of_the_same_file_with_the_same_motion(clip: Source) -> None:
    segment = Segment(clip, clip.span, segment_id(clip.id, "plan", clip.span))
    *expected, report = SegmentReader(ReadConfig())(segment, clip.uri)
    packets = packets_of(recorded(live_frames(clip)))
    found = [keyframe for packet in packets for keyframe in packet.keyframes]
    assert isinstance(report, SegmentReport)
    assert len(packets) > 3
    for one, other in zip(found, expected, strict=True):
        assert isinstance(other, Keyframe)
        assert (one.pts, one.reason) == (other.pts, other.reason)
        assert (one.image == other.image).all()
        assert one.motion is not None
        assert other.motion is not None
        assert (one.motion == other.motion).all()
    assert sum(report_of(p).frames_decoded for p in packets) == report.frames_decoded
    assert sum(report_of(p).near_duplicates for p in packets) == report.near_duplicates
    assert [event for p in packets for event in report_of(p).cut_events] == list(report.cut_events)


def test_segments_follow_one_another_without_gap_and_each_holds_its_own_keyframes(clip: Source) -> None:
    packets = packets_of(recorded(live_frames(clip)))
    for before, after in pairwise(packets):
        assert before.head.segment.span.stop == after.head.segment.span.start
    for packet in packets:
        assert all(keyframe.pts in packet.head.segment.span for keyframe in packet.keyframes)
        assert packet.head.segment.id == segment_id(packet.head.segment.source.id, "plan", packet.head.segment.span)


def test_recordings_of_an_epoch_follow_one_another_and_miss_nothing(clip: Source) -> None:
    items = recorded(live_frames(clip), LiveConfig(recording_s=1.0, quiet_s=1.0))
    whole = recorded(live_frames(clip))
    ended = [item.source for item in items if isinstance(item, RecordingEnded)]
    assert len(ended) >= 2
    for before, after in pairwise(ended):
        assert before.span.stop == after.span.start
    assert len({source.id for source in ended}) == len({source.uri for source in ended}) == len(ended)
    for source in ended:
        spans = [p.head.segment.span for p in packets_of(items) if p.head.segment.source.id == source.id]
        assert source.span.minus(spans) == []
    pts = [k.pts for p in packets_of(items) for k in p.keyframes]
    assert pts == [k.pts for p in packets_of(whole) for k in p.keyframes]


def test_a_new_epoch_ends_the_recording_and_begins_another_with_a_first_keyframe(clip: Source) -> None:
    items = recorded(live_frames(clip, epoch_at=60))
    first, second = [item for item in items if isinstance(item, RecordingEnded)]
    assert first.reason == "PTS jumped"
    assert second.reason == "over"
    of_second = [p for p in packets_of(items) if p.head.segment.source.id == second.source.id]
    assert of_second[0].keyframes[0].pts == second.source.span.start
    assert sum(report_of(p).frames_decoded for p in packets_of(items)) == sum(1 for _ in live_frames(clip))


def test_time_is_that_of_the_frame_that_was_least_delayed(clip: Source) -> None:
    [ended] = [i for i in recorded(live_frames(clip, late_s=(2.0, 0.3, 5.0))) if isinstance(i, RecordingEnded)]
    assert ended.source.clock.utc(0) == pytest.approx(BEGAN + timedelta(seconds=0.3), abs=timedelta(milliseconds=1))


def test_time_is_the_senders_unless_it_was_never_set(clip: Source) -> None:
    set_right = BEGAN - timedelta(seconds=0.4)
    [ended] = [i for i in recorded(live_frames(clip, sender=set_right)) if isinstance(i, RecordingEnded)]
    assert ended.source.clock.start_time == set_right
    never_set = datetime(1970, 1, 1, tzinfo=UTC)
    [ended] = [i for i in recorded(live_frames(clip, sender=never_set)) if isinstance(i, RecordingEnded)]
    assert ended.source.clock.utc(0) == pytest.approx(BEGAN + timedelta(seconds=0.1), abs=timedelta(milliseconds=1))
    believing = LiveConfig(stream=StreamConfig(clock="sender"))
    frames = live_frames(clip, sender=never_set)
    [ended] = [i for i in recorded(frames, believing) if isinstance(i, RecordingEnded)]
    assert ended.source.clock.start_time == never_set


def test_a_feed_that_shows_nothing_new_still_hands_on_what_it_counted(tmp_path: Path) -> None:
    path = str(tmp_path / "still.mp4")
    ffmpeg("-f", "lavfi", "-i", "color=gray:size=160x120:rate=10:duration=12", "-pix_fmt", "yuv420p", path)
    items = recorded(live_frames(probe(path, uri=path)), LiveConfig(quiet_s=1.0))
    assert len(packets_of(items)) > 1
    assert any(not packet.keyframes for packet in packets_of(items))
