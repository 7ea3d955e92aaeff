"""Catches an answer of shards that differs in anything from that of one process, also while shards are lost and rows
arrive."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.memory.part import SPAN_S, Part
from pipeline.search.memory.resident import Resident
from pipeline.search.searcher import Searcher
from pipeline.search.shards.sharded_searcher import ShardedSearcher
from schemas.errors import QueryError
from schemas.query import Geometry, Normalisation, Query, SearchResult
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.pipeline.search.drawn import WORLDS, CalibratedEncoder, add
from tests.pipeline.search.shards.in_process import HolderHere, sharded

BOX = (0.2, 0.3, 0.6, 0.8)
LONG = (World(7, length=3000, step=100), World(8, length=2400, step=200, timed=True))  # minutes: in several parts
FRAMES = 20 * len(WORLDS) + 30 + 12
NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = Lake.create_or_open(str(tmp_path_factory.mktemp("shards") / "lake"), SPACE)
    with Committer(made, plan=stored(), fold_shots=fold_shots) as committer:
        for world in (*WORLDS, *LONG):
            add(committer, world, pieces=2)
    return made


@cache
def one_process(lake: Lake, resident: Resident = "float16") -> Searcher:
    return Searcher(lake, CalibratedEncoder(), resident=resident)


@cache
def shards(lake: Lake, count: int, resident: Resident = "float16") -> tuple[ShardedSearcher, list[HolderHere]]:
    return sharded(lake, CalibratedEncoder(), count=count, resident=resident)


def said(result: SearchResult) -> SearchResult:
    """The result without what says how it was found."""
    return replace(result, took_ms=0.0, explanation=None, access_path="", shards=0, from_lake=())


queries = st.builds(
    Query,
    text=st.sampled_from(["somebody", "a thing", "x"]),
    box=st.none() | st.just(BOX),
    norm=st.sampled_from(NORMALISATIONS),
    geometry=st.sampled_from(get_args(Geometry)),
    weight=st.sampled_from([0.0, 0.3, 1.0]),
    prior=st.sampled_from([0.0, 0.4]),
    min_confidence=st.none() | st.sampled_from([0.2, 0.6]),
    source=st.none() | st.sampled_from(["cam0", "clip-7", "nowhere"]),
    since=st.none() | st.sampled_from([0.0, 4.0, SPAN_S]),
    # at and around the number of frames in one part, and in all
    k=st.sampled_from([1, 2, 19, 20, 21, FRAMES - 1, FRAMES, FRAMES + 1]),
    methods=st.sampled_from([("regions",), ("global",)]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries, count=st.sampled_from([1, 2, 3, 5, 16]))
def test_shards_answer_as_one_process_does(lake: Lake, query: Query, count: int) -> None:
    found = shards(lake, count)[0].search(query)
    assert said(found) == said(one_process(lake).search(query))
    assert (found.shards, found.from_lake) == (count, ())


@pytest.mark.parametrize("resident", ["int8", "disk"])
@pytest.mark.parametrize("norm", NORMALISATIONS)
def test_however_vectors_are_held(lake: Lake, resident: Resident, norm: Normalisation) -> None:
    query = Query(text="somebody", box=BOX, norm=norm, k=30)
    assert said(shards(lake, 3, resident)[0].search(query)) == said(one_process(lake).search(query))


@pytest.mark.parametrize(
    "query",
    [
        Query(box=BOX, k=9),
        Query(zones=("cam1=0,0,0.7,0.7",), min_inside=0.2, k=50),
        Query(text="x", zones=("cam1=0,0,0.7,0.7", "clip-7=0.5,0 1,0 1,1"), min_inside=0.1, k=50, norm="zscore"),
        Query(text="x", not_text=("a thing",), box=BOX, norm="rrf"),
        Query(text="x", then="a thing", within_s=30.0),
        Query(text="x", methods=("regions", "global"), box=BOX),
    ],
    ids=lambda query: str(query.norm),
)
def test_other_queries_too(lake: Lake, query: Query) -> None:
    assert said(shards(lake, 4)[0].search(query)) == said(one_process(lake).search(query))


def test_a_mistake_is_raised_as_in_one_process(lake: Lake) -> None:
    searcher, _ = shards(lake, 3)
    with pytest.raises(QueryError, match="no source of the lake matches 'attic'"):
        searcher.search(Query(text="x", zones=("attic=0,0,1,1",), norm="minmax", box=None))
    with pytest.raises(QueryError, match="needs a model"):
        sharded(lake, None, count=2)[0].search(Query(text="x"))


@pytest.mark.parametrize("norm", ["raw", "zscore"])
@pytest.mark.parametrize("dies_in", [None, "spreads", "answer"])
def test_a_part_that_is_lost_is_ranked_from_the_lake(lake: Lake, norm: Normalisation, dies_in: str | None) -> None:
    searcher, holders = sharded(lake, CalibratedEncoder(), count=3)
    query = Query(text="somebody", box=BOX, norm=norm, k=40)
    expected = said(one_process(lake).search(query))
    if dies_in is None:
        holders[1].why = "away"
    else:
        holders[1].dies_in = dies_in  # type: ignore[assignment]
    found = searcher.search(query)
    assert said(found) == expected
    if dies_in == "spreads" and norm == "raw":
        assert found.from_lake == ()  # there is no first round
        return
    assert (found.shards, found.from_lake) == (3, (1,))
    assert found.explanation is not None
    assert "2 of 3 parts of the lake were ranked by their actors, part 1 from the lake" in found.explanation.why
    holders[1].why = holders[1].dies_in = None
    assert searcher.search(query).from_lake == ()


def test_all_may_be_lost(lake: Lake) -> None:
    searcher, holders = sharded(lake, CalibratedEncoder(), count=2)
    for holder in holders:
        holder.dies_in = "answer"
    found = searcher.search(Query(text="somebody", k=50))
    assert said(found) == said(one_process(lake).search(Query(text="somebody", k=50)))
    assert found.from_lake == (0, 1)


def test_parts_that_are_lost_together_are_noticed_together(lake: Lake) -> None:
    searcher, holders = sharded(lake, CalibratedEncoder(), count=4)
    for holder in holders[1:]:
        holder.dies_in = "answer"
    assert searcher.search(Query(text="somebody", k=50)).from_lake == (1, 2, 3)
    assert holders[0].calls == ["answer", "answer"]


def test_normalisations_take_two_rounds_and_others_one(lake: Lake) -> None:
    searcher, holders = sharded(lake, CalibratedEncoder(), count=2)
    searcher.search(Query(text="x", box=BOX, norm="minmax"))
    searcher.search(Query(text="x", box=BOX))
    assert [holder.calls for holder in holders] == [["spreads", "answer", "answer"]] * 2


def test_queries_that_wait_are_sent_together_and_have_their_own_answers(lake: Lake) -> None:
    searcher, holders = sharded(lake, CalibratedEncoder(), count=2)
    asked = [
        Query(text="x", box=BOX, norm="zscore"),
        Query(text="a thing"),
        Query(text="x", zones=("attic=0,0,1,1",), norm="zscore"),
        Query(text="somebody", box=BOX, norm="rrf"),
    ]
    with ThreadPoolExecutor(len(asked)) as pool, searcher._batches.turn:
        answers = [pool.submit(searcher.search, query) for query in asked]
        until = time.monotonic() + 60
        while searcher._batches.waiting < len(asked):
            assert time.monotonic() < until
        searcher._batches.turn.release()  # as the end of the query that they wait for
        try:
            for query, answer in zip(asked, answers, strict=True):
                if query.zones:
                    with pytest.raises(QueryError, match="attic"):
                        answer.result(60)
                else:
                    assert said(answer.result(60)) == said(one_process(lake).search(query))
        finally:
            searcher._batches.turn.acquire()
    assert [holder.calls for holder in holders] == [["spreads", "answer"]] * 2


def test_rows_that_arrive_are_found_and_rows_that_were_there_stay_where_they_were(tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    searcher, holders = sharded(lake, CalibratedEncoder(), count=3)
    query = Query(text="somebody", k=500)
    before: list[set[bytes]] = [set(), set(), set()]
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        for world in (*LONG, *WORLDS):
            add(committer, world, pieces=3)
            found = searcher.search(query)
            assert said(found) == said(Searcher(lake, CalibratedEncoder()).search(query))
            now = [set(holder.shard.listing().frame_id.tolist()) for holder in holders]
            assert all(old <= new for old, new in zip(before, now, strict=True))
            before = now
    assert all(before)  # one long recording alone has minutes in each part
    assert sum(map(len, before)) == len(set.union(*before)) == FRAMES


def test_the_listing_is_that_of_one_process_and_changes_with_the_lake(tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    searcher, _ = sharded(lake, CalibratedEncoder(), count=3)
    assert len(searcher.listing()) == 0
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        for world in (WORLDS[0], LONG[0]):
            add(committer, world)
            assert searcher.refresh()
            assert not searcher.refresh()
            listed, expected = searcher.listing(), Searcher(lake).listing()
            assert searcher.listing() is listed
            keys = ("frame_id", "pts", "pts_s", "time", "regions")
            for name in keys:
                assert sorted(getattr(listed, name).tolist()) == sorted(getattr(expected, name).tolist())
            by_id = dict(zip(listed.frame_id.tolist(), listed.source.tolist(), strict=True))
            for frame, source in zip(expected.frame_id.tolist(), expected.source.tolist(), strict=True):
                assert listed.source_ids[by_id[frame]] == expected.source_ids[source]
                assert listed.uris[by_id[frame]] == expected.uris[source]


def test_frames_of_a_minute_are_in_one_part_and_minutes_in_turn() -> None:
    pts_s = np.array([0.0, 59.9, 60.0, 119.0, 120.0, 180.0])
    held = [Part(number, 3).holds(np.zeros(6, np.int64), pts_s, ids=["a"]) for number in range(3)]
    assert np.stack(held).sum(axis=0).tolist() == [1] * 6
    parts = np.stack(held).argmax(axis=0)
    assert parts[0] == parts[1] == parts[5]
    assert parts[2] == parts[3]
    assert len({*parts.tolist()}) == 3
