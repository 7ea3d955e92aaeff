"""One command as a whole installation: `serve --feeds` follows a camera, its picture is on the page, a watch fires on
it, and it is paused by hand. Catches a follower that does not run or outlives the service, and tiles that lie."""

import os
from pathlib import Path

import pytest

from pipeline.live.feeds.feed_list import FeedEntry, FeedList
from pipeline.live.status.state_folder import StateFolder
from tests.clips import ffmpeg
from tests.deploy.server.page.browsing import PHONE, findings
from tests.deploy.server.page.conftest import VisitPage
from tests.deploy.server.serving import served
from tests.integration.clips import make_clip
from tests.waiting import wait_until

SETTINGS = ["proposals.use=['grid']", "regions.mode=pool", "read.background.ahead_s=0.5", "live.stalled_s=3600.0"]


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """A file that grows like a recorder's: `more` appends some seconds."""
    return tmp_path / "gate.ts"


def more(camera: Path, folder: Path, *, seed: int) -> None:
    clip = make_clip(folder / f"{seed}.mp4", seed=seed, seconds=4)
    ffmpeg("-i", str(clip), *f"-c copy -output_ts_offset {seed * 4} -f mpegts".split(), str(folder / f"{seed}.ts"))
    with camera.open("ab") as file:
        file.write((folder / f"{seed}.ts").read_bytes())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_command_follows_shows_and_watches(visit: VisitPage, camera: Path, tmp_path: Path) -> None:
    lake, feeds = tmp_path / "lake", FeedList(tmp_path / "cameras.toml")
    more(camera, tmp_path, seed=1)
    feeds.add("gate", FeedEntry(str(camera)))
    feeds.add("yard", FeedEntry("rtsp://user:secret@127.0.0.1:9/stream", paused=True))
    settings = [part for each in SETTINGS for part in ("--set", each)]
    with served(lake, "--feeds", str(feeds.path), *settings) as url:
        seen = visit("live", url=url)
        tile = seen.page.locator("[data-feed=gate]")
        tile.locator("img[src]").wait_for(timeout=120_000)
        seen.page.get_by_text("1 live · 1 paused").wait_for()
        yard = seen.page.locator("[data-feed=yard]")
        assert "paused by hand" in yard.inner_text()
        assert findings(seen) == []
        corner = {"title": "corner", "query": {"box": [0.0, 0.0, 0.6, 0.8]}, "max_distance": 0.95}
        assert seen.page.request.post(f"{url}/api/watches", data=corner).status == 201
        more(camera, tmp_path, seed=2)
        seen.open("watches?watch=corner")
        seen.page.locator(".alarms .shot-card").first.wait_for(timeout=60_000)
        assert seen.page.locator(".alarms .source").first.inner_text() == "gate"
        seen.open("live")
        tile.get_by_role("button", name="Pause: gate").focus()
        seen.page.keyboard.press("Enter")
        tile.get_by_text("paused by hand").wait_for()
        assert feeds.read()["gate"].paused
        phone = visit("live", url=url, size=PHONE, dark=True, touch=True)
        phone.page.locator("[data-feed=gate] img[src]").wait_for()
        assert findings(phone) == []
        phone.page.get_by_role("button", name="Add a feed").click()
        phone.page.get_by_role("textbox", name="Name").fill("dock")
        phone.page.get_by_role("textbox", name="Address").fill("/etc/")
        phone.page.get_by_role("button", name="Add", exact=True).click()
        phone.page.get_by_text("give the address of a stream").wait_for()
        assert findings(phone) == []
        assert "secret" not in seen.page.request.get(f"{url}/api/feeds").text()
        status = StateFolder.of(str(lake)).read_status()
        assert alive(status.pid)
    wait_until(lambda: not alive(status.pid))


def test_without_feeds_it_says_how_to_follow_some(visit: VisitPage) -> None:
    seen = visit()
    seen.page.get_by_role("link", name="Live").click()
    seen.page.get_by_role("heading", name="No feeds").wait_for()
    assert "--feeds" in seen.page.locator(".live-room code").inner_text()
    seen.page.keyboard.press("g")
    seen.page.keyboard.press("s")
    seen.page.locator(".starts button").first.wait_for()
