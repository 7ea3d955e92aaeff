"""Catches a feed whose thread has died and that is still shown as live, or never followed again."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.ingest.packets import FramePacket
from pipeline.live.feeds.feed import Feed
from pipeline.live.feeds.feed_status import THREAD_DIED
from pipeline.live.feeds.folder_feed import FolderFeed
from pipeline.live.live_config import LiveConfig
from pipeline.plan.plan import Plan
from pipeline.reading.sources import Failure
from pipeline.runtime.backoff import BackoffConfig
from pipeline.runtime.time_source import RealTime
from schemas.clock import Span
from schemas.sources import Source
from tests.clips import Clips
from tests.deadly_time import DeadlyTime, Panic
from tests.live.cameras import free_port, udp_camera
from tests.pipeline.live.feeds.test_feed import QUICK, accounts_close, drained, request
from tests.waiting import wait_until


def folder_feed(
    folder: Path,
    register: Callable[[Source], list[Span]],
    refuse: Callable[[Failure], None] = lambda _: None,
    *,
    time: RealTime | None = None,
    first_s: float = 0.05,
) -> FolderFeed:
    plan = Plan(live=LiveConfig(backoff=BackoffConfig(first_s=first_s, longest_s=first_s)))
    return FolderFeed("yard", folder, plan, register=register, refuse=refuse, settle_s=0.0, time=time or RealTime())


def polled(feed: FolderFeed) -> bool:
    """Whether the end of a segment came."""
    item = feed.poll()
    return isinstance(item, FramePacket) and item.head.end is not None


def test_a_link_to_itself_among_the_files_of_a_folder_is_named_and_the_others_are_ingested(
    clips: Clips, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").symlink_to(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(clips("plain.mp4").read_bytes())
    feed = folder_feed(tmp_path, lambda source: [source.span])
    wait_until(lambda: polled(feed))
    status = feed.status()
    assert status.state == "live"
    assert status.last_error == f"{tmp_path / 'a.mp4'} is a link to itself"
    assert status.restarts == {}
    feed.stop()
    wait_until(lambda: feed.ended)


def test_a_bad_file_while_the_lake_is_away_is_refused_later_and_the_others_are_ingested(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.live.feeds.folder_feed._TROUBLED", BackoffConfig(first_s=0.1, longest_s=0.1))
    (tmp_path / "a.mp4").write_text("no video")
    (tmp_path / "b.mp4").write_bytes(clips("plain.mp4").read_bytes())
    away = [RuntimeError("lance error")]
    refused: list[str] = []

    def refuse(failure: Failure) -> None:
        if away:
            raise away.pop()
        refused.append(failure.uri)

    feed = folder_feed(tmp_path, lambda source: [source.span], refuse)
    wait_until(lambda: polled(feed))
    wait_until(lambda: refused == [str(tmp_path / "a.mp4")])
    assert feed.status().state == "live"
    assert feed.status().restarts == {}
    feed.stop()
    wait_until(lambda: feed.ended)


def test_a_folders_thread_that_dies_is_shown_as_backing_off_and_the_file_that_killed_it_comes_last(
    clips: Clips, tmp_path: Path
) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(clips("plain.mp4").read_bytes())
    os.truncate(tmp_path / "a.mp4", clips("plain.mp4").stat().st_size - 1)

    def register(source: Source) -> list[Span]:
        if source.uri.endswith("a.mp4"):
            raise Panic("deadly")
        return [source.span]

    feed = folder_feed(tmp_path, register, first_s=2.0)
    wait_until(lambda: feed.status().state == "backing off")
    assert feed.status().last_error == f"{THREAD_DIED}: Panic: deadly"
    wait_until(lambda: feed.status().restarts == {THREAD_DIED: 1})  # counted by the thread that died, after its state
    wait_until(lambda: polled(feed))
    assert feed.status().state == "live"
    feed.stop()
    wait_until(lambda: feed.ended)


def test_a_feeds_thread_that_dies_is_never_shown_as_live_and_every_frame_is_accounted_for() -> None:
    port = free_port(socket.SOCK_DGRAM)
    deadly = DeadlyTime()
    with udp_camera(port):
        feed = Feed("gate", request(f"udp://127.0.0.1:{port}", QUICK), time=deadly, choose=lambda: 1.0)
        feed.start()
        wait_until(lambda: feed.status().received > 10)
        deadly.strike("feed gate")
        wait_until(lambda: "feed gate" in deadly.pausing)
        status = feed.status()
        assert (status.state, status.last_error) == ("backing off", f"{THREAD_DIED}: Panic: struck")
        assert status.restarts == {THREAD_DIED: 1}
        deadly.revive("feed gate")
        wait_until(lambda: feed.status().state == "live")
        items = drained(feed)
    assert sum(feed.status().lost.values()) > 0
    accounts_close(feed.status(), items)
