"""Searches over HTTP. Catches answers that differ from those of a local search, options that are lost on the way, and
values that are wrong and not refused by one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image

import regionlake as rl
from schemas.options import options_of
from schemas.query import Query
from tests.deploy.server.conftest import World

Ask = Callable[..., dict[str, Any]]
SAME = (
    "rank",
    "distance",
    "semantic",
    "geometric",
    "pts",
    "pts_s",
    "box",
    "frame_id",
    "region_id",
    "proposer",
    "track",
)


def shown(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: hit[name] for name in SAME} for hit in answer["hits"]]


def expected(hits: rl.Hits) -> list[dict[str, Any]]:
    found = []
    for hit in hits:
        flat = {name: getattr(hit, name, None) for name in ("rank", "distance", "pts", "pts_s", "frame_id")}
        place = {name: getattr(hit.place, name) for name in SAME if name not in flat}
        found.append({name: (flat | place | {"box": list(hit.place.box)})[name] for name in SAME})
    return found


@pytest.mark.parametrize(
    "query",
    [
        {"text": "a bicycle"},
        {"text": "a bicycle", "box": (0.5, 0.4, 1.0, 1.0), "k": 4},
        {"box": (0.0, 0.0, 0.5, 0.5), "geometry": "centroid"},
        {"text": "a bicycle", "zones": ("0,0 1,0 .5,1", (0.0, 0.0, 0.5, 0.5)), "min_inside": 0.7},
        {"zones": (((0.0, 0.0), (1.0, 0.0), (0.5, 1.0)),)},
        {"text": "a car", "not_text": ("a person",), "not_weight": 0.8, "weight": 0.9, "norm": "zscore"},
        {"text": "a car", "methods": ("regions", "global"), "fuse": "weighted"},
        {"text": "a car", "then": "a bicycle", "within_s": 2.0},
        {"text": "a car", "since": 1.0, "until": 3.0},
    ],
    ids=str,
)
def test_an_answer_is_that_of_a_local_search(query: dict[str, Any], ask: Ask, local: rl.Lake) -> None:
    names = {each.field: each.name for each in options_of(Query)}
    answer = ask(**{names[field]: value for field, value in query.items()})
    hits = local.search(**query)
    assert shown(answer) == expected(hits)
    assert len(hits) > 0
    assert answer["exact"] == hits.exact
    assert answer["candidates"] == hits.candidates


def test_a_region_of_the_lake_stands_for_its_frame_and_its_box(ask: Ask, local: rl.Lake) -> None:
    first = local.search("a car", box=(0.0, 0.0, 1.0, 1.0), k=1)[0]  # with a box, whole frames are no candidates
    assert first.place.region_id
    answer = ask(region=first.place.region_id, k=3)
    assert answer["hits"][0]["frame_id"] == first.frame_id
    assert shown(answer) == expected(local.search(frame=first.frame_id, roi=first.place.box, k=3))


def test_an_uploaded_picture_is_found_by_its_id(ask: Ask, web: httpx.Client, world: World, local: rl.Lake) -> None:
    path = world.folder / "pictures" / "street.png"
    upload = web.post("/api/pictures", content=path.read_bytes()).json()
    assert (upload["width_px"], upload["height_px"]) == (1600, 960)
    answer = ask(image=upload["id"], roi=[0, 0, 0.5, 1], k=2)
    assert shown(answer) == expected(local.search(image=path, roi=(0, 0, 0.5, 1), k=2))
    assert answer["hits"][0]["source"] == "street.png"
    assert answer["query"]["image"] == upload["id"]
    assert web.post("/api/pictures", content=path.read_bytes()).json() == upload


def test_every_option_of_a_query_has_its_name_and_its_default_in_the_answer(ask: Ask) -> None:
    query = ask(box=[0, 0, 1, 1])["query"]
    assert {each.name for each in options_of(Query)} - {"source_ids"} <= set(query)
    assert query["geometry"] == "iou"
    assert query["k"] == 10


def test_sources_are_chosen_by_id_or_by_name(ask: Ask, web: httpx.Client) -> None:
    sources = {each["name"]: each["id"] for each in web.get("/api/sources").json()["sources"]}
    assert set(sources) == {"bikes.mp4", "street.png"}
    for options in ({"sources": [sources["street.png"]]}, {"source": "street"}, {"source": "str*.png"}):
        assert {hit["source_id"] for hit in ask(text="a car", **options)["hits"]} == {sources["street.png"]}
    assert ask(text="a car", source="served world")["hits"] == []  # a part of the path, which is the server's own


def test_a_zone_is_for_sources_by_id_or_by_name_and_others_are_named(ask: Ask, web: httpx.Client) -> None:
    sources = {each["name"]: each["id"] for each in web.get("/api/sources").json()["sources"]}
    corners = [[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]]
    by_id = {"corners": corners, "sources": [sources["bikes.mp4"]]}
    for zone in (by_id, {"corners": corners, "source": "bik"}, "bik*=0,0 1,0 .5,1"):
        answer = ask(text="a car", zones=[zone], k=100)
        assert (answer["by_meaning_alone"], answer["omitted"]) == (["street.png"], [])
        places = {(hit["source"], hit["geometric"] is None) for hit in answer["hits"]}
        assert places == {("bikes.mp4", False), ("street.png", True)}
        alone = ask(zones=[zone])
        assert (alone["by_meaning_alone"], alone["omitted"]) == ([], ["street.png"])
        assert {hit["source"] for hit in alone["hits"]} == {"bikes.mp4"}
    assert answer["query"]["zones"] == ["bik*=0,0 1,0 .5,1"]


def test_hits_are_ordered_by_time_and_grouped_by_visit(ask: Ask) -> None:
    oldest = ask(text="a car", source="bikes", order="oldest", group="visit", k=8)
    times = [hit["pts_s"] for hit in oldest["hits"]]
    assert times == sorted(times)
    assert sorted(hit["rank"] for hit in oldest["hits"]) == list(range(1, len(times) + 1))
    assert [group["ranks"] for group in oldest["groups"]] == [[hit["rank"] for hit in oldest["hits"]]]
    newest = ask(text="a car", source="bikes", order="newest", k=8)
    assert [hit["pts_s"] for hit in newest["hits"]] == times[::-1]


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ({}, "asks for nothing"),
        ({"text": "  "}, "empty"),
        ({"text": "a car", "k": 0}, "k: "),
        ({"text": "a car", "k": 10**9}, "k: "),
        ({"text": "a car", "colour": "red"}, "colour"),
        ({"box": [0.5, 0.5, 0.5, 0.9]}, "area"),
        ({"box": [0, 0, 1e308, 1]}, "box"),
        ({"box": [0, 0, 1]}, "box"),
        ({"text": "x" * 5000}, "text"),
        ({"text": "a car", "zones": [[[0, 0], [1, 1], [1, 0], [0, 1]]]}, "sides of the zone meet"),
        ({"text": "a car", "zones": ["left"]}, "'left' is no zone"),
        ({"text": "a car", "zones": [[0, 0, 2, 1]]}, "zones"),
        ({"text": "a car", "zones": [{"corners": [[0, 0], [1, 0], [0, 1]], "sources": ["0" * 32]}]}, "no source 0000"),
        ({"text": "a car", "zones": ["served world=0,0,1,1"]}, "no source of the lake matches 'served world'"),
        ({"text": "a car", "since": "yesterday"}, "no time"),
        ({"text": "a car", "since": 5, "until": 2}, "not before"),
        ({"text": "a car", "methods": {"regions": -1}}, "weight"),
        ({"text": "a car", "methods": ["magic"]}, "methods"),
        ({"text": "a car", "not_rois": [[0, 0, 1, 1]]}, "about a picture"),
        ({"text": "a car", "image": "/etc/passwd", "frame": "0" * 32}, "upload"),
    ],
    ids=str,
)
def test_a_wrong_query_is_refused_by_one_sentence(query: dict[str, Any], part: str, web: httpx.Client) -> None:
    answer = web.post("/api/search", json=query)
    assert answer.status_code in (404, 422)
    assert set(answer.json()) == {"error"}
    assert part in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "a',
        b'{"box": [NaN, 0, 1, 1]}',
        b'{"weight": Infinity, "text": "a"}',
        b'{"text": "\\ud800"}',
        b"[" * 10000,
        b"\xff",
    ],
    ids=["cut off", "NaN", "Infinity", "surrogate", "deep", "no UTF-8"],
)
def test_a_body_that_is_no_query_is_refused(body: bytes, web: httpx.Client) -> None:
    answer = web.post("/api/search", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("field", ["sources", "frame", "region", "image"])
def test_an_unknown_id_is_refused(field: str, web: httpx.Client) -> None:
    unknown = "f" * 32
    answer = web.post("/api/search", json={field: [unknown] if field == "sources" else unknown, "box": [0, 0, 1, 1]})
    assert answer.status_code in (404, 422)
    assert "/" not in answer.json()["error"].replace("/api/sources", "")


def test_what_is_uploaded_is_a_picture_of_reasonable_size(web: httpx.Client, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    Image.fromarray(np.zeros((9000, 9000), np.uint8)).save(bomb)
    assert bomb.stat().st_size < 200_000
    for content in (b"", b"GIF89a nothing", b"<svg xmlns='http://www.w3.org/2000/svg'/>", bomb.read_bytes()):
        answer = web.post("/api/pictures", content=content)
        assert answer.status_code == 415
        assert answer.json()["error"]
    large = web.post("/api/pictures", content=b"\x89PNG" + bytes(33 * 2**20))
    assert large.status_code == 413
    assert web.get("/healthz").json() == {"ok": True}


def test_hits_resemble_what_is_liked_and_not_what_is_not(ask: Callable[..., dict[str, Any]]) -> None:
    hits = ask(text="a box", k=50)["hits"]
    first, last = (hit["region_id"] or hit["frame_id"] for hit in (hits[0], hits[-1]))

    def rank(**query: object) -> int:
        """Of the frame that was last."""
        found = ask(text="a box", k=50, **query)["hits"]
        return next(hit["rank"] for hit in found if hit["frame_id"] == hits[-1]["frame_id"])

    assert rank(like=[last]) < len(hits)
    assert rank(like=[last], unlike=[first]) <= rank(like=[last])
    alone = ask(like=[last], k=1)["hits"][0]
    assert alone["frame_id"] == hits[-1]["frame_id"]  # nothing is nearer to it than itself
    assert alone["semantic"] == pytest.approx(0, abs=1e-2)
    words = ask(text="a box", k=50, like=[last])["hits"]
    of_words = {hit["frame_id"]: hit["confidence"] for hit in hits if hit["region_id"] is None}
    same = [hit for hit in words if hit["frame_id"] in of_words and hit["region_id"] is None]
    assert all(hit["confidence"] == pytest.approx(of_words[hit["frame_id"]], abs=1e-4) for hit in same)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"text": "a box", "like": ["0" * 32]}, "has no region"),
        ({"unlike": ["0" * 32]}, "give `text`"),
        ({"like": ["a"], "unlike": ["a"]}, "cannot be in"),
        ({"like": ["a"], "methods": ["votes"]}, "not for votes"),
    ],
)
def test_examples_that_mean_nothing_are_refused(query: dict[str, Any], says: str, web: httpx.Client) -> None:
    answer = web.post("/api/search", json=query)
    assert answer.status_code == 422
    assert says in answer.json()["error"]
