"""Catches a disk that fills up at any moment and costs more than the fragment that is being written and what comes
until the next key frame, or damages what was written before."""

import random
import time
from pathlib import Path

from operators.readers.stream_packet import RunPackets
from pipeline.live.feeds.feed_video import FeedVideo, RecordingVideo
from pipeline.ring.config import RingConfig
from pipeline.ring.feed_ring import FeedRing
from pipeline.ring.report import ring_problems
from tests.clips import Clips
from tests.pipeline.ring.rings import FEED, RECORDING, kept_pts, repeated, run_of
from tests.pipeline.ring.test_writer import largest_file
from tests.waiting import wait_until

GOP = 25  # packets between two key frames, and at most in a fragment
TIMES = 20


def fill_disk(clip: Path, rings: Path, *, seed: int) -> int:
    """Keeps a stream on a disk that takes no more from some byte on, for a while; returns how many packets are lost."""
    chance = random.Random(seed)
    begins, packets = run_of(clip)
    sent = list(repeated(packets, 4))
    full_from = chance.randrange(GOP, 2 * len(packets))
    full_for = chance.randrange(1, len(packets))
    video = FeedVideo(FEED, RingConfig(str(rings), fragment_s=0.5))
    video.put(begins)
    video.put(RecordingVideo(RECORDING, 0))
    video.put(RunPackets(0, tuple(sent[:full_from])))
    until_written(video)
    with largest_file(chance.randrange(100, 200_000)):  # of a write within a fragment, as a rule
        video.put(RunPackets(0, tuple(sent[full_from : full_from + full_for])))
        until_written(video)
    video.put(RunPackets(0, tuple(sent[full_from + full_for :])))
    video.end()
    wait_until(lambda: video.ended, within_s=30)
    assert ring_problems(rings) == []
    times = kept_pts(part.path for part in FeedRing.of(rings, FEED).parts())
    assert len(set(times)) == len(times)
    lost = {packet.pts for packet in sent} - set(times)
    assert len(lost) == video.status().dropped
    near = {packet.pts for packet in sent[max(0, full_from - 2 * GOP) : full_from + full_for + GOP]}
    assert lost <= near, "packets are lost that were written before, or could have been written after"
    return len(lost)


def until_written(video: FeedVideo) -> None:
    """Waits until the thread has taken what was put."""
    while video.waiting:
        time.sleep(0.001)


def test_a_disk_that_is_full_for_a_while_costs_what_comes_meanwhile(clips: Clips, tmp_path: Path) -> None:
    lost = [fill_disk(clips("plain.mp4"), tmp_path / str(seed), seed=seed) for seed in range(TIMES)]
    assert sum(each > 0 for each in lost) >= TIMES // 3
