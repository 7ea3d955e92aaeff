"""Feeds over HTTP. Catches a camera's password in an answer, a feed that leads to files or secrets of the server, and
changes that the file of feeds does not have."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from deploy.server.feeding.feed_access import FeedAccess
from pipeline.live.feeds.feed_list import FeedEntry, FeedList
from tests.deploy.server.conftest import World
from tests.deploy.server.serving import running

SECRET = "pa ss@wörd"
GATE: dict[str, Any] = {"name": "gate", "url": "rtsp://10.0.0.5/stream", "user": "viewer", "password": SECRET}


@pytest.fixture
def listed(tmp_path: Path) -> FeedList:
    return FeedList(tmp_path / "cameras.toml")


@pytest.fixture
def web(world: World, listed: FeedList, tmp_path: Path) -> Iterator[httpx.Client]:
    feeds = FeedAccess(listed.path, ["10.0.0.0/8", "*.example"])
    with (
        running(world.lake, clips=tmp_path / "clips", feeds=feeds) as url,
        httpx.Client(base_url=url, timeout=60) as web,
    ):
        yield web


def states(web: httpx.Client) -> dict[str, str]:
    return {each["name"]: each["state"] for each in web.get("/api/feeds").json()["feeds"]}


def test_a_feed_is_added_paused_resumed_and_removed_in_the_file(
    web: httpx.Client, listed: FeedList, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = [web.get("/api/feeds"), web.post("/api/feeds", json=GATE), web.post("/api/feeds", json=GATE)]
    assert [each.status_code for each in answers] == [200, 201, 409]
    (entry,) = listed.read().values()
    assert entry.url == "rtsp://viewer:pa%20ss%40w%C3%B6rd@10.0.0.5/stream"
    assert entry.address() == entry.url
    assert listed.path.stat().st_mode & 0o777 == 0o600
    assert states(web) == {"gate": "unknown"}  # nobody follows it
    for verb, paused in (("pause", True), ("resume", False)):
        answers.append(web.post(f"/api/feeds/gate/{verb}"))
        assert listed.read()["gate"].paused is paused
        assert (states(web)["gate"] == "paused") is paused
    answers += [web.get("/api/feeds"), web.get("/api/status"), web.get("/metrics"), web.delete("/api/feeds/gate")]
    assert listed.read() == {}
    assert [web.post("/api/feeds/gate/pause").status_code, web.delete("/api/feeds/gate").status_code] == [404, 404]
    logged = "".join(capfd.readouterr())
    for text in (*(each.text for each in answers), logged):
        assert "pa%20ss" not in text
        assert SECRET not in text
        assert "viewer" not in text
        assert str(listed.path.parent) not in text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"url": "rtsp://192.168.0.1/stream"}, 403),
        ({"url": "rtsp://camera.example.org/stream"}, 403),
        ({"url": "rtsp://10.0.0.5.evil.org/stream"}, 403),
        ({"url": "rtsp://evil.org/10.0.0.5"}, 403),
        ({"url": "rtsp://10.0.0.5@evil.org/stream"}, 422),
        ({"url": "rtsp://10.0.0.5?@evil.org/stream"}, 422),
        ({"url": "rtsp://10.0.0.5#@evil.org/stream"}, 422),
        ({"url": "rtsp://10.0.0.5\\@evil.org/stream"}, 422),
        ({"url": "rtsp://10.0.0.5/\n"}, 422),
        ({"url": "rtsp://10.0.0.5/${HOME}"}, 422),
        ({"url": "/etc/"}, 422),
        ({"url": "file:///etc/passwd.mp4"}, 422),
        ({"url": "http://10.0.0.5/clip.mp4"}, 422),
        ({"url": "rtsp://a:b@10.0.0.5/stream"}, 422),
        ({"url": "rtsp://[10.0.0.5/stream"}, 422),
        ({"name": "../gate"}, 422),
        ({"user": None}, 422),
        ({"password": 5}, 422),
        ({"password": SECRET * 1000}, 422),
        ({"credentials": "/etc/shadow"}, 422),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_may_not_be_followed_is_refused_without_its_password(
    change: dict[str, object], status: int, web: httpx.Client, listed: FeedList
) -> None:
    answer = web.post("/api/feeds", json=GATE | change)
    assert (answer.status_code, set(answer.json())) == (status, {"error"}), answer.text
    assert SECRET not in answer.text
    assert not listed.path.exists()


def test_a_folder_of_the_server_is_listed_without_its_path(web: httpx.Client, listed: FeedList, tmp_path: Path) -> None:
    listed.add("recordings", FeedEntry(f"{tmp_path}/recordings/"))
    listed.add("yard", FeedEntry("rtsp://user:secret@cam.example/1", paused=True))
    answer = web.get("/api/feeds")
    found = {each["name"]: each["address"] for each in answer.json()["feeds"]}
    assert found == {"recordings": None, "yard": "rtsp://cam.example/1"}
    assert str(tmp_path) not in answer.text
    listed.path.write_text("[feeds.gate]\nurl = 3")
    broken = web.get("/api/feeds").json()
    assert "gate" in broken["follower"]["error"]
    assert str(tmp_path) not in broken["follower"]["error"]


def test_a_service_without_a_file_of_feeds_says_how_to_have_one(world: World, tmp_path: Path) -> None:
    with running(world.lake, clips=tmp_path / "clips") as url, httpx.Client(base_url=url, timeout=60) as web:
        answer = web.get("/api/feeds").json()
        assert (answer["feeds"], answer["can_add"]) == ([], False)
        refused = web.post("/api/feeds", json=GATE)
        assert refused.status_code == 409
        assert "--feeds" in refused.json()["error"]
