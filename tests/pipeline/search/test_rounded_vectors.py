"""Catches vectors rounded to bytes that miss a nearest region, are off by more than they say, or are of other rows."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search import candidates
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.rounded_vectors import RoundedVectors, rounded
from pipeline.search.scoring import Scorer, float32_error
from pipeline.search.searcher import Searcher
from schemas.query import Query, SearchResult, WeightedMethod
from schemas.vectors import VectorArray, normalise
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.pipeline.search.drawn import DrawnEncoder, add

QUERIES = (
    Query(text="a dog", k=7),
    Query(text="a dog", k=1000),
    Query(text="a cat", box=(0.2, 0.3, 0.6, 0.8), k=9),
    Query(text="a cat", box=(0.2, 0.3, 0.6, 0.8), k=9, norm="zscore"),
    Query(text="a tie", methods=(WeightedMethod("regions"), WeightedMethod("global")), k=9),
)


def vectors(count: int, dimension: int, *, seed: int) -> VectorArray:
    rng = np.random.default_rng(seed)
    return normalise((rng.normal(size=(count, dimension)) * 2.0 ** rng.integers(-9, 9, (count, 1))).astype(np.float32))


def held(half: np.ndarray) -> RoundedVectors:
    return RoundedVectors(*rounded(half), lambda rows: half[rows])


@given(st.integers(0, 2**16), st.sampled_from([1, 3, 48, 768]))
def test_no_product_is_further_off_than_the_error(seed: int, dimension: int) -> None:
    half = vectors(40, dimension, seed=seed).astype(np.float16)
    half[7] = 0
    query = vectors(1, dimension, seed=seed + 1)[0]
    found = held(half)
    scorer = Scorer(threads=1)
    true = 1 - half.astype(np.float64) @ query.astype(np.float64)
    slack = found.error * 1.001 + float32_error(dimension)
    assert (np.abs(scorer.rounded_distances(found, query) - true) <= slack).all()
    rows = np.array([2, 7, 30])
    some = scorer.rounded_distances(found, query, rows)
    np.testing.assert_allclose(some, scorer.rounded_distances(found, query)[rows], atol=2 * float32_error(dimension))
    scorer.close()
    assert found.error.max() < 0.5 / 127 * np.sqrt(dimension) * 1.01


def answers(result: SearchResult) -> list[tuple[str, str | None, float]]:
    return [(hit.frame_id, hit.place.region_id, hit.distance) for hit in result.hits]


def test_the_answers_are_those_of_stored_vectors_while_the_lake_changes(tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    rounding = Searcher(Lake.open(lake.uri), DrawnEncoder(), resident="int8")
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        for number in range(3):
            add(committer, World(number), pieces=2)
            whole = Searcher(Lake.open(lake.uri), DrawnEncoder())
            for query in QUERIES:
                assert answers(rounding.search(query)) == answers(whole.search(query))
        committer.upkeep.compact()
        committer.upkeep.remove_sources([World(1).source.id])
    whole = Searcher(Lake.open(lake.uri), DrawnEncoder())
    for query in QUERIES:
        assert answers(rounding.search(query)) == answers(whole.search(query))
        assert rounding.search(query).exact


def test_where_too_many_would_be_read_the_answer_says_that_it_is_not_exact(
    random_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MOST_READ", 20)
    rounding, whole = (Searcher(random_lake, DrawnEncoder(), resident=each) for each in ("int8", "float16"))
    for query in QUERIES:
        found, expected = rounding.search(query), whole.search(query)
        assert expected.exact
        one = len(query.weighted_methods) == 1
        assert found.exact == (query.norm == "raw" and one)
        if found.exact:
            assert answers(found) == answers(expected)
        elif one:  # the same frames, by normalised distances of rounded vectors
            assert {hit.frame_id for hit in found.hits} & {hit.frame_id for hit in expected.hits}


def test_a_region_takes_half_the_bytes(random_lake: Lake) -> None:
    whole, bytes_ = LakeCache(random_lake), LakeCache(random_lake, resident="int8")
    for columns in (whole, bytes_):
        columns.refresh()
    kept, halved = whole.region_vectors, bytes_.region_vectors
    assert isinstance(kept, np.ndarray)
    assert isinstance(halved, RoundedVectors)
    assert (kept.itemsize, halved.steps.itemsize) == (2, 1)
    assert kept.shape == halved.steps.shape
    np.testing.assert_array_equal(halved.read(np.array([0, 5, 599])), kept[[0, 5, 599]])
    assert halved.read(np.zeros(0, np.intp)).shape == (0, kept.shape[1])


def test_a_query_without_words_needs_no_vector(random_lake: Lake) -> None:
    encoder: Encoder | None = None
    query = Query(box=(0.2, 0.3, 0.6, 0.8), k=9, norm="minmax")
    found, expected = (Searcher(random_lake, encoder, resident=each).search(query) for each in ("int8", "float16"))
    assert found.exact
    assert answers(found) == answers(expected)
