"""The command on real streams. Catches frames that are not found within seconds, or are lost at the end."""

import shutil
import signal
import time
from pathlib import Path

from operators.encoders.catalogue import load_encoder
from pipeline.lake.lake import Lake
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.live.status.follow_status import FollowStatus
from pipeline.search.searcher import Searcher
from schemas.query import Query
from schemas.sources import feed_name
from tests.live.cameras import rtsp_server
from tests.live.follower import FollowerProcess, require_accounts, validate_rows


def streams(status: FollowStatus) -> list[FeedStatus]:
    return [feed for feed in status.feeds if feed.uri.startswith("rtsp")]


def test_a_feed_is_found_while_it_goes_on_and_after_its_server_was_away(films: Path, tmp_path: Path) -> None:
    lake, dropped = tmp_path / "lake", tmp_path / "dropped"
    dropped.mkdir()
    with rtsp_server(films) as server:
        follower = FollowerProcess(lake, [server.url("gate"), server.url("street"), str(dropped)])
        shutil.copy(films / "street.mp4", dropped / "half.part")
        follower.wait(lambda s: s.sink.keyframes >= 4)
        began = time.time()
        follower.wait(lambda s: s.sink.keyframes >= 12)
        searcher = Searcher(Lake.open(str(lake)), load_encoder("everyday"))
        hits = searcher.search(Query(text="a person", k=50)).hits
        newest = max(hit.time.timestamp() for hit in hits if hit.time is not None)
        assert abs(time.time() - newest) < 20
        assert newest > began - 20
        assert {feed_name(hit.source) for hit in hits} == {server.url("gate"), server.url("street")}

        server.kill()
        follower.wait(lambda s: all(feed.state != "live" for feed in streams(s)))
        server.start()
        film_dropped = dropped / "new.mp4"
        (dropped / "half.part").rename(film_dropped)
        follower.wait(lambda s: all(feed.state == "live" for feed in s.feeds))
        server.send(signal.SIGSTOP)  # connections stay open, but no frames arrive
        follower.wait(lambda s: all(any("no frame" in why for why in feed.restarts) for feed in streams(s)))
        server.send(signal.SIGCONT)
        follower.wait(lambda s: all(feed.state == "live" for feed in s.feeds))
        status = follower.end()
    require_accounts(status)
    ledger = validate_rows(lake)
    feeds = [feed for feed in status["feeds"] if feed["uri"].startswith("rtsp")]
    assert all(sum(feed["restarts"].values()) >= 2 for feed in feeds)
    # a feed that breaks off loses nothing: its decoder emits its last frames
    lost = sum(sum(feed["lost"].values()) for feed in feeds)
    assert ledger["lost"] <= lost
    assert ledger["frames_decoded"] + lost >= sum(feed["received"] for feed in feeds)
