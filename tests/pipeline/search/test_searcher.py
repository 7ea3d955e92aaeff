"""Catches queries that are answered with the wrong vector, or that should have been refused."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.encoders.catalogue import load_encoder
from operators.proposals.config import ProposalConfig
from pipeline.ingest.run import ingest
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan
from pipeline.search.searcher import Searcher
from schemas.errors import DecodeError, ModelError, QueryError
from schemas.query import Query
from tests.pipeline.lake.synthetic import SPACE
from tests.pipeline.search.drawn import DrawnEncoder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_an_image_is_sought_by_its_vector(random_lake: Lake, picture: Path) -> None:
    hits = Searcher(random_lake, DrawnEncoder()).search(Query(image=str(picture), k=1)).hits
    rows = random_lake.read("regions", columns=["vector"]).column("vector").to_pylist()
    rows += random_lake.read("frames", columns=["vector"]).column("vector").to_pylist()
    vector = DrawnEncoder().encode_images([np.array(Image.open(picture))])[0]
    nearest = min(1 - np.dot(np.array(r, np.float64), vector) for r in rows)
    assert hits[0].distance == pytest.approx(nearest, abs=1e-6)


def test_a_region_that_is_asked_for_by_its_own_box_is_the_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(2):
        coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(coarse.repeat(40, axis=0).repeat(40, axis=1)).save(tmp_path / f"{i}.png")
    lake = str(tmp_path / "lake")
    ingest([str(tmp_path / "0.png"), str(tmp_path / "1.png")], lake, Plan(proposals=ProposalConfig(use=("grid",))))
    searcher = Searcher(Lake.open(lake), load_encoder("everyday"))
    rows = searcher.search(Query(box=(0, 0, 1, 1), k=2)).hits
    for source in {hit.source for hit in rows}:
        for roi in ((0.0, 0.0, 0.5, 0.5), (0.25, 0.5, 0.5, 0.75)):
            first = searcher.search(Query(image=source, roi=roi, k=1)).hits[0]
            assert (first.source, first.place.box) == (source, roi)
            assert first.place.semantic == pytest.approx(0, abs=2e-3)  # float16 of 768 numbers


def test_an_image_that_cannot_be_read_is_named(random_lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(DecodeError, match=r"no\.png"):
        Searcher(random_lake, DrawnEncoder()).search(Query(image=str(tmp_path / "no.png")))


def test_a_text_needs_a_model(random_lake: Lake) -> None:
    with pytest.raises(QueryError, match="needs a model"):
        Searcher(random_lake).search(Query(text="a dog"))


def test_another_model_is_refused_with_the_fix(random_lake: Lake) -> None:
    with pytest.raises(ModelError, match="fill a column first: regionlake ingest --reembed --model other") as refused:
        Searcher(random_lake, DrawnEncoder(replace(SPACE, model="other", revision="other")))
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)


def test_the_same_weights_from_another_place_are_taken(random_lake: Lake) -> None:
    """A checkpoint's folder has another path on each machine; its revision is a hash of its bytes."""
    moved = Searcher(random_lake, DrawnEncoder(replace(SPACE, model="/elsewhere/model")))
    query = Query(text="somebody", k=5)
    assert moved.search(query).hits == Searcher(random_lake, DrawnEncoder()).search(query).hits


def test_a_box_that_nothing_overlaps_has_no_hits_but_whole_frames_where_the_query_names_them(random_lake: Lake) -> None:
    corner = Query(text="a dog", box=(0.9999, 0.9999, 1.0, 1.0), k=1000)
    searcher = Searcher(random_lake, DrawnEncoder())
    result = searcher.search(corner)
    assert (result.hits, result.candidates) == ((), 0)
    named = searcher.search(replace(corner, methods=("regions", "global"))).hits
    assert (len(named), {h.place.proposer for h in named}) == (100, {"frame"})


@pytest.mark.parametrize(("proposers", "count"), [({"frame"}, 100), ({"moving"}, 300), ({"grid-4", "frame"}, 400)])
def test_only_the_chosen_proposers_take_part(random_lake: Lake, proposers: set[str], count: int) -> None:
    result = Searcher(random_lake, DrawnEncoder(), proposers=frozenset(proposers)).search(Query(text="x", k=1000))
    assert {h.place.proposer for h in result.hits} == proposers
    assert result.candidates == count


def test_a_hit_tells_where_it_was_found(random_lake: Lake) -> None:
    (hit,) = Searcher(random_lake, DrawnEncoder()).search(Query(text="where", box=(0.4, 0.4, 0.6, 0.6), k=1)).hits
    frame = random_lake.read("frames", where=f"id = '{hit.frame_id}'").to_pylist()[0]
    assert (hit.source, hit.source_id, hit.pts, hit.pts_s, hit.time) == tuple(
        frame[name] for name in ("source", "source_id", "pts", "pts_s", "time")
    )
    region = random_lake.read("regions", where=f"id = '{hit.place.region_id}'").to_pylist()[0]
    assert (*hit.place.box, hit.place.proposer) == tuple(region[name] for name in ("x0", "y0", "x1", "y1", "proposer"))
    assert hit.shot_s is not None
    assert hit.shot_s[0] <= hit.pts_s < hit.shot_s[1]
