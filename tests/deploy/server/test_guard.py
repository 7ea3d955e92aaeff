"""Who may ask. Catches another site that reads a lake through its user's browser, and a token that can be avoided."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2 as httpx
import pytest

from deploy.server.guard import Access, access_of, is_loopback, read_token
from deploy.server.run import listening
from tests.conftest import Run
from tests.deploy.server.conftest import World
from tests.deploy.server.serving import running

TOKEN = "correct horse battery staple".replace(" ", "-")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "10.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_another_site_may_not_ask(headers: dict[str, str], web: httpx.Client) -> None:
    for path in ("/api/status", "/metrics"):
        answer = web.get(path, headers=headers)
        assert answer.status_code == 403
        assert set(answer.json()) == {"error"}


def test_the_page_itself_may_ask(web: httpx.Client, url: str) -> None:
    headers = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    assert web.post("/api/search", json={"box": [0, 0, 1, 1]}, headers=headers).status_code == 200


def test_every_answer_forbids_what_the_page_does_not_need(web: httpx.Client) -> None:
    for path in ("/", "/api/status", "/api/nothing", "/nothing.js", "/api/frames/x.jpg"):
        headers = web.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers


@pytest.fixture(scope="module")
def locked(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    clips = tmp_path_factory.mktemp("locked")
    with running(world.lake, clips=clips, access=access_of("127.0.0.1", allowed=["Lake.Example"], token=TOKEN)) as url:
        yield url


def test_with_a_token_nothing_of_the_lake_is_answered_without_it(locked: str) -> None:
    with httpx.Client(base_url=locked, timeout=60) as web:
        for path in ("/api/status", "/metrics", "/api/openapi.json", "/api/frames/x.jpg", "/api/nothing"):
            for headers in (
                {},
                {"Authorization": "Bearer wrong"},
                {"Authorization": f"Basic {TOKEN}"},
                {"Cookie": "regionlake=x"},
            ):
                assert web.get(path, headers=headers).status_code == 401
            assert web.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code != 401
        assert web.get("/healthz").status_code == 200
        assert web.get("/").status_code == 200  # the page, which asks for the token


def test_a_login_gives_a_cookie_that_no_other_site_sends(locked: str) -> None:
    with httpx.Client(base_url=locked, timeout=60) as web:
        assert web.post("/api/login", json={"token": "wrong"}).status_code == 401
        given = web.post("/api/login", json={"token": TOKEN})
        assert given.status_code == 204
        cookie = given.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert web.get("/api/status").status_code == 200
        assert web.get("/api/status", headers={"Host": "lake.example"}).status_code == 200
        assert web.get("/api/status", headers={"Host": "other.example"}).status_code == 403


def test_a_service_that_others_reach_knows_its_name_and_addresses_alone() -> None:
    access = access_of("0.0.0.0", allowed=["lake.example"], token=TOKEN)
    known = ["localhost", "192.168.1.5:8420", "[fe80::1]:8420", "lake.example"]
    assert [access.knows(host) for host in known] == [True] * 4
    assert not access.knows("evil.example")
    assert not access.knows("")
    assert not Access().knows("192.168.1.5")


def test_loopback_is_what_this_machine_alone_reaches() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "::1", "localhost", "127.9.9.9")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org")))


@pytest.mark.parametrize("text", ["", "short", "sixteen or more but spaces", "ünïcode-ünïcode-ünïcode"])
def test_a_token_that_can_be_guessed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="16"):
        read_token(text)


def test_to_be_reached_by_others_it_needs_a_token(called: Run, tmp_path: Path) -> None:
    refused = called("serve", "--lake", tmp_path / "none", "--host", "0.0.0.0")
    assert refused.returncode == 2
    assert "--token-file" in refused.stderr


def test_answers_are_sent_at_once() -> None:
    with closing(listening("127.0.0.1", 0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # by which asyncio knows that it may switch Nagle's algorithm off
