"""Catches queries that are answered together and get another's answer, another error, or another bit than alone."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.lake.lake import Lake
from pipeline.search.answering.batches import Batches
from pipeline.search.candidates import Candidates
from pipeline.search.memory.resident import Resident
from pipeline.search.memory.rounded_vectors import RoundedVectors, rounded
from pipeline.search.scoring import Scorer, float32_error
from pipeline.search.searcher import Searcher
from schemas.boxes import FloatArray
from schemas.errors import QueryError
from schemas.query import Query
from schemas.vectors import VectorArray, normalise
from tests.pipeline.search.drawn import CalibratedEncoder

LONG_S = 60
queries = st.builds(
    Query,
    text=st.sampled_from(["somebody", "a thing", "x"]),
    box=st.none() | st.sampled_from([(0.2, 0.3, 0.6, 0.8), (0.0, 0.0, 0.1, 0.1)]),
    norm=st.sampled_from(["raw", "raw", "minmax"]),
    source=st.none() | st.sampled_from(["cam0", "nowhere"]),
    min_confidence=st.none() | st.just(0.4),
    k=st.sampled_from([1, 20, 300]),
    methods=st.sampled_from([("regions",), ("regions",), ("global",)]),
)


@pytest.fixture(scope="module", params=["float16", "int8"])
def searcher(random_lake: Lake, request: pytest.FixtureRequest) -> Searcher:
    resident: Resident = request.param
    return Searcher(random_lake, CalibratedEncoder(), resident=resident)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(queries, min_size=1, max_size=6))
def test_queries_have_the_answers_that_they_have_alone(searcher: Searcher, asked: list[Query]) -> None:
    together = searcher.answer([searcher.asked(query) for query in asked])
    for query, found in zip(asked, together, strict=True):
        assert not isinstance(found, Exception)
        alone = searcher.search(query)
        assert (found.query, found.hits, found.exact) == (query, alone.hits, alone.exact)
        assert found.candidates == alone.candidates


def test_an_error_is_of_its_own_query(searcher: Searcher) -> None:
    good, bad = Query(text="x", k=3), Query(text="x", zones=("attic=0,0,1,1",))
    first, second, third = searcher.answer([searcher.asked(query) for query in (good, bad, good)])
    assert isinstance(second, QueryError)
    assert not isinstance(first, Exception)
    assert not isinstance(third, Exception)
    assert first.hits == third.hits == searcher.search(good).hits


def test_no_more_candidates_are_in_memory_than_fit(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    searcher.refresh()
    monkeypatch.setattr("pipeline.search.searcher.BYTES_TOGETHER", 16 * len(searcher._columns.frame) * 3 + 7)
    passes: list[int] = []
    real = Scorer.distances_of_many

    def counted(self: Scorer, vectors: Any, asked: VectorArray) -> FloatArray:
        passes.append(len(asked))
        return real(self, vectors, asked)

    monkeypatch.setattr(Scorer, "distances_of_many", counted)
    several = [Query(text=text, k=5) for text in ("a", "b", "c", "d", "e")]
    together = searcher.answer([searcher.asked(query) for query in several])
    assert set(passes) == {3, 2}
    for query, found in zip(several, together, strict=True):
        assert not isinstance(found, Exception)
        assert found.hits == searcher.search(query).hits


def test_an_error_of_one_spread_is_of_its_own_query(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Candidates.spreads

    def failing(self: Candidates, vector: VectorArray, *args: Any, **more: Any) -> object:
        if np.array_equal(vector, bad.target.vector):
            raise QueryError("it cannot be")
        return real(self, vector, *args, **more)

    good, bad = (searcher.asked(Query(text=text, box=(0.2, 0.3, 0.6, 0.8), norm="minmax")) for text in ("x", "y"))
    monkeypatch.setattr(Candidates, "spreads", failing)
    found = searcher.spreads([good, bad, good])
    assert [type(each) for each in found] == [tuple, QueryError, tuple]


@pytest.mark.parametrize("held", ["float16", "int8"])
def test_one_pass_computes_the_distances_of_all_queries(held: Resident) -> None:
    rng = np.random.default_rng(0)
    vectors = normalise(rng.normal(size=(40_000, 24)).astype(np.float32)).astype(np.float16)
    asked = normalise(rng.normal(size=(5, 24)).astype(np.float32))
    scorer = Scorer(threads=2)
    error = 0.0
    kept: np.ndarray | RoundedVectors = vectors
    if held == "int8":
        steps, step, errors = rounded(vectors)
        kept, error = RoundedVectors(steps, step, errors, lambda rows: vectors[rows]), float(errors.max()) * 1.01
    found = scorer.distances_of_many(kept, asked)
    exact = 1 - asked.astype(np.float64) @ vectors.astype(np.float64).T
    assert found.shape == (5, 40_000)
    assert np.abs(found - exact).max() <= error + float32_error(24)
    scorer.close()


def test_calls_that_wait_are_answered_together_in_their_order() -> None:
    began, go = threading.Event(), threading.Event()
    batches: list[list[int]] = []

    def answer(items: Sequence[int]) -> list[int | Exception]:
        batches.append([*items])
        if items == [0]:
            began.set()
            assert go.wait(LONG_S)
        return [ValueError(str(item)) if item == 3 else item * 10 for item in items]

    shared: Batches[int, int] = Batches(answer, most=3)
    results: dict[int, object] = {}

    def call(item: int) -> None:
        try:
            results[item] = shared(item)
        except ValueError as error:
            results[item] = str(error)

    threads = [threading.Thread(target=call, args=(item,)) for item in range(6)]
    threads[0].start()
    assert began.wait(LONG_S)
    for item, thread in enumerate(threads[1:], start=1):
        thread.start()
        while shared.waiting < item:
            assert thread.is_alive()
    go.set()
    for thread in threads:
        thread.join(LONG_S)
    assert batches == [[0], [1, 2, 3], [4, 5]]
    assert results == {0: 0, 1: 10, 2: 20, 3: "3", 4: 40, 5: 50}


def test_an_error_of_the_whole_batch_is_raised_and_the_next_batch_is_answered() -> None:
    def answer(items: Sequence[int]) -> list[int | Exception]:
        if 1 in items:
            raise OSError("the lake is away")
        return [*items]

    shared: Batches[int, int] = Batches(answer, most=3)
    with pytest.raises(OSError, match="away"):
        shared(1)
    assert shared(2) == 2
