"""Catches actors of feeds, models and the committer that are not replaced when they die, and rows that come twice."""

import os
import signal
from pathlib import Path

import pytest

from tests.live.cameras import rtsp_server
from tests.live.follower import FollowerProcess, require_accounts, validate_rows


@pytest.mark.ray
def test_on_ray_whatever_dies_is_replaced_and_nothing_is_doubled(films: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with rtsp_server(films) as server:
        follower = FollowerProcess(lake, [server.url("gate"), server.url("street"), "--engine", "ray"])
        follower.wait(lambda s: s.sink.keyframes >= 4, most_s=180)
        for actor in ("_ModelActor", "_WriterActor", "_FeedActor"):
            before = follower.wait(lambda s: all(feed.state == "live" for feed in s.feeds), most_s=180)
            [pid, *_] = follower.descendants(f"ray::{actor}")
            os.kill(pid, signal.SIGKILL)
            follower.wait(lambda s, n=before.sink.keyframes: s.sink.keyframes >= n + 4, most_s=180)
        status = follower.end()
    require_accounts(status)
    ledger = validate_rows(lake)
    assert ledger["keyframes"] == status["sink"]["keyframes"]
    died = [feed for feed in status["feeds"] if "the feed's actor died" in feed["restarts"]]
    assert len(died) == 1
