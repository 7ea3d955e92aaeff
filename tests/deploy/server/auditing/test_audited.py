"""What the service records. Catches an action that leaves no entry, an entry about the wrong user, and a password or
token that is in the log."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from starlette.types import Message

from deploy.server.access.people import Person
from deploy.server.access.users_file import UsersFile
from deploy.server.auditing.audit_log import AuditLog, audit_folder, read_audit
from deploy.server.auditing.recorder import Recorder
from deploy.server.guard import Access
from schemas.errors import LakeError
from tests.conftest import Run
from tests.deploy.server.conftest import World
from tests.deploy.server.serving import running
from tests.deploy.server.with_users import As

SECRET = "pa ss@w-rd"
BOX = [0.0, 0.0, 1.0, 1.0]


def entries(lake: Path) -> list[dict[str, Any]]:
    return [dict(each) for each in read_audit(audit_folder(str(lake)))]


def test_every_action_has_an_entry_with_its_user_and_what_it_was_about(as_user: As, own_lake: Path) -> None:
    before = len(entries(own_lake))
    viewer, operator, admin = (as_user(name) for name in ("viewer", "operator", "admin"))
    hit = viewer.post("/api/search", json={"text": "a bicycle", "box": BOX, "k": 1}).json()["hits"][0]
    frame = viewer.post("/api/search", json={"box": BOX, "source": "bikes.mp4", "k": 1}).json()["hits"][0]["frame_id"]
    viewer.get(f"/api/clips/{frame}.mp4")
    viewer.get(f"/api/clips/{frame}.mp4", headers={"Range": "bytes=100-"})  # the same clip, further on
    viewer.post("/api/exports", json={"format": "csv", "moments": 1, "query": {"text": "a bicycle"}})
    pin = operator.post("/api/pins", json={"frame": hit["frame_id"], "days": 2}).json()["id"]
    operator.delete(f"/api/pins/{pin}")
    admin.post(
        "/api/feeds", json={"name": "door", "url": "rtsp://10.0.0.5/door?x=1", "user": "u5er", "password": SECRET}
    )
    admin.delete("/api/feeds/door")
    viewer.delete("/api/feeds/gate")
    new = entries(own_lake)[before:]
    assert [(each["who"], each["action"], each["status"]) for each in new] == [
        ("viewer", "search", 200),
        ("viewer", "search", 200),
        ("viewer", "clip", 200),
        ("viewer", "export", 204),
        ("operator", "pin", 201),
        ("operator", "unpin", 204),
        ("admin", "add feed", 201),
        ("admin", "remove feed", 204),
        ("viewer", "remove feed", 403),
    ]
    assert new[0]["what"] == {"text": "a bicycle", "box": BOX, "k": 1}
    assert new[2]["what"]["frame_id"] == frame
    assert new[3]["what"] == {"format": "csv", "moments": 1, "query": {"text": "a bicycle"}}
    assert new[4]["what"] == {"frame": hit["frame_id"], "days": 2}
    assert new[6]["what"]["name"] == new[7]["what"]["name"] == "door"
    assert new[6]["what"]["address"].startswith("rtsp://10.0.0.5/door")
    assert {each["from"] for each in new} == {"127.0.0.1"}


@pytest.mark.parametrize("part", ["bytes=1-,0-0", "bytes=-99999999", "bytes=1-", "bytes= 1-"])
def test_no_range_fetches_a_clip_without_an_entry(as_user: As, own_lake: Path, part: str) -> None:
    viewer, operator = as_user("viewer"), as_user("operator")
    hit = viewer.post("/api/search", json={"box": BOX, "source": "bikes.mp4", "k": 1}).json()["hits"][0]
    before = len(entries(own_lake))
    around_s = 1 + len(part) / 100  # a clip that no other test has asked for
    for web in (viewer, viewer, operator):  # the second is a part of what was recorded, the third another user's
        answer = web.get(f"/api/clips/{hit['frame_id']}.mp4?around_s={around_s}", headers={"Range": part})
        assert answer.status_code in (200, 206)
    assert [each["who"] for each in entries(own_lake)[before:]] == ["viewer", "operator"]


def test_parts_are_recorded_again_after_a_while_and_after_a_refusal(tmp_path: Path) -> None:
    log, now_s = AuditLog(tmp_path), 0.0
    recorder = Recorder(log, clock=lambda: now_s)

    async def sent(_: Message) -> None: ...

    def ask(*, part: bool, status: int = 206, path: str = "/api/clips/a.mp4") -> int:
        state = {"audit": {"action": "clip", "what": {}}, "audit_part": part, "person": Person("anna", "viewer")}
        send = recorder.recording({"state": state, "path": path, "query_string": b""}, sent, client="10.0.0.9")
        asyncio.run(send({"type": "http.response.start", "status": status}))  # type: ignore[arg-type]
        return len(list(read_audit(tmp_path)))

    assert [ask(part=True, status=404), ask(part=True), ask(part=True), ask(part=False)] == [1, 2, 2, 3]
    assert ask(part=True, status=403) == 4
    now_s = 3600.0
    assert [ask(part=True), ask(part=True)] == [5, 5]
    for number in range(5000):  # what is remembered is bounded
        recorder._remember(("anna", f"/api/clips/{number}.mp4", b""))
    assert len(recorder._clips) < 5000
    assert ask(part=True) == 6
    recorder.close()


def test_a_body_however_deep_is_recorded(as_user: As, own_lake: Path) -> None:
    before = len(entries(own_lake))
    deep = '{"format": "csv", "moments": 1, "query": ' + '{"not":' * 500 + "1" + "}" * 501
    answer = as_user("viewer").post("/api/exports", content=deep, headers={"Content-Type": "application/json"})
    assert answer.status_code < 500
    assert [each["action"] for each in entries(own_lake)[before:]] == ["export"]


def test_no_password_and_no_token_is_in_the_log(
    as_user: As, own_lake: Path, users: dict[str, str], guarded: str
) -> None:
    admin = as_user("admin")
    given = {"name": "porch", "user": "u5er", "password": SECRET}
    for url in (
        "rtsp://10.0.0.5/a",
        f"rtsp://u5er:{SECRET}@10.0.0.5/a",
        f"rtsp://10.0.0.5/a?password={SECRET}",
        SECRET,
    ):
        admin.post("/api/feeds", json={**given, "url": url})
    admin.delete("/api/feeds/porch")
    for token in (users["viewer"], "rl_" + "w" * 43, SECRET):
        with httpx.Client(base_url=guarded, timeout=60) as web:
            web.post("/api/login", json={"token": token})
            web.get("/api/me", headers={"Authorization": f"Bearer {token}"})
            web.post("/api/logout")
    admin.post("/api/search", json={"text": f"where is {users['viewer']}?"})
    log = "".join(path.read_text() for path in audit_folder(str(own_lake)).glob("*.jsonl"))
    for secret in (SECRET, SECRET.replace(" ", "%20").replace("@", "%40"), "u5er", "w" * 43, *users.values()):
        assert not secret or json.dumps(secret)[1:-1] not in log
    assert [each["who"] for each in entries(own_lake) if each["action"] == "sign out"][-1] == "viewer"


def test_who_guesses_tokens_cannot_push_out_the_log(own_lake: Path, guarded: str) -> None:
    before = len(entries(own_lake))
    with httpx.Client(base_url=guarded, timeout=60) as web:
        for number in range(40):
            assert web.post("/api/login", json={"token": f"guess{number}"}).status_code == 401
    assert len(entries(own_lake)) - before <= 2


def test_a_token_that_is_guessed_by_a_header_leaves_an_entry_and_cannot_push_out_the_log(
    world: World, users_path: Path, tmp_path: Path
) -> None:
    log = AuditLog(tmp_path / "audit")
    with (
        running(world.lake, clips=tmp_path, access=Access(users=UsersFile(users_path)), audit=log) as url,
        httpx.Client(base_url=url, timeout=60) as web,
    ):
        assert web.get("/api/me").status_code == 401  # the page asks so before one signs in
        assert not list(read_audit(tmp_path / "audit"))
        for number in range(40):
            answer = web.get("/api/me", headers={"Authorization": f"Bearer guess{number}"})
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        found = list(read_audit(tmp_path / "audit"))
        assert 1 <= len(found) <= 2
        assert {(each["who"], each["from"], each["action"], each["status"]) for each in found} == {
            (None, "127.0.0.1", "sign in", 401)
        }


def test_what_cannot_be_recorded_is_not_answered(
    world: World, users_path: Path, users: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AuditLog(tmp_path / "audit")

    def full(*_: object, **__: object) -> None:
        raise LakeError(f"{tmp_path} is full")

    access = Access(users=UsersFile(users_path))
    headers = {"Authorization": f"Bearer {users['viewer']}"}
    with (
        running(world.lake, clips=tmp_path, access=access, audit=log) as url,
        httpx.Client(base_url=url, headers=headers, timeout=60) as web,
    ):
        monkeypatch.setattr(log, "write", full)
        answer = web.post("/api/search", json={"box": BOX})
        assert answer.status_code == 503
        assert "hits" not in answer.json()
        assert str(tmp_path) not in answer.text
        monkeypatch.undo()
        assert web.post("/api/search", json={"box": BOX}).status_code == 200


def test_the_command_shows_and_filters_the_log(as_user: As, own_lake: Path, called: Run) -> None:
    as_user("guest").post("/api/search", json={"text": "only\x1b[31m once", "k": 7})
    shown = called("audit", "--lake", own_lake, "--who", "guest", "--action", "search", "--last", "1")
    assert "guest" in shown.stdout
    assert "\x1b" not in shown.stdout
    lines = called("audit", "--lake", own_lake, "--contains", "once", "--json").stdout.splitlines()
    assert [json.loads(line)["what"]["k"] for line in lines] == [7]
    assert called("audit", "--lake", own_lake, "--until", "2020-01-01").stdout.count("guest") == 0
    assert called("audit", "--lake", own_lake, "--since", "yesterday").returncode == 2


def test_the_command_says_where_nothing_was_ever_recorded(called: Run, tmp_path: Path) -> None:
    for options in ((), ("--json",)):
        refused = called("audit", "--lake", tmp_path / "typo", *options)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "no service with a login has recorded anything" in refused.stderr
        assert "Traceback" not in refused.stderr
