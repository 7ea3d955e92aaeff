"""The thread that keeps a feed's packets. Catches a disk that is full or hangs and holds up the feed, or goes
unnoticed, and packets that are lost without need."""

import fcntl
import os
from pathlib import Path

from operators.readers.stream_packet import NotKept, RunPackets
from pipeline.live.feeds.feed_video import FeedVideo, RecordingVideo
from pipeline.ring.config import RingConfig, VideoStatus
from pipeline.ring.feed_ring import FeedRing
from pipeline.ring.report import ring_problems
from tests.clips import Clips
from tests.pipeline.ring.rings import FEED, RECORDING, run_of
from tests.pipeline.ring.test_writer import all_shown
from tests.waiting import wait_until


def ended(video: FeedVideo) -> None:
    video.end()
    wait_until(lambda: video.ended, within_s=30)


def test_everything_is_written_at_the_end_and_after_a_child_that_died(clips: Clips, tmp_path: Path) -> None:
    begins, packets = run_of(clips("plain.mp4"))
    video = FeedVideo(FEED, RingConfig(str(tmp_path)))
    for _ in range(2):
        video.put(begins)
        video.put(RunPackets(0, tuple(packets)))
        video.put(RecordingVideo(RECORDING, 0))
        video.child_ended()
    ended(video)
    assert len(all_shown(tmp_path)) == 2 * len(packets)
    assert [each.run for each in FeedRing.of(tmp_path, FEED).recordings.read()] == [0, 1]
    assert video.status().trouble is None


def test_a_full_disk_is_reported_and_the_ring_goes_on_when_there_is_room(clips: Clips, tmp_path: Path) -> None:
    begins, packets = run_of(clips("plain.mp4"))
    config = RingConfig(str(tmp_path), least_free_bytes=2**62)
    video = FeedVideo(FEED, config)
    video.put(begins)
    video.put(RunPackets(0, tuple(packets[:50])))
    wait_until(lambda: video.status().error is not None, within_s=30)
    status = video.status()
    assert status.trouble is not None
    assert "its video is not kept: the disk is nearly full" in status.trouble
    object.__setattr__(config, "least_free_bytes", 0)  # somebody has made room
    video.put(RunPackets(0, tuple(packets[50:])))
    video.child_ended()
    wait_until(lambda: video.status().error is None, within_s=30)
    status = video.status()
    ended(video)
    assert status.dropped == len(packets) - len(all_shown(tmp_path))
    assert 0 < status.dropped < 75
    assert ring_problems(tmp_path) == []


def test_a_disk_that_hangs_keeps_nobody_waiting_and_takes_no_memory(clips: Clips, tmp_path: Path) -> None:
    begins, packets = run_of(clips("plain.mp4"))
    size = sum(len(packet.data) for packet in packets)
    video = FeedVideo(FEED, RingConfig(str(tmp_path), waiting_bytes=2 * size))
    ring = FeedRing.of(tmp_path, FEED)
    ring.make()
    lock = os.open(ring.folder / ".ring.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)  # the thread waits for it, as for a disk
    video.put(begins)
    for _ in range(10):
        video.put(RunPackets(0, tuple(packets)))
    assert video.waiting
    assert video.status().fragments == 0
    os.close(lock)
    wait_until(lambda: video.status().dropped >= 7 * len(packets), within_s=30)
    video.put(RunPackets(0, tuple(packets)))
    ended(video)


def test_a_stream_that_cannot_be_kept_has_a_reason(tmp_path: Path) -> None:
    video = FeedVideo(FEED, RingConfig(str(tmp_path)))
    video.put(NotKept("an MP4 file cannot hold this cinepak"))
    wait_until(lambda: video.status().error is not None, within_s=30)
    status = video.status()
    assert status.trouble == "its video is not kept: an MP4 file cannot hold this cinepak (0 packets dropped)"
    ended(video)
    assert list(tmp_path.iterdir()) == []


def test_key_frames_that_are_far_apart_are_reported() -> None:
    assert VideoStatus(gop_s=4.0).trouble is None
    trouble = VideoStatus(gop_s=20.0).trouble
    assert trouble is not None
    assert "key frames are 20 s apart" in trouble
