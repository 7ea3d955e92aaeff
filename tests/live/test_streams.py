"""HLS and MPEG-TS over TCP. Catches streams that are not opened, or not opened again after their server was away, and
frames that come twice."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from schemas.sources import feed_name
from tests.live.bound import bound
from tests.live.cameras import free_port
from tests.live.follower import FollowerProcess, require_accounts, validate_rows
from tests.live.web_server import web_server

PICTURE = "-re -f lavfi -i testsrc2=size=320x240:rate=10".split()
X264 = "-c:v libx264 -preset ultrafast -tune zerolatency -g 10 -pix_fmt yuv420p".split()


@contextmanager
def sender(*target: str) -> Iterator[subprocess.Popen[bytes]]:
    tool = shutil.which("ffmpeg") or pytest.fail("ffmpeg is not installed; apt-get install ffmpeg")
    process = subprocess.Popen(bound([tool, "-v", "error", *PICTURE, *X264, *target]), stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_playlist_and_a_tcp_stream_are_followed_and_opened_anew_and_nothing_comes_twice(tmp_path: Path) -> None:
    lake, folder = tmp_path / "lake", tmp_path / "hls"
    folder.mkdir()
    web, tcp = free_port(), free_port()
    playlist, listening = f"http://127.0.0.1:{web}/live.m3u8", f"tcp://127.0.0.1:{tcp}"
    hls = "-f hls -hls_time 3 -hls_list_size 6 -hls_flags delete_segments".split()
    serving = ("-f", "mpegts", f"{listening}?listen=1")
    with sender(*hls, str(folder / "live.m3u8")):
        with web_server(folder, web), sender(*serving):
            follower = FollowerProcess(lake, [playlist, listening, "--set", "live.backoff.longest_s=2"])
            follower.wait(lambda s: len(s.findable.keyframes) == 2 and min(s.findable.keyframes.values()) >= 2)
            for decoder in follower.descendants(
                "feed_child"
            ):  # the playlist repeats its newest segment, and ffmpeg has ended
                os.kill(decoder, signal.SIGKILL)
            follower.wait(lambda s: any(feed.restarts and feed.state == "live" for feed in s.feeds))
        follower.wait(lambda s: all(feed.state != "live" for feed in s.feeds))
        received = {feed.name: feed.received for feed in follower.wait(lambda _: True).feeds}
        with web_server(folder, web), sender(*serving):
            follower.wait(lambda s: all(feed.received >= received[feed.name] + 30 for feed in s.feeds))
            reported = follower.end()
            require_accounts(reported)
    validate_rows(lake)
    rows = Lake.open(str(lake)).read("sources").to_pylist()
    for name in (playlist, listening):
        recordings = sorted((row["start"], row["stop"]) for row in rows if feed_name(row["source"]) == name)
        assert len(recordings) >= 2
        if name == playlist:  # its PTS continued
            assert all(before[1] <= after[0] for before, after in pairwise(recordings)), recordings
