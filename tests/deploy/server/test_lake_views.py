"""Sources, keyframes, counts and states. Catches counts that lose a keyframe, neighbours that skip one, paths of the
server in an answer, and metrics and errors that say nothing."""

from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest

import regionlake as rl
from deploy.server.answers import RequestError
from deploy.server.showing.catalogue import catalogue_of, short_names
from pipeline.lake.audit.lake_status import status
from pipeline.lake.lake import Lake
from tests.deploy.server.conftest import World

Ask = Callable[..., dict[str, Any]]


def sources(web: httpx.Client) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in web.get("/api/sources").json()["sources"]}


def frames_of(local: rl.Lake, name: str) -> list[str]:
    rows = local.table("frames").to_table(columns=["id", "source", "pts"]).to_pylist()
    return [row["id"] for row in sorted(rows, key=lambda row: row["pts"]) if row["source"].endswith(name)]


def test_sources_are_named_without_their_folders(web: httpx.Client, local: rl.Lake) -> None:
    found = sources(web)
    assert {name: each["kind"] for name, each in found.items()} == {"bikes.mp4": "video", "street.png": "picture"}
    bikes = found["bikes.mp4"]
    own = frames_of(local, "bikes.mp4")
    assert bikes["keyframes"] == len(own)
    assert bikes["newest_frame"] == own[-1]
    assert (bikes["width_px"], bikes["height_px"], bikes["state"]) == (320, 240, "complete")


def test_no_answer_has_a_path_of_the_server(web: httpx.Client, world: World, ask: Ask) -> None:
    frame = ask(text="a car", k=1)["hits"][0]["frame_id"]
    for path in (
        "/api/sources",
        "/api/status",
        "/api/activity",
        "/api/lake",
        f"/api/frames/{frame}",
        "/metrics",
        "/api/openapi.json",
    ):
        assert str(world.folder) not in web.get(path).text
        assert world.folder.name not in web.get(path).text


def test_keyframes_are_listed_in_order_and_know_their_neighbours(web: httpx.Client, local: rl.Lake) -> None:
    id, own = sources(web)["bikes.mp4"]["id"], frames_of(local, "bikes.mp4")
    listed = web.get("/api/frames", params={"source": id}).json()
    assert [each["id"] for each in listed["frames"]] == own
    assert not listed["more"]
    first = web.get("/api/frames", params={"source": id, "limit": 2, "since": 0.5}).json()
    assert first["more"]
    assert all(each["pts_s"] >= 0.5 for each in first["frames"])
    shown = [web.get(f"/api/frames/{each}").json() for each in own[:3]]
    assert [each["next"] for each in shown] == own[1:4]
    assert [each["previous"] for each in shown] == [None, *own[:2]]
    regions = local.table("regions").count_rows(filter=f"frame = '{own[0]}'")
    assert len(shown[0]["regions"]) == regions > 0


def test_activity_counts_every_keyframe_and_region_once(web: httpx.Client, local: rl.Lake) -> None:
    for bins in (1, 7, 60):
        counts = web.get("/api/activity", params={"bins": bins, "clock": "source"}).json()
        assert len(counts["keyframes"]) == bins
        assert sum(counts["keyframes"]) == local.table("frames").count_rows()
        assert sum(counts["regions"]) == local.table("regions").count_rows()
        parts = np.array([each["keyframes"] for each in counts["sources"]])
        assert parts.sum(axis=0).tolist() == counts["keyframes"]
    part = web.get("/api/activity", params={"since": 1, "until": 2, "source": sources(web)["bikes.mp4"]["id"]}).json()
    assert part["step_s"] == pytest.approx(1 / 60)
    frames = local.table("frames").to_table(columns=["pts_s"], filter="pts_s >= 1 AND pts_s < 2")
    assert sum(part["keyframes"]) == frames.num_rows


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/frames?source=none", 404),
        ("/api/frames", 422),
        ("/api/activity?bins=0", 422),
        ("/api/activity?since=NaN", 422),
        ("/api/activity?since=5&until=1", 422),
        ("/api/activity?since=5&clock=utc", 422),
        ("/api/activity?source=none", 404),
        ("/api/frames/none", 404),
        ("/api/nothing", 404),
    ],
)
def test_what_is_wrong_is_refused_by_one_sentence(path: str, status: int, web: httpx.Client) -> None:
    answer = web.get(path)
    assert (answer.status_code, set(answer.json())) == (status, {"error"})


def test_the_status_says_what_the_lake_holds_and_that_its_model_is_ready(
    web: httpx.Client, local: rl.Lake, ask: Ask
) -> None:
    ask(text="a car")
    shown = web.get("/api/status").json()
    assert shown["model"]["state"] == "ready"
    assert shown["model"]["name"] == "everyday"
    assert shown["lake"]["name"] == "lake"
    assert shown["lake"]["keyframes"] == local.table("frames").count_rows()
    assert shown["lake"]["sources"] == {"complete": 2}
    assert shown["searches"]["answered"] > 0
    assert "regionlake_search_seconds_count" in web.get("/metrics").text


def test_the_lake_says_what_it_takes_up(web: httpx.Client, world: World) -> None:
    shown = web.get("/api/lake").json()
    held = status(Lake.open(str(world.lake)))
    assert {each["name"]: (each["rows"], each["bytes"]) for each in shown["tables"]} == {
        name: (each.rows, each.data_bytes) for name, each in held.tables.items()
    }
    assert (shown["upkeep"], shown["video"], shown["refused_batches"]) == (None, [], 0)
    assert shown["disk_bytes"] >= sum(each["bytes"] for each in shown["tables"])


def test_the_api_describes_itself_with_every_option_of_a_query(web: httpx.Client) -> None:
    document = web.get("/api/openapi.json").json()
    body = document["components"]["schemas"]["SearchBody"]["properties"]
    assert {"text", "not", "within", "min_confidence", "sources", "order", "group"} <= set(body)
    assert body["weight"]["maximum"] == 1
    examples = document["paths"]["/api/search"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert examples
    for path in ("/api/frames/{id}.jpg", "/api/clips/{frame_id}.mp4", "/api/activity", "/api/status"):
        assert path in document["paths"]


def test_names_are_as_long_as_they_must_be() -> None:
    addresses = {"1": "/videos/a/cam.mp4", "2": "/videos/b/cam.mp4", "3": "s3://bucket/x/y.mp4", "4": "gate"}
    assert short_names(addresses) == {"1": "a/cam.mp4", "2": "b/cam.mp4", "3": "y.mp4", "4": "gate"}
    assert short_names({"1": "/a/x.mp4", "2": "/a/x.mp4"}) == {"1": "a/x.mp4", "2": "a/x.mp4"}


def test_the_recordings_of_a_feed_are_one_source() -> None:
    def row(id: str, source: str, state: str) -> dict[str, Any]:
        return {
            "id": id,
            "source": source,
            "kind": "feed",
            "state": state,
            "error": None,
            "width_px": 8,
            "height_px": 8,
        }

    rows = [
        row("a", "gate#2026-05-01T12:00:00.250Z", "complete"),
        row("b", "gate#2026-05-02T12:00:00.250Z", "open"),
        row("c", "yard#2026-05-02T12:00:00.250Z", "complete"),
    ]
    catalogue = catalogue_of(rows)
    gate = catalogue.of_row("a")
    assert gate == catalogue.of_row("b")
    assert (gate.name, gate.state, gate.source_ids) == ("gate", "open", ("a", "b"))
    assert catalogue.chosen([gate.id]) == ("a", "b")
    assert catalogue.chosen(pattern="y*d") == ("c",)
    assert len(catalogue.sources) == 2
    # also of a source that is removed between two looks at the catalogue
    for find in (catalogue.source, catalogue.address_of, lambda id: catalogue.chosen([gate.id, id])):
        with pytest.raises(RequestError, match="the lake has no source gone") as refused:
            find("gone")
        assert refused.value.status == 404
