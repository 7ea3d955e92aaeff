"""TLS and proxies. Catches tokens that travel where others read them, and forwarded headers that anybody may write."""

import ssl
from pathlib import Path

import httpx2 as httpx
import pytest
from starlette.datastructures import Headers

from deploy.server.access.transport import Transport, networks_of
from deploy.server.access.users_file import UsersFile
from deploy.server.guard import Access
from tests.certificates import certificate
from tests.conftest import Run
from tests.deploy.server.conftest import World
from tests.deploy.server.serving import running


def test_with_a_certificate_it_is_https_and_its_cookie_too(
    world: World, users_path: Path, users: dict[str, str], tmp_path: Path
) -> None:
    made = certificate("127.0.0.1")
    pem, trusted = made.write(tmp_path / "both.pem"), made.write(tmp_path / "ca.pem", with_key=False)
    access = Access(users=UsersFile(users_path), transport=Transport(tls=True))
    with running(world.lake, clips=tmp_path, access=access, certificate=(pem, pem)) as url:
        assert url.startswith("https://")
        with httpx.Client(base_url=url, verify=ssl.create_default_context(cafile=trusted), timeout=60) as web:
            given = web.post("/api/login", json={"token": users["viewer"]}).headers["set-cookie"]
            assert given.startswith("__Host-regionlake=")
            assert "; Secure" in given
            assert web.get("/api/me").json()["name"] == "viewer"
        with pytest.raises(httpx.HTTPError), httpx.Client(timeout=60) as web:
            web.get(url.replace("https", "http") + "/healthz").raise_for_status()


def link(peer: str, **headers: str) -> tuple[dict[str, object], Headers]:
    return {"client": (peer, 1)}, Headers({name.replace("_", "-"): value for name, value in headers.items()})


PROXIED = Transport(proxies=networks_of(["10.0.0.2", "192.168.0.0/24"]))


@pytest.mark.parametrize(
    ("peer", "headers", "refused"),
    [
        ("10.0.0.2", {"x_forwarded_proto": "https"}, False),
        ("::ffff:10.0.0.2", {"x_forwarded_proto": "https"}, False),
        ("10.0.0.2", {"x_forwarded_proto": "http"}, True),
        ("10.0.0.2", {"x_forwarded_proto": "https, http"}, True),
        ("10.0.0.2", {}, True),
        ("10.0.0.3", {"x_forwarded_proto": "https"}, True),
        ("unknown", {"x_forwarded_proto": "https"}, True),
    ],
)
def test_only_named_proxies_may_ask_and_only_what_came_by_https(
    peer: str, headers: dict[str, str], refused: bool
) -> None:
    assert (PROXIED.refusal(*link(peer, **headers)) is not None) is refused


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.9", "1.2.3.4", "10.0.0.9"),  # not a proxy: it could claim anything
        ("10.0.0.2", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.2", "6.6.6.6, 1.2.3.4", "1.2.3.4"),  # the first was written by the client itself
        ("10.0.0.2", "1.2.3.4, 192.168.0.7", "1.2.3.4"),  # two proxies
        ("10.0.0.2", "1.2.3.4, nonsense", "10.0.0.2"),
        ("10.0.0.2", "", "10.0.0.2"),
    ],
)
def test_the_address_of_a_client_is_what_the_last_proxy_says(peer: str, forwarded: str, client: str) -> None:
    assert PROXIED.client(*link(peer, x_forwarded_for=forwarded)) == client


def test_behind_a_proxy_nobody_else_is_answered(
    world: World, users_path: Path, users: dict[str, str], tmp_path: Path
) -> None:
    token = {"Authorization": f"Bearer {users['viewer']}"}
    access = Access(users=UsersFile(users_path), transport=Transport(proxies=networks_of(["127.0.0.1"])))
    other = Access(users=UsersFile(users_path), transport=Transport(proxies=networks_of(["10.0.0.2"])))
    for each, statuses in ((access, [403, 200]), (other, [403, 403])):
        with running(world.lake, clips=tmp_path, access=each) as url, httpx.Client(base_url=url, timeout=60) as web:
            asked = [web.get("/api/me", headers=token | more) for more in ({}, {"X-Forwarded-Proto": "https"})]
            assert [answer.status_code for answer in asked] == statuses
            assert web.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "--users"),
        (["--behind-proxy", "127.0.0.1"], "--users"),
        (["--host", "0.0.0.0", "--users", "USERS"], "--plain-http"),
        (["--behind-proxy", "proxy.example", "--users", "USERS"], "10.0.0.2"),
        (["--tls-cert", "USERS"], "--tls-key"),
        (["--tls-cert", "USERS", "--tls-key", "USERS"], "cannot be used"),
        (["--users", "ABSENT"], "cannot be read"),
        (["--users", "EMPTY"], "regionlake users add"),
    ],
)
def test_what_lets_others_in_or_read_is_refused(
    options: list[str], says: str, called: Run, users_path: Path, tmp_path: Path
) -> None:
    empty = UsersFile(tmp_path / "empty.toml")
    empty.add("a", role="viewer", sources=None)
    empty.remove("a")
    names = {"USERS": str(users_path), "ABSENT": str(tmp_path / "absent.toml"), "EMPTY": str(empty.path)}
    refused = called("serve", "--lake", tmp_path / "none", *(names.get(each, each) for each in options))
    assert refused.returncode == 2
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_what_is_safe_or_said_to_be_is_accepted(called: Run, users_path: Path, tmp_path: Path) -> None:
    pem = certificate("127.0.0.1").write(tmp_path / "both.pem")
    for options in (
        ["--plain-http"],
        ["--tls-cert", pem, "--tls-key", pem],
        ["--behind-proxy", "10.0.0.0/8"],
    ):
        given = ["--lake", tmp_path / "none", "--port", "0", "--host", "0.0.0.0", "--users", users_path]
        ended = called("serve", *given, *options)
        assert "none" in ended.stderr  # there is no lake: nothing else was refused
        assert ended.returncode == 1
