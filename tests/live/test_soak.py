"""Catches many feeds at once that lose frames without counting them: a short run of tests/live/soak.py."""

from pathlib import Path

from tests.live.follower import SMALL_PLAN
from tests.live.soak import soak


def test_every_frame_of_every_feed_is_counted(data_dir: Path) -> None:
    seen, ledger = soak(data_dir, feeds=3, minutes=0.3, settings=SMALL_PLAN, video=True)
    for feed in seen.last.feeds:
        assert feed.received > 0
        assert feed.received == (
            feed.kept + feed.not_selected + feed.shed + feed.pending + feed.waiting + sum(feed.lost.values())
        )
    assert ledger["lost"] == 0
    assert ledger["frames_decoded"] >= sum(feed.received for feed in seen.last.feeds)
    lines = list(seen.report(ledger))
    assert any(line.startswith("from frame to findable: mean") for line in lines), lines
    assert any(line.startswith("lake: at most") for line in lines), lines
    assert any(line.startswith("video: 3 rings") and " 0 packets dropped; no trouble" in line for line in lines), lines
    threads, files, processes = (seen.held()[name] for name in ("threads", "open files", "processes"))
    assert min(*threads, *files) > 3 * 3, "of three decoders"
    assert max(processes) < 3 * 4, "a feed needs a decoder, and no process is left behind"
