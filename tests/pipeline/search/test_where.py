"""Catches whole frames and static windows that stand before regions at a place, hits outside of their zone, and zones
that are used for other sources than those they were drawn for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest

from operators.ranking.zones import share_inside
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.memory.resident import Resident
from pipeline.search.searcher import Searcher
from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.query import Query, SearchResult
from schemas.query_json import result_json
from schemas.regions import is_static
from schemas.sources import Segment
from schemas.zones import Zone
from tests.pipeline.lake.synthetic import World, fold_shots, stored
from tests.pipeline.search.drawn import DrawnEncoder, add

Find = Callable[..., SearchResult]
ELL = Zone.parse("0,0 1,0 1,.5 .5,.5 .5,1 0,1")


@pytest.fixture(scope="module", params=get_args(Resident))
def find(random_lake: Lake, request: pytest.FixtureRequest) -> Find:
    searcher = Searcher(random_lake, DrawnEncoder(), resident=request.param)
    return lambda **query: searcher.search(Query(**({"k": 1000} | query)))


def shares(result: SearchResult, zone: Zone) -> list[float]:
    shown: list[float] = share_inside(Boxes(np.array([h.place.box for h in result.hits], np.float32)), zone).tolist()
    return shown


@pytest.mark.parametrize("text", ["a dog", None])
def test_at_least_half_of_every_hit_lies_in_the_zone_and_its_distance_says_how_much(
    find: Find, text: str | None
) -> None:
    found = find(text=text, zones=(ELL,))
    assert 50 < len(found.hits) <= 100
    inside = shares(found, ELL)
    assert min(inside) >= 0.5
    np.testing.assert_allclose([h.place.geometric for h in found.hits], 1 - np.array(inside), atol=1e-6)
    assert {h.place.proposer for h in found.hits} == {"moving"}


def test_the_least_share_may_be_another(find: Find) -> None:
    counts = []
    for least in (0.0, 0.25, 0.5, 0.9, 1.0):
        found = find(text="a dog", zones=(ELL,), min_inside=least)
        assert min(shares(found, ELL)) >= least
        assert min(shares(found, ELL)) > 0
        counts.append(found.candidates)
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == 5


def test_the_size_of_a_region_in_the_zone_does_not_matter(find: Find) -> None:
    everywhere = find(text="a dog", zones=((0, 0, 1, 1),), prior=0.0)
    assert {h.place.geometric for h in everywhere.hits} == {0.0}
    plain = [h.place.semantic for h in everywhere.hits]
    assert plain == sorted(plain, key=lambda d: d or 0.0)


def test_a_box_with_the_geometry_inside_is_a_zone(find: Find) -> None:
    box = (0.2, 0.3, 0.6, 0.8)
    as_box, as_zone = find(text="a dog", box=box, geometry="inside"), find(text="a dog", zones=(box,))
    assert as_box.hits == as_zone.hits
    assert as_box.candidates == as_zone.candidates < find(text="a dog", box=box).candidates


def test_a_hit_lies_in_one_of_several_zones(find: Find) -> None:
    zones = (Zone.of((0, 0, 0.3, 0.6)), Zone.of((0.6, 0.4, 1, 1)))
    both = find(text="a dog", zones=zones)
    best = np.maximum(*(shares(both, zone) for zone in zones))
    assert best.min() >= 0.5
    np.testing.assert_allclose([h.place.geometric for h in both.hits], 1 - best, atol=1e-6)
    frames = [{h.frame_id for h in find(text="a dog", zones=(zone,)).hits} for zone in zones]
    assert {h.frame_id for h in both.hits} == frames[0] | frames[1]


def test_other_sources_are_searched_by_meaning_alone_and_named(find: Find) -> None:
    found = find(text="a dog", zones=(Zone.parse("cam0=0,0,.4,1"),), source="/cam", prior=0.0)
    others = ("/videos/cam1/clip-1.mp4", "/videos/cam2/clip-2.mp4", "/videos/cam1/clip-4.mp4")
    assert set(found.by_meaning_alone) == set(others)
    assert found.omitted == ()
    plain = {h.frame_id: h for h in find(text="a dog").hits}
    for hit in found.hits:
        if hit.source in others:  # the nearest place of all, as if the frame was the zone
            like = plain[hit.frame_id]
            assert (hit.place.box, hit.place.semantic) == (like.place.box, like.place.semantic)
            assert hit.place.geometric is None
            assert hit.distance == pytest.approx(0.5 * (like.place.semantic or 0), abs=1e-6)
        else:
            assert hit.place.geometric is not None
            assert hit.place.geometric <= 0.5
    assert {h.source for h in found.hits} > set(others)
    assert "frame" in {h.place.proposer for h in found.hits if h.source in others}
    assert result_json(found)["by_meaning_alone"] == found.by_meaning_alone


def test_other_sources_are_omitted_and_named_where_the_query_has_no_meaning(find: Find) -> None:
    found = find(zones=(Zone.parse("cam0=0,0,.4,1"),))
    assert {h.source for h in found.hits} == {"/videos/cam0/clip-0.mp4", "/videos/cam0/clip-3.mp4"}
    assert len(found.omitted) == 3
    assert found.by_meaning_alone == ()
    assert result_json(found)["omitted"] == found.omitted


def test_a_zone_of_each_source_and_one_of_all(find: Find) -> None:
    of_each = find(text="a dog", zones=(Zone.parse("cam0=0,0,.5,1"), Zone.parse("*/cam[12]/*=.5,0,1,1")), source="cam0")
    assert of_each.by_meaning_alone == of_each.omitted == ()
    assert {h.source for h in of_each.hits} == {"/videos/cam0/clip-0.mp4", "/videos/cam0/clip-3.mp4"}
    with_all = find(text="a dog", zones=(Zone.parse("cam0=0,0,.5,1"), Zone.parse(".5,0,1,1")))
    assert with_all.by_meaning_alone == ()
    for hit in with_all.hits:
        x0, _, x1, _ = hit.place.box
        right = (x1 - max(x0, 0.5)) / (x1 - x0) >= 0.5 - 1e-6
        assert right or "cam0" in hit.source


def test_a_zone_may_be_for_ids_of_sources(find: Find) -> None:
    everything = find(text="a dog")
    id = next(h.source_id for h in everything.hits if h.source.endswith("clip-2.mp4"))
    found = find(zones=(Zone(ELL.corners, source_ids=(id,)),))
    assert found.hits == find(zones=(Zone(ELL.corners, source="clip-2.mp4"),)).hits
    assert {h.source_id for h in found.hits} == {id}
    both = find(zones=(Zone(ELL.corners, source="clip-0.mp4", source_ids=(id,)),))
    assert {h.source.rpartition("/")[2] for h in both.hits} == {"clip-0.mp4", "clip-2.mp4"}


def test_a_zone_of_a_source_that_the_lake_does_not_have_is_refused(find: Find) -> None:
    with pytest.raises(QueryError, match="no source of the lake matches 'cam9'"):
        find(text="a dog", zones=(Zone.parse("cam9=0,0,.5,1"),))


def test_what_follows_has_a_box_of_its_own_and_no_zone(find: Find) -> None:
    query: dict[str, Any] = {"text": "a dog", "zones": ((0, 0, 0.5, 1),), "then": "a cat", "within_s": 5.0}
    anywhere = find(**query)
    assert min(shares(anywhere, Zone.of((0, 0, 0.5, 1)))) >= 0.5
    assert any(h.then is not None and h.then.place.box[0] > 0.5 for h in anywhere.hits)
    assert all(h.then is not None and h.then.place.geometric is None for h in anywhere.hits)
    there = find(**query, then_box=(0.6, 0, 1, 1)).hits
    assert all(h.then is not None and h.then.place.box[2] > 0.6 for h in there)


class WindowedWorld(World):
    """Every other frame has static windows alone."""

    def rows(self, segment: Segment, *, patches: bool = False) -> SegmentRows:
        rows = super().rows(segment, patches=patches)
        names = [
            "grid-4" if pts % 10 else name
            for pts, name in zip(rows.regions["pts"].to_pylist(), rows.regions["proposer"].to_pylist(), strict=True)
        ]
        place = rows.regions.schema.get_field_index("proposer")
        field = rows.regions.schema.field(place)
        return replace(rows, regions=rows.regions.set_column(place, field, pa.array(names, field.type)))


@pytest.mark.parametrize("query", [Query(box=(0, 0, 1, 1), k=99), Query(zones=((0, 0, 1, 1),), k=99)])  # type: ignore[arg-type]
def test_static_windows_stand_in_where_a_frame_has_no_other_region(empty_lake: Lake, query: Query) -> None:
    with Committer(empty_lake, plan=stored(), fold_shots=fold_shots) as writer:
        add(writer, WindowedWorld(0))
    found = Searcher(empty_lake).search(query)
    assert {h.pts % 10: h.place.proposer for h in found.hits} == {0: "moving", 5: "grid-4"}
    assert (len(found.hits), found.candidates) == (20, 10 * 3 + 10 * 6)
    without_place = Searcher(empty_lake, DrawnEncoder()).search(Query(text="a dog"))
    assert without_place.candidates == 20 * 7


def test_static_windows_are_known_by_their_names() -> None:
    names = ["grid-2", "cover-3", "moving", "frame", "gridlock", "grid", "my-grid-4", "cover-x"]
    assert [name for name in names if is_static(name)] == ["grid-2", "cover-3"]
