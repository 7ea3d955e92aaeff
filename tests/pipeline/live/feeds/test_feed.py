"""Catches a supervisor that misses a decoder which hangs or died, does not reconnect, or loses count of frames."""

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from operators.readers.live_stream import StreamConfig
from pipeline.ingest.packets import FramePacket
from pipeline.live.account.losses import Lost, RecordingEnded
from pipeline.live.feeds.feed import Feed
from pipeline.live.feeds.feed_buffer import FeedItem
from pipeline.live.feeds.feed_child import FollowRequest
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.live.live_config import LiveConfig
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.runtime.backoff import BackoffConfig
from schemas.sources import SegmentReport
from tests.live.cameras import free_port, udp_camera

QUICK = LiveConfig(
    stream=StreamConfig(open_timeout_s=5.0, read_timeout_s=60.0),  # what hangs is noticed from outside
    backoff=BackoffConfig(first_s=0.1, longest_s=0.5),
    stalled_s=3.0,
)


def request(url: str, live: LiveConfig = QUICK) -> FollowRequest:
    return FollowRequest(url, "gate", "plan", ReadConfig(), live)


def wait_until(feed: Feed, true: Callable[[FeedStatus], bool], *, most_s: float = 60.0) -> None:
    until = time.monotonic() + most_s
    while not true(feed.status()):
        assert time.monotonic() < until, feed.status()
        time.sleep(0.05)


def drained(feed: Feed) -> list[FeedItem]:
    items = []
    feed.stop()
    while not feed.ended:
        feed.wait(0.1)
        item = feed.poll()
        if item is not None:
            items.append(item)
    return items


def accounts_close(status: FeedStatus, items: list[FeedItem]) -> None:
    """By the counts, and by what came out."""
    lost = sum(status.lost.values())
    assert status.received == status.kept + status.not_selected + status.shed + lost
    reports = [p.head.end for p in items if isinstance(p, FramePacket) and isinstance(p.head.end, SegmentReport)]
    assert status.kept == sum(len(p.keyframes) for p in items if isinstance(p, FramePacket))
    assert status.received == sum(r.frames_decoded for r in reports) + lost
    assert lost >= sum(i.frames for i in items if isinstance(i, Lost))
    begun = {p.head.segment.source.id for p in items if isinstance(p, FramePacket)}
    assert begun <= {i.source.id for i in items if isinstance(i, RecordingEnded)}


def test_a_decoder_that_dies_or_hangs_is_replaced_and_every_frame_is_accounted_for() -> None:
    port = free_port(socket.SOCK_DGRAM)
    live = replace(QUICK, buffer_keyframes=1000, stale_s=1000.0)
    with udp_camera(port):
        feed = Feed("gate", request(f"udp://127.0.0.1:{port}", live))
        feed.start()
        wait_until(feed, lambda s: s.state == "live" and s.received > 60)
        assert feed.pid is not None
        os.kill(feed.pid, signal.SIGKILL)
        wait_until(feed, lambda s: sum(s.restarts.values()) == 1)
        before = feed.status().received
        wait_until(feed, lambda s: s.state == "live" and s.received > before + 20)
        assert sum(each.frames for each in feed.received()) == pytest.approx(feed.status().received, abs=30)
        assert len(feed.received()) == 2
        assert feed.pid is not None
        os.kill(feed.pid, signal.SIGSTOP)
        wait_until(feed, lambda s: sum(s.restarts.values()) == 2)
        wait_until(feed, lambda s: s.state == "live")
        told = {each.source.id: each.frames for each in feed.received()[:2]}  # those that ended
        items = drained(feed)
    assert feed.received() == ()
    for name, frames in told.items():
        decoded = sum(
            i.head.frames_decoded for i in items if isinstance(i, FramePacket) and i.head.segment.source.id == name
        )
        assert frames == decoded + sum(i.frames for i in items if isinstance(i, Lost) and i.segment.source.id == name)
    status = feed.status()
    assert set(status.restarts) == {
        "the decoder died (SIGKILL)",
        "no frame for 3 s: the decoder was killed",
    }
    assert sum(status.lost.values()) > 0
    accounts_close(status, items)


def test_a_feed_that_is_paused_lets_go_and_comes_back_when_resumed() -> None:
    port = free_port(socket.SOCK_DGRAM)
    with udp_camera(port):
        feed = Feed("gate", request(f"udp://127.0.0.1:{port}"))
        feed.start()
        wait_until(feed, lambda s: s.state == "live" and s.received > 10)
        feed.pause()
        wait_until(feed, lambda s: s.state == "paused")
        assert feed.pid is None
        feed.resume()
        wait_until(feed, lambda s: s.state == "live")
        items = drained(feed)
    assert feed.status().lost == {}
    accounts_close(feed.status(), items)


def test_what_is_no_stream_is_tried_for_ever_and_its_reason_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    feed = Feed("gate", request(f"rtsp://admin:s3cret@127.0.0.1:{port}/x"))
    feed.start()
    wait_until(feed, lambda s: sum(s.restarts.values()) >= 2)
    status = feed.status()
    assert drained(feed) == []
    assert status.last_error == "cannot be opened: Connection refused"
    assert status.received == 0
