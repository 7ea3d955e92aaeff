"""Catches a kill of a follower that costs more than the fragment that it was writing, or damages a file."""

import time
from multiprocessing.connection import Connection
from pathlib import Path

from operators.readers.stream_packet import RunPackets
from pipeline.live.feeds.feed_video import FeedVideo, RecordingVideo
from pipeline.ring.config import RingConfig
from pipeline.ring.feed_ring import FeedRing
from pipeline.ring.report import ring_problems
from schemas.errors import SourceError
from tests.clips import Clips
from tests.killing import Victims
from tests.pipeline.ring.rings import FEED, kept_pts, repeated, run_of, shown

FRAGMENT_S = 0.2
PENDING = 11  # packets in the longest fragment, of 0.4 s at 25 frames a second, and the one that completes it


def follow(clip: Path, rings: Path, begun: Connection) -> None:
    """Keeps packets as a follower does, some three hundred a second, and sends the number of each that was taken.

    What waits for a slow disk is lost too; how many these are depends on the machine, so here none waits.
    """
    begins, packets = run_of(clip)
    video = FeedVideo(FEED, RingConfig(str(rings), fragment_s=FRAGMENT_S, file_s=2.0))
    video.put(begins)
    video.put(RecordingVideo("0" * 32, 0))
    for number, packet in enumerate(repeated(packets, 100)):
        video.put(RunPackets(0, (packet,)))
        while video.waiting:
            time.sleep(0.0005)
        begun.send(number)
        time.sleep(0.002)


def kill_follower(clip: Path, rings: Path, *, seed: int, kills: int) -> int:
    """Kills followers of one ring at random moments; asserts after each that at most a fragment is missing. Returns how
    many were killed while they were running."""
    victims = Victims("tests.pipeline.ring.test_kill", seed=seed, within_s=1.0)
    _, packets = run_of(clip)
    sent = list(repeated(packets, 100))
    earlier: set[Path] = set()
    for _ in range(kills):
        last = victims.kill_one(follow, clip, rings)
        assert isinstance(last, int)
        assert ring_problems(rings) == []
        made = [path for path in files(rings) if path not in earlier]
        kept = [pts for path in made for pts in times(path)]
        assert set(kept) == {packet.pts for packet in sent[: len(kept)]}, "packets are missing within the run"
        assert last + 1 - len(kept) <= PENDING, f"{last + 1 - len(kept)} packets are lost"
        for path in made:
            assert len(shown(path)) == len(times(path))
        earlier |= set(made)
    ring = FeedRing.of(rings, FEED)
    assert {part.run for part in ring.parts() if part.path in earlier} <= {each.run for each in ring.recordings.read()}
    return victims.killed


def files(rings: Path) -> list[Path]:
    """The files that hold a fragment: a kill may leave one that holds none."""
    found = [part.path for part in FeedRing.of(rings, FEED).parts()]
    return [path for path in found if times(path)]


def times(path: Path) -> list[int]:
    """PTS in the file, as it counts them but for its shift; none where a kill came before its first fragment."""
    try:
        return kept_pts([path])
    except SourceError:
        return []


def test_a_kill_costs_one_fragment_at_most(clips: Clips, tmp_path: Path) -> None:
    assert kill_follower(clips("plain.mp4"), tmp_path / "rings", seed=1, kills=5) == 5
