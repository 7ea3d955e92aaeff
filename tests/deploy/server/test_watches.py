"""Watches over HTTP. Catches alarms that are missed, doubled or lost by a restart, a rehearsal that promises others, a
watch that loses its picture, and paths of the server in an answer."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

import regionlake as rl
from tests.deploy.server.conftest import World
from tests.deploy.server.serving import running
from tests.integration.clips import make_clip
from tests.waiting import wait_until

Json = dict[str, Any]
CORNER: Json = {"query": {"box": [0.0, 0.0, 0.6, 0.8]}, "max_distance": 0.9}


@pytest.fixture
def growing(world: World, tmp_path: Path) -> Path:
    """A lake of its own, into which `arrives` ingests clips."""
    return Path(shutil.copytree(world.lake, tmp_path / "growing lake"))


def arrives(lake: Path, name: str, *, seed: int) -> set[str]:
    """Ingests another clip; returns the ids of its keyframes."""
    clip = make_clip(lake.parent / name, seed=seed, seconds=4)
    assert rl.ingest(clip, lake=lake).ok
    with rl.open(lake) as opened:
        rows = opened.table("frames").to_table(columns=["id", "source"]).to_pylist()
    return {row["id"] for row in rows if row["source"].endswith(f"/{name}")}


def alarms(web: httpx.Client, name: str) -> list[Json]:
    found: list[Json] = web.get(f"/api/watches/{name}/alarms", params={"limit": 200}).json()["alarms"]
    return found


def saved(web: httpx.Client, **body: object) -> Json:
    answer = web.post("/api/watches", json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


def settled(web: httpx.Client) -> bool:
    state = web.get("/api/watches").json()
    return state["error"] is None and state["behind"] == 0


@pytest.fixture
def serve(growing: Path, tmp_path: Path) -> Callable[[], Any]:
    return lambda: running(growing, clips=tmp_path / "clips")


def test_a_watch_fires_on_what_arrives_while_the_service_runs_and_while_it_does_not(
    serve: Callable[[], Any], growing: Path
) -> None:
    with serve() as url, httpx.Client(base_url=url, timeout=60) as web:
        watch = saved(web, title="Somebody at the corner", **CORNER)
        assert (watch["name"], watch["fired"], watch["error"]) == ("somebody-at-the-corner", 0, None)
        first = arrives(growing, "first.mp4", seed=7)
        wait_until(lambda: bool(alarms(web, watch["name"])))
        wait_until(lambda: settled(web))
        once = alarms(web, watch["name"])
        assert {each["frame_id"] for each in once} <= first  # and nothing of what was there before

        def rehearsed() -> set[str]:
            found = web.post("/api/watches/rehearsal", json=CORNER).json()
            return {each["frame_id"] for each in found["hits"]} & first

        wait_until(lambda: bool(rehearsed()), look_s=0.2)  # searches see rows a moment after watches do
        assert rehearsed() == {each["frame_id"] for each in once}
    second = arrives(growing, "second.mp4", seed=8)  # nobody watches
    with serve() as url, httpx.Client(base_url=url, timeout=60) as web:
        wait_until(lambda: {each["frame_id"] for each in alarms(web, watch["name"])} & second != set())
        wait_until(lambda: settled(web))
        both = alarms(web, watch["name"])
        assert [each["id"] for each in both[-len(once) :]] == [each["id"] for each in once]  # newest first
        assert len({each["id"] for each in both}) == len(both)
        listed = web.get("/api/watches").json()["watches"]
        assert [(each["name"], each["fired"], each["recently"]) for each in listed] == [
            (watch["name"], len(both), len(both))
        ]
        older = web.get(f"/api/watches/{watch['name']}/alarms", params={"limit": 1, "before": both[0]["id"]}).json()
        assert [each["id"] for each in older["alarms"]] == [both[1]["id"]]
        assert older["more"] == (len(both) > 2)
        shown = {each["source"] for each in both}
        assert shown == {"first.mp4", "second.mp4"}
        sources = {each["name"]: each["id"] for each in web.get("/api/sources").json()["sources"]}
        assert {each["source_id"] for each in both} == {sources[name] for name in shown}


def test_a_paused_or_removed_watch_reports_nothing_and_a_resumed_one_begins_anew(
    serve: Callable[[], Any], growing: Path
) -> None:
    with serve() as url, httpx.Client(base_url=url, timeout=60) as web:
        body = {"title": "corner", **CORNER}
        name = saved(web, **body)["name"]
        paused = web.put(f"/api/watches/{name}", json=body | {"paused": True}).json()
        assert paused["paused"]
        missed = arrives(growing, "first.mp4", seed=7)
        web.put(f"/api/watches/{name}", json=body)
        arrives(growing, "second.mp4", seed=8)
        wait_until(lambda: bool(alarms(web, name)))
        wait_until(lambda: settled(web))
        assert {each["frame_id"] for each in alarms(web, name)} & missed == set()
        assert web.delete(f"/api/watches/{name}").status_code == 204
        assert web.get("/api/watches").json()["watches"] == []
        for refused in (web.get(f"/api/watches/{name}/alarms"), web.delete(f"/api/watches/{name}")):
            assert refused.status_code == 404
        assert saved(web, **body)["name"] == "corner-2"  # its alarms are not those of the first


def test_a_rehearsal_says_how_often_it_would_have_fired_and_what_decides_that(web: httpx.Client) -> None:
    question: Json = {"text": "a white box"}
    everything = web.post("/api/watches/rehearsal", json={"query": question | {"min_confidence": 0.0}}).json()
    frames = web.get("/api/status").json()["lake"]["keyframes"]
    assert (everything["by"], everything["frames"], everything["fired"]) == ("confidence", frames, frames)
    assert sum(everything["counts"]) == frames
    searched = web.post("/api/search", json=question | {"k": 1000}).json()["hits"]
    confidences = sorted((hit["confidence"] for hit in searched), reverse=True)
    limit = (confidences[1] + confidences[2]) / 2
    some = web.post("/api/watches/rehearsal", json={"query": question | {"min_confidence": limit}}).json()
    assert some["fired"] == 2
    assert [hit["confidence"] for hit in some["above"]] == sorted(confidences[:2])
    assert all(hit["confidence"] < limit for hit in some["below"])
    assert some["below"][0]["confidence"] == confidences[2]
    quiet = {"query": question | {"min_confidence": limit}, "hours": "00:00-00:00 UTC"}
    assert web.post("/api/watches/rehearsal", json=quiet).json()["fired"] == 0  # files do not say when they were made
    source = next(each["id"] for each in web.get("/api/sources").json()["sources"] if each["kind"] == "picture")
    one = {"query": question | {"min_confidence": 0.0, "sources": [source]}}
    assert web.post("/api/watches/rehearsal", json=one).json()["frames"] == 1


def test_a_rehearsal_of_a_source_that_there_is_not_is_refused_by_one_sentence(web: httpx.Client) -> None:
    refused = web.post("/api/watches/rehearsal", json={**CORNER, "query": {**CORNER["query"], "sources": ["gone"]}})
    assert refused.status_code == 404
    assert refused.json() == {"error": "the lake has no source gone; /api/sources lists those that it has"}


def test_a_watch_keeps_its_picture_and_its_question(serve: Callable[[], Any], world: World, growing: Path) -> None:
    with serve() as url, httpx.Client(base_url=url, timeout=60) as web:
        picture = web.post("/api/pictures", content=(world.folder / "pictures" / "street.png").read_bytes()).json()
        source = web.get("/api/sources").json()["sources"][0]
        query = {
            "image": picture["id"],
            "roi": [0.0, 0.0, 0.5, 1.0],
            "zones": [[[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]]],
            "min_confidence": 0.25,
            "sources": [source["id"]],
        }
        rules = {"hours": "mon,tue 20:00-06:00 Europe/Berlin", "stay_s": 20.0, "cooldown_s": 60.0}
        made = saved(web, title="Like this", query=query, **rules)
        frame = web.get("/api/frames", params={"source": source["id"]}).json()["frames"][0]["id"]
        of_frame = saved(web, title="Like a keyframe", query={"frame": frame, "min_confidence": 0.5})
    with serve() as url, httpx.Client(base_url=url, timeout=60) as web:
        state = web.get("/api/watches").json()
        assert [each["name"] for each in state["watches"]] == ["like-this", "like-a-keyframe"]
        assert state["watches"][0] == made | {"error": None}
        assert made["query"] == query
        assert made["sources"] == [source["name"]]
        assert {name: made[name] for name in rules} == rules
        for watch in (made, of_frame):
            assert web.get(f"/api/pictures/{watch['query']['image']}.jpg").status_code == 200
        body = {name: made[name] for name in ("title", "query", "max_distance", *rules)}
        assert web.put("/api/watches/like-this", json=body).json()["query"] == query
        wait_until(lambda: web.get("/api/watches").json()["watching"] == 2)
        for path in ("/api/watches", "/api/watches/like-this/alarms"):
            assert str(growing.parent) not in web.get(path).text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"query": {}}, 422),
        ({"query": {"text": "a car"}, "max_distance": None}, 422),  # no limit
        ({"query": {"text": "a car", "then": "a dog"}}, 422),
        ({"query": {"text": "a car", "since": 5}}, 422),
        ({"query": {"text": "a car", "source": "bikes"}}, 422),
        ({"query": {"text": "a car", "sources": ["none"]}}, 404),
        ({"query": {"text": "a car", "image": "none"}}, 404),
        ({"query": {"box": [0, 0, 1, 1], "zones": [[0, 0, 1, 1]]}}, 422),
        ({"query": {"zones": [{"corners": [[0, 0], [1, 0], [0, 1]], "source": "bikes"}]}}, 422),
        ({"hours": "at noon"}, 422),
        ({"hours": "10:00-11:00 ../../../etc/passwd"}, 422),
        ({"stay_s": -1}, 422),
        ({"cooldown_s": "NaN"}, 422),
        ({"title": "  "}, 422),
        ({"webhook": "http://example.org"}, 422),
    ],
    ids=str,
)
def test_what_no_watch_can_ask_is_refused_by_one_sentence(change: Json, status: int, web: httpx.Client) -> None:
    answer = web.post("/api/watches", json={"title": "x", **CORNER, **change})
    assert (answer.status_code, set(answer.json())) == (status, {"error"}), answer.text
    assert web.get("/api/watches").json()["watches"] == []


def test_while_another_process_watches_it_is_said(serve: Callable[[], Any], growing: Path) -> None:
    with serve() as first, httpx.Client(base_url=first, timeout=60) as web:
        saved(web, title="corner", **CORNER)
        with serve() as second, httpx.Client(base_url=second, timeout=60) as other:
            wait_until(lambda: "another watcher" in (other.get("/api/watches").json()["error"] or ""))
            assert web.get("/api/watches").json()["error"] is None
            assert str(growing.parent) not in other.get("/api/watches").text
        arrives(growing, "first.mp4", seed=7)
        wait_until(lambda: bool(alarms(web, "corner")))
