"""Catches methods of ranking whose order, alone or fused, differs from their definition."""

import numpy as np
import pytest

from pipeline.lake.lake import Lake
from pipeline.search.searcher import Searcher
from schemas.errors import QueryError
from schemas.query import Query, WeightedMethod
from tests.pipeline.search.drawn import DrawnEncoder

BOX = (0.2, 0.3, 0.6, 0.8)


@pytest.fixture(scope="module")
def searcher(random_lake: Lake) -> Searcher:
    return Searcher(random_lake, DrawnEncoder())


def test_whole_frames_are_ranked_by_their_vectors(random_lake: Lake, searcher: Searcher) -> None:
    rows = random_lake.read("frames", columns=["id", "vector"]).to_pylist()
    text = DrawnEncoder().encode_texts(["a dog"])[0].astype(np.float64)
    expected = sorted(rows, key=lambda row: (np.float32(1 - np.dot(row["vector"], text)), row["id"]))
    hits = searcher.search(Query(text="a dog", k=20, methods=(WeightedMethod("global"),))).hits
    assert [hit.frame_id for hit in hits] == [row["id"] for row in expected[:20]]
    assert {hit.place.proposer for hit in hits} == {"frame"}


def test_regions_by_name_are_as_regions_by_default(searcher: Searcher) -> None:
    """The default skips what cannot be among the best; fused with others, every frame has its distance."""
    query = Query(text="a dog", box=BOX, k=30)
    alone = searcher.search(query)
    heavy = (WeightedMethod("regions", 1e9), WeightedMethod("global", 1.0))
    fused = searcher.search(Query(text="a dog", box=BOX, k=30, methods=heavy, fuse="weighted"))
    assert [hit.frame_id for hit in fused.hits] == [hit.frame_id for hit in alone.hits]
    assert [(h.place.box, h.place.region_id, h.place.semantic) for h in fused.hits] == [
        (h.place.box, h.place.region_id, h.place.semantic) for h in alone.hits
    ]


def test_two_ways_are_fused_by_their_ranks(searcher: Searcher) -> None:
    ranks: dict[str, dict[str, int]] = {}
    for method in (WeightedMethod("regions"), WeightedMethod("global")):
        found = searcher.search(Query(text="a dog", k=1000, methods=(method,))).hits
        ranks[method.name] = {hit.frame_id: 1 + sum(h.distance < hit.distance for h in found) for hit in found}
    expected = {
        frame: 1 - (2 * 61 / (60 + rank) + 61 / (60 + ranks["global"][frame])) / 3
        for frame, rank in ranks["regions"].items()
    }
    methods = (WeightedMethod("regions", 2.0), WeightedMethod("global"))
    hits = searcher.search(Query(text="a dog", k=10, methods=methods)).hits
    assert [hit.distance for hit in hits] == pytest.approx([expected[hit.frame_id] for hit in hits], abs=1e-6)
    assert [hit.distance for hit in hits] == pytest.approx(sorted(expected.values())[:10], abs=1e-6)


def test_words_that_are_not_wanted_push_frames_away(searcher: Searcher) -> None:
    encoder = DrawnEncoder()
    wanted, unwanted = encoder.encode_texts(["a dog"])[0], encoder.encode_texts(["a cat"])[0]
    hit = searcher.search(Query(text="a dog", not_text=("a cat",), not_weight=0.5, k=1)).hits[0]
    plain = searcher.search(Query(text="a dog", k=1000)).hits
    assert hit.place.semantic is not None
    assert hit.distance == hit.place.semantic
    lake = searcher._state.lake
    rows = [r["vector"] for t in ("regions", "frames") for r in lake.read(t, columns=["vector"]).to_pylist()]  # type: ignore[arg-type]
    best = min(1 - float(np.dot(np.array(v, np.float64), wanted - 0.5 * unwanted)) for v in rows)
    assert hit.distance == pytest.approx(best, abs=1e-5)
    assert plain[0].place.semantic is not None


def test_what_follows_comes_later_in_the_same_source(searcher: Searcher) -> None:
    hits = searcher.search(Query(text="a dog", then="a cat", within_s=3.0, k=10)).hits
    assert hits
    for hit in hits:
        assert hit.then is not None
        assert hit.then.source_id == hit.source_id
        assert 0 < hit.then.pts_s - hit.pts_s <= 3.0
    together = [(hit.frame_id, hit.then.frame_id) for hit in hits if hit.then]
    assert len({after for _, after in together}) == len(together)
    assert [hit.distance for hit in hits] == sorted(hit.distance for hit in hits)


def test_meaning_is_needed_where_only_meaning_ranks(random_lake: Lake) -> None:
    with pytest.raises(QueryError, match="ranks by meaning"):
        Searcher(random_lake).search(Query(box=BOX, methods=(WeightedMethod("global"),)))
