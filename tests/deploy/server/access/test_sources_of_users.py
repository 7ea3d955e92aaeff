"""What a user sees who does not see every source. Catches any answer about another source: by its id, through a search,
a count, a picture, a clip, a watch, an alarm, a pin, a feed or an error; the lake must look as if it had no other."""

import json
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from PIL import Image

import regionlake as rl
from deploy.server.asking.routes import explained_without_paths
from deploy.server.feeding.feed_access import FeedAccess
from deploy.server.showing.catalogue import CatalogueReader, Sources
from pipeline.lake.lake import Lake
from pipeline.live.status.state_folder import StateFolder
from schemas.query import Explanation
from tests.deploy.server.with_users import As
from tests.waiting import wait_until

Json = dict[str, Any]
ABSENT = "0" * 32  # an id that nothing has
QUESTIONS: list[Json] = [
    {"text": "a box", "k": 100},
    {"box": [0, 0, 0.6, 0.8], "k": 100, "group": "visit"},
    {"text": "a box", "box": [0, 0, 0.6, 0.8], "norm": "zscore", "k": 3},
    {"text": "noise", "methods": ["regions", "global"], "k": 50},
    {"text": "noise", "zones": [[0, 0, 1, 1]], "min_confidence": 0.01},
    {"text": "a box", "then": "a box", "within": 5},
    {"box": [0, 0, 1, 1], "source": "*"},
    {"box": [0, 0, 1, 1], "source": "street"},
]
OF_LAKE = ("took_ms", "generation", "explained")


def said(web: httpx.Client, method: str, path: str, **options: Any) -> tuple[int, Any]:
    """Status and content of an answer, without what differs between any two services."""
    answer = web.request(method, path, **options)
    kind = answer.headers.get("content-type", "")
    if not kind.startswith("application/json"):
        return answer.status_code, answer.content
    return answer.status_code, {key: value for key, value in answer.json().items() if key not in OF_LAKE}


@pytest.mark.parametrize("question", QUESTIONS, ids=json.dumps)
def test_a_search_answers_as_if_there_were_no_other_source(question: Json, as_user: As, alone: httpx.Client) -> None:
    assert said(as_user("guest"), "POST", "/api/search", json=question) == said(
        alone, "POST", "/api/search", json=question
    )


def test_how_an_answer_was_found_is_said_to_those_who_see_everything(as_user: As) -> None:
    guest, viewer = (
        as_user(name).post("/api/search", json={"box": [0, 0, 1, 1]}).json() for name in ("guest", "viewer")
    )
    assert guest["explained"] is None  # it counts regions of other sources
    assert viewer["explained"]["compared"] > len(guest["hits"])


def test_how_an_answer_was_found_names_no_path_of_the_server(own_lake: Path) -> None:
    sources = Sources(CatalogueReader(Lake.open(str(own_lake))))
    why = f"{own_lake}/.search/vector-128/index/index.json cannot be read; build it again"
    found = explained_without_paths(sources, Explanation(why, 1, 1, 1, 1, {}))
    assert found is not None
    assert "index.json cannot be read" in str(found["why"])
    assert str(own_lake.parent) not in str(found["why"])


@pytest.mark.parametrize("path", ["/api/sources", "/api/activity?bins=7", "/api/activity?clock=source&since=1"])
def test_lists_and_counts_are_those_of_the_sources_that_are_seen(path: str, as_user: As, alone: httpx.Client) -> None:
    assert said(as_user("guest"), "GET", path) == said(alone, "GET", path)


def test_the_state_counts_what_is_seen_alone(as_user: As, alone: httpx.Client) -> None:
    (seen, whole), expected = (
        (as_user(name).get("/api/status").json()["lake"] for name in ("guest", "viewer")),
        alone.get("/api/status").json()["lake"],
    )
    for name in ("keyframes", "regions", "sources"):
        assert seen[name] == expected[name] != whole[name]
    assert (seen["segments"], seen["disk_bytes"], seen["writer"]) == ({}, None, None)


def by_id(hidden: Json) -> list[tuple[str, str, Json]]:
    """Requests that name something of another source: each as it would be for an id that nothing has."""
    frame, region, source = hidden["frame"], hidden["region"], hidden["source"]
    watched = {"title": "one", "max_distance": 0.5}
    return [
        ("GET", f"/api/frames/{frame}", {}),
        ("GET", f"/api/frames/{frame}.jpg", {}),
        ("GET", f"/api/frames/{frame}.jpg?box=0,0,1,1&from=original", {}),
        ("GET", f"/api/regions/{region}.jpg", {}),
        ("GET", f"/api/clips/{frame}.mp4", {}),
        ("GET", f"/api/clips/{frame}.mp4?around_s=3", {"headers": {"Range": "bytes=0-1"}}),
        ("GET", f"/api/frames?source={source}", {}),
        ("GET", f"/api/activity?source={source}", {}),
        ("GET", f"/api/pins?frame={frame}", {}),
        ("POST", "/api/search", {"json": {"frame": frame}}),
        ("POST", "/api/search", {"json": {"region": region}}),
        ("POST", "/api/search", {"json": {"frame": frame, "roi": [0, 0, 0.5, 0.5], "not_frames": [frame]}}),
        ("POST", "/api/search", {"json": {"text": "a box", "sources": [source]}}),
        ("POST", "/api/search", {"json": {"text": "a box", "like": [region]}}),
        ("POST", "/api/search", {"json": {"text": "a box", "unlike": [frame]}}),
        ("POST", "/api/search", {"json": {"box": [0, 0, 1, 1], "zones": [], "source": source}}),
        ("POST", "/api/search", {"json": {"text": "a", "zones": [{"corners": [[0, 0], [1, 1]], "sources": [source]}]}}),
        ("POST", "/api/watches/rehearsal", {"json": {"query": {"frame": frame}, "max_distance": 0.5}}),
        ("POST", "/api/watches/rehearsal", {"json": {"query": {"region": region}, "max_distance": 0.5}}),
        ("POST", "/api/watches", {"json": {**watched, "query": {"frame": frame}}}),
        ("POST", "/api/watches", {"json": {**watched, "query": {"region": region}}}),
        ("POST", "/api/watches", {"json": {**watched, "query": {"box": [0, 0, 1, 1], "sources": [source]}}}),
        ("POST", "/api/pins", {"json": {"frame": frame}}),
    ]


def test_what_is_of_another_source_is_answered_like_what_does_not_exist(as_user: As, hidden: Json) -> None:
    web, differ = as_user("guard"), []
    for (method, path, options), absent in zip(by_id(hidden), by_id(dict.fromkeys(hidden, ABSENT)), strict=True):
        status, content = said(web, method, path, **options)
        given = json.dumps(content) if isinstance(content, dict) else content.decode()
        for id in hidden.values():
            given = given.replace(id, ABSENT)
        absent_status, absent_content = said(web, absent[0], absent[1], **absent[2])
        if (status, json.loads(given)) != (absent_status, absent_content) or status not in (200, 404, 422):
            differ.append((method, path, status, given, absent_content))
    assert not differ
    seen_by_all = as_user("viewer").get(f"/api/frames/{hidden['frame']}.jpg")
    assert seen_by_all.status_code == 200  # the ids are right


def test_a_user_who_sees_nothing_finds_nothing(as_user: As) -> None:
    web = as_user("nobody")
    assert web.get("/api/sources").json() == {"sources": []}
    assert web.post("/api/search", json={"box": [0, 0, 1, 1]}).json()["hits"] == []
    assert web.get("/api/activity").json()["sources"] == []
    assert web.get("/api/feeds").json()["feeds"] == []


def test_feeds_that_are_not_seen_do_not_exist(as_user: As, feeds: FeedAccess) -> None:
    web = as_user("guard")
    assert [each["name"] for each in web.get("/api/feeds").json()["feeds"]] == ["gate"]
    hidden, absent = web.post("/api/feeds/vault/pause"), web.post("/api/feeds/attic/pause")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json()["error"].replace("vault", "attic") == absent.json()["error"]
    assert not feeds.read()["vault"].paused
    assert web.post("/api/feeds/gate/pause").status_code == 200
    assert feeds.read()["gate"].paused
    web.post("/api/feeds/gate/resume")


def test_pins_of_other_sources_are_neither_listed_nor_removed(as_user: As, hidden: Json) -> None:
    made = as_user("operator").post("/api/pins", json={"frame": hidden["frame"]}).json()
    guard = as_user("guard")
    own = guard.post("/api/search", json={"box": [0, 0, 1, 1], "k": 1}).json()["hits"][0]["frame_id"]
    mine = guard.post("/api/pins", json={"frame": own}).json()
    assert [pin["id"] for pin in guard.get("/api/pins").json()["pins"]] == [mine["id"]]
    assert guard.delete(f"/api/pins/{made['id']}").status_code == 404
    assert {pin["id"] for pin in as_user("viewer").get("/api/pins").json()["pins"]} == {made["id"], mine["id"]}
    for pin in (made, mine):
        assert as_user("admin").delete(f"/api/pins/{pin['id']}").status_code == 204


def test_watches_and_alarms_of_other_sources_are_not_seen(as_user: As, own_lake: Path, hidden: Json) -> None:
    operator, guard = as_user("operator"), as_user("guard")
    asked = {"max_distance": 0.9, "paused": True}
    everywhere = operator.post("/api/watches", json={"title": "all", "query": {"box": [0, 0, 1, 1]}, **asked}).json()
    other = {"box": [0, 0, 1, 1], "sources": [hidden["source"]]}
    street = operator.post("/api/watches", json={"title": "street", "query": other, **asked}).json()
    own = guard.post("/api/watches", json={"title": "mine", "query": {"box": [0, 0, 1, 1]}, **asked}).json()
    assert own["sources"] == ["bikes.mp4"]  # whoever made it sees no other, now and later
    found = {each["id"]: each for each in operator.get("/api/sources").json()["sources"]}
    log = StateFolder.of(str(own_lake)).path / "watch" / "_service.jsonl"
    uris = {row["id"]: row["source"] for row in _rows(own_lake)}
    with log.open("a") as file:
        for number, id in enumerate(found):
            alarm = {"id": f"alarm{number}", "watch": own["name"], "found_at": "2026-05-01T12:00:00+00:00"}
            hit = operator.post("/api/search", json={"box": [0, 0, 1, 1], "sources": [id]}).json()["hits"][0]
            file.write(json.dumps({**hit, **alarm, "source": uris[id]}) + "\n")
    assert [each["name"] for each in guard.get("/api/watches").json()["watches"]] == [own["name"]]
    (listed,) = guard.get("/api/watches").json()["watches"]
    alarms = guard.get(f"/api/watches/{own['name']}/alarms").json()["alarms"]
    assert [alarm["source"] for alarm in alarms] == ["bikes.mp4"]
    assert listed["fired"] == 1
    of_all = {each["name"]: each["fired"] for each in operator.get("/api/watches").json()["watches"]}
    assert of_all[own["name"]] == 2  # it was for more sources before, say
    for watch in (everywhere, street):
        name = watch["name"]
        body = {"title": "x", "query": {"box": [0, 0, 1, 1]}, **asked}
        answers = [
            guard.get(f"/api/watches/{name}/alarms"),
            guard.put(f"/api/watches/{name}", json=body),
            guard.delete(f"/api/watches/{name}"),
        ]
        assert [each.status_code for each in answers] == [404] * 3
    for watch in (everywhere, street, own):
        assert operator.delete(f"/api/watches/{watch['name']}").status_code == 204


def test_the_picture_of_a_watch_is_not_shown_where_its_source_may_be_hidden(as_user: As, hidden: Json) -> None:
    operator, guard = as_user("operator"), as_user("guard")
    (seen,) = guard.get("/api/sources").json()["sources"]
    body = {"title": "elsewhere", "max_distance": 0.5, "paused": True}
    asked = {"frame": hidden["frame"], "roi": [0, 0, 0.5, 1], "sources": [seen["id"]]}
    made = operator.post("/api/watches", json={**body, "query": asked}).json()
    try:
        (listed,) = (each for each in guard.get("/api/watches").json()["watches"] if each["name"] == made["name"])
        assert {"image", "roi"} <= set(made["query"])
        assert set(listed["query"]).isdisjoint({"image", "frame", "roi"})
        assert made["query"]["image"] not in guard.get("/api/watches").text
        changed = guard.put(f"/api/watches/{made['name']}", json={**body, "query": {"box": [0, 0, 1, 1]}})
        assert changed.status_code == 403
        assert "looks for a picture" in changed.text
    finally:
        assert operator.delete(f"/api/watches/{made['name']}").status_code == 204


def _rows(lake: Path) -> list[Json]:
    from pipeline.lake.lake import Lake

    rows: list[Json] = Lake.open(str(lake)).read("sources", columns=["id", "source"]).to_pylist()
    return rows


def test_the_generation_grows_with_what_is_seen_alone(as_user: As, own_lake: Path, tmp_path: Path) -> None:
    def generation(name: str) -> int:
        number: int = as_user(name).get("/api/status").json()["lake"]["generation"]
        return number

    def arrives(name: str, level: int) -> None:
        Image.new("RGB", (64, 48), (level, 90, 20)).save(tmp_path / name)
        assert rl.ingest(tmp_path / name, lake=own_lake).ok

    before = {name: generation(name) for name in ("guard", "viewer")}
    arrives("elsewhere.png", 10)
    wait_until(lambda: generation("viewer") > before["viewer"])
    assert generation("guard") == before["guard"]
    arrives("bikes.png", 200)
    wait_until(lambda: generation("guard") > before["guard"])
    assert {each["name"] for each in as_user("guard").get("/api/sources").json()["sources"]} == {
        "bikes.mp4",
        "bikes.png",
    }
