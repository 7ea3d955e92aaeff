"""A file that grows as a feed: catches frames that are shed or lost although they could wait, emitted twice, or mixed
with those of another file at its path."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.ingest.packets import FramePacket
from pipeline.live.account.losses import RecordingEnded
from pipeline.live.feeds.feed import Feed
from pipeline.live.feeds.feed_buffer import FeedItem
from pipeline.live.feeds.feed_child import FollowRequest
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.live.live_config import LiveConfig
from pipeline.reading.keyframe_stream import ReadConfig
from tests.clips import ffmpeg

LIVE = LiveConfig(stalled_s=2.0, buffer_keyframes=1)


def clip(path: Path, *, picture: str = "testsrc2", seconds: int = 8) -> Path:
    source = f"{picture}=size=160x120:rate=10:duration={seconds}"
    ffmpeg("-f", "lavfi", "-i", source, *"-c:v libx264 -g 10 -bf 2 -pix_fmt yuv420p".split(), str(path))
    return path


class Drain:
    """A feed, and what it gave so far."""

    def __init__(self, path: Path) -> None:
        self.feed = Feed("gate", FollowRequest(str(path), "gate", "plan", ReadConfig(), LIVE))
        self.items: list[FeedItem] = []
        self.feed.start()

    def until(self, true: Callable[[FeedStatus], bool], *, most_s: float = 60.0, pause_s: float = 0.0) -> FeedStatus:
        until = time.monotonic() + most_s
        while not (true(self.feed.status()) and not self.feed.ready):
            assert time.monotonic() < until, self.feed.status()
            time.sleep(0.01 + pause_s)
            item = self.feed.poll()
            if item is not None:
                self.items.append(item)
        return self.feed.status()

    def end(self) -> None:
        self.feed.stop()
        self.until(lambda _: self.feed.ended)

    @property
    def recordings(self) -> list[tuple[str, str]]:
        """Of those that ended: id, and why."""
        return [(item.source.id, item.reason) for item in self.items if isinstance(item, RecordingEnded)]

    @property
    def pts(self) -> list[int]:
        """PTS of the keyframes."""
        return [keyframe.pts for item in self.items if isinstance(item, FramePacket) for keyframe in item.keyframes]


def stalled(status: FeedStatus) -> bool:
    return status.state == "stalled"


def test_models_that_are_slow_slow_the_reading_and_nothing_is_shed(tmp_path: Path) -> None:
    drain = Drain(clip(tmp_path / "clip.ts"))
    status = drain.until(stalled, pause_s=0.3)
    drain.end()
    assert (status.received, status.shed, status.lost, status.pending) == (80, 0, {}, 0)
    assert len(drain.pts) == len(set(drain.pts)) == status.kept > 5
    assert status.restarts == {}
    assert status.last_error == "nothing was added to the file for 2 s"


def test_a_decoder_that_dies_costs_nothing(tmp_path: Path) -> None:
    drain = Drain(clip(tmp_path / "clip.ts"))
    drain.until(lambda s: s.kept >= 3, pause_s=0.3)
    assert drain.feed.pid is not None
    os.kill(drain.feed.pid, signal.SIGKILL)
    status = drain.until(stalled)
    drain.end()
    assert status.restarts == {"the decoder died (SIGKILL)": 1}
    assert (status.received, status.lost) == (80, {})
    assert len(drain.pts) == len(set(drain.pts)) == status.kept


@pytest.mark.parametrize("how", ["in its place", "by another"])
def test_another_file_at_the_path_is_another_recording(tmp_path: Path, how: str) -> None:
    path = clip(tmp_path / "clip.ts")
    second = clip(tmp_path / "second.ts", picture="testsrc", seconds=4)
    drain = Drain(path)
    drain.until(stalled)
    if how == "by another":
        second.replace(path)
    else:
        path.write_bytes(second.read_bytes())  # the same inode, shorter
    drain.until(lambda s: stalled(s) and s.received == 120)
    if how == "in its place":
        with path.open("ab") as file:  # it grows again: nothing of it is new, and nothing comes twice
            file.write(b"\0" * 1000)
        drain.until(lambda s: s.state != "stalled")
        drain.until(stalled)
    drain.end()
    assert drain.feed.status().received == 120
    assert len(set(drain.recordings)) == 2
