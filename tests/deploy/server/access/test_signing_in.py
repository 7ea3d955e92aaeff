"""Tokens and sessions. Catches a session that somebody else chose, that outlives its user, its token or its sign-out, a
request that another site makes with it, and a token that can be read or guessed."""

import hashlib
import hmac
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest
from starlette.datastructures import Headers

from deploy.server.access import people as people_module
from deploy.server.access.people import People
from deploy.server.access.sessions import LIFETIME_S, Sessions
from deploy.server.access.users_file import UsersFile, hash_of
from deploy.server.guard import Access
from schemas.errors import PlanError
from tests.conftest import Run
from tests.deploy.server.conftest import World
from tests.deploy.server.serving import running


@contextmanager
def signed_in(url: str, token: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as web:
        assert web.post("/api/login", json={"token": token}).status_code == 204
        yield web


def test_a_session_is_new_each_time_and_ends_when_one_signs_out(guarded: str, users: dict[str, str]) -> None:
    with signed_in(guarded, users["viewer"]) as web:
        first = web.cookies["regionlake"]
        assert web.get("/api/me").json()["name"] == "viewer"
        again = web.post("/api/login", json={"token": users["guest"]})
        assert again.headers["clear-site-data"] == '"cache"'  # of pictures that the viewer was shown
        second = web.cookies["regionlake"]
        assert first != second
        assert web.get("/api/me").json() == {
            "name": "guest", "role": "viewer", "signed_in": True, "rights": ["see", "sql"], "sources": ["bikes.mp4"],
        }  # fmt: skip
        assert web.get("/api/me", headers={"Cookie": f"regionlake={first}"}).status_code == 401
        ended = web.post("/api/logout")
        assert (ended.status_code, ended.headers["clear-site-data"]) == (204, '"cache"')
        assert web.get("/api/me", headers={"Cookie": f"regionlake={second}"}).status_code == 401
        assert web.get("/api/me").status_code == 401


def test_a_session_that_somebody_else_planted_is_never_used(guarded: str, users: dict[str, str]) -> None:
    planted = "chosen-by-somebody-else"
    with httpx.Client(base_url=guarded, timeout=60, cookies={"regionlake": planted}) as web:
        given = web.post("/api/login", json={"token": users["viewer"]}).headers["set-cookie"]
    assert planted not in given
    with httpx.Client(base_url=guarded, timeout=60, cookies={"regionlake": planted}) as web:
        assert web.get("/api/me").status_code == 401


def test_another_site_cannot_use_a_session(guarded: str, users: dict[str, str]) -> None:
    foreign = ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"})
    with signed_in(guarded, users["admin"]) as web:
        for headers in foreign:
            for method, path in (
                ("POST", "/api/pins"),
                ("DELETE", "/api/feeds/gate"),
                ("POST", "/api/logout"),
                ("GET", "/api/me"),
            ):
                assert web.request(method, path, headers=headers).status_code == 403
            assert web.post("/api/login", json={"token": users["viewer"]}, headers=headers).status_code == 403
        assert web.get("/api/me").json()["name"] == "admin"  # neither signed out nor somebody else


def test_a_token_that_is_renewed_or_removed_ends_its_sessions(world: World, tmp_path: Path) -> None:
    listed = UsersFile(tmp_path / "users.toml")
    old, other = (listed.add(name, role="viewer", sources=None) for name in ("anna", "ben"))
    with running(world.lake, clips=tmp_path, access=Access(users=UsersFile(listed.path))) as url:
        with signed_in(url, old) as web, signed_in(url, other) as ben:
            new = listed.renew("anna")
            assert web.get("/api/me").status_code == 401
            assert ben.get("/api/me").status_code == 200
            assert web.get("/api/me", headers={"Authorization": f"Bearer {old}"}).status_code == 401
            assert web.get("/api/me", headers={"Authorization": f"Bearer {new}"}).status_code == 200
            listed.remove("ben")
            assert ben.get("/api/me").status_code == 401
        listed.path.write_text("no TOML [")
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {new}"}) as web:
            answer = web.get("/api/me")
            assert answer.status_code == 503  # rather than those of a former file, one of whom was to be removed
            assert str(tmp_path) not in answer.text
            assert web.post("/api/login", json={"token": new}).status_code == 503


def test_sessions_outlive_a_restart_and_end_by_themselves(tmp_path: Path) -> None:
    now_s = 0.0
    file = tmp_path / "sessions.json"
    ended, cookie = (Sessions(file, clock=lambda: now_s).begin(name, token_sha256="x") for name in ("anna", "ben"))
    assert Sessions(file, clock=lambda: now_s).end(ended) is not None
    now_s = LIFETIME_S - 1
    sessions = Sessions(file, clock=lambda: now_s)
    found = sessions.find(cookie)
    assert found is not None
    assert found.name == "ben"
    assert sessions.find(ended) is None
    now_s = LIFETIME_S
    assert sessions.find(cookie) is None
    assert cookie not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("{")
    assert Sessions(file).find(cookie) is None


def test_tokens_are_compared_in_equal_time(
    monkeypatch: pytest.MonkeyPatch, users_path: Path, users: dict[str, str]
) -> None:
    compared: list[tuple[str, str]] = []

    def compare(a: str, b: str) -> bool:
        compared.append((a, b))
        return hmac.compare_digest(a, b)

    class Spied:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(people_module, "hmac", Spied)
    people = People(users=UsersFile(users_path), cookie="regionlake")
    everybody = len(users)
    for token in (users["admin"], users["nobody"], "rl_wrong"):
        compared.clear()
        people.of_request(Headers({"Authorization": f"Bearer {token}"}))
        assert len(compared) == everybody  # whoever it is, and of hashes, which nobody chooses
        assert {a for a, _ in compared} == {hash_of(token)}


def test_the_file_has_no_token_and_is_for_its_user_alone(users_path: Path, users: dict[str, str]) -> None:
    content = users_path.read_text()
    assert stat.S_IMODE(users_path.stat().st_mode) == 0o600
    for token in users.values():
        assert token not in content
        assert hashlib.sha256(token.encode()).hexdigest() in content
        assert len(token) >= 43  # 256 bits


def test_a_file_that_others_may_write_is_not_believed(tmp_path: Path) -> None:
    listed = UsersFile(tmp_path / "users.toml")
    listed.add("anna", role="viewer", sources=None)
    listed.path.chmod(0o620)
    with pytest.raises(PlanError, match="chmod 600"):
        UsersFile(listed.path).read()


def test_the_command_manages_the_file(called: Run, tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    added = called(
        "users", "add", "anna", "--users", file, "--role", "operator", "--source", "gate", "--source", "may/**"
    )
    token = added.stdout.strip()
    assert UsersFile(file).read()["anna"].token_sha256 == hash_of(token)
    shown = called("users", "list", "--users", file).stdout
    assert "gate, may/**" in shown
    assert token not in shown + called("users", "list", "--users", file, "--json").stdout
    renewed = called("users", "token", "anna", "--users", file).stdout.strip()
    assert renewed != token
    assert UsersFile(file).read()["anna"].token_sha256 == hash_of(renewed)
    assert UsersFile(file).read()["anna"].sources == ("gate", "may/**")
    for wrong in (
        ("add", "anna"),
        ("add", "b c"),
        ("add", "token"),
        ("add", "ben", "--role", "king"),
        ("add", "ben", "--role", "admin", "--source", "gate"),
        ("remove", "ben"),
        ("token", "ben"),
    ):
        refused = called("users", *wrong, "--users", file)
        assert refused.returncode == 2
        assert refused.stderr.count("\n") < 8
        assert "Traceback" not in refused.stderr
    assert called("users", "remove", "anna", "--users", file).returncode == 0
    assert UsersFile(file).read() == {}


def test_the_name_of_the_one_token_is_refused_with_the_reason(tmp_path: Path) -> None:
    listed = UsersFile(tmp_path / "users.toml")
    with pytest.raises(PlanError, match="--token-file"):
        listed.add("token", role="viewer", sources=None)
    assert not listed.path.exists()


def test_the_one_token_is_an_admin_beside_the_users(users_path: Path, users: dict[str, str]) -> None:
    people = People(token="t" * 32, users=UsersFile(users_path), cookie="regionlake")
    known = {token: people.of_token(token) for token in ("t" * 32, users["guest"], "wrong")}
    assert [each and (each.name, each.role) for each in known.values()] == [
        ("token", "admin"),
        ("guest", "viewer"),
        None,
    ]
