"""Catches actors that answer otherwise than one process, that are not replaced when they die, or that hide an error."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.searcher import Searcher
from pipeline.search.session import SearchSession
from pipeline.search.shards.ray_shards import RayShards
from schemas.query import Query, SearchResult
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.pipeline.search.drawn import WORLDS, DrawnEncoder, add

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]
LONG_S = 120.0  # a worker of Ray starts in seconds, and on a busy machine in many
QUERY = Query(text="somebody", box=(0.2, 0.2, 0.7, 0.7), k=12, norm="zscore")


def test_actors_answer_as_one_process_also_when_one_is_killed_under_load_and_rows_arrive(tmp_path: Path) -> None:
    import ray

    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        for world in WORLDS[:4]:
            add(committer, world)
    # a lake's path may be relative, and workers have another folder
    shards = RayShards(Lake.open(os.path.relpath(lake.uri)), count=2, start_s=LONG_S, patience_s=LONG_S)
    searcher = shards.searcher(DrawnEncoder())
    expected = Searcher(lake, DrawnEncoder()).search(QUERY).hits
    first = searcher.search(QUERY)
    assert (first.hits, first.shards, first.from_lake) == (expected, 2, ())

    answers: list[SearchResult] = []
    errors: list[BaseException] = []
    ended = threading.Event()

    def ask() -> None:
        try:
            while not ended.is_set():
                answers.append(searcher.search(QUERY))
        except BaseException as error:
            errors.append(error)

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    killed = shards.actors[1].actor
    ray.kill(killed)
    try:
        _until(lambda: any(answer.from_lake == (1,) for answer in answers), errors)
        _until(lambda: shards.actors[1].actor is not killed and answers[-1].from_lake == (), errors)
    finally:
        ended.set()
        for client in clients:
            client.join()
    assert not errors
    assert all(answer.hits == expected for answer in answers)

    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        add(committer, WORLDS[4])
    found = searcher.search(QUERY)
    assert found.hits == Searcher(lake, DrawnEncoder()).search(QUERY).hits != expected
    assert found.from_lake == ()
    shards.close()
    assert ray.is_initialized()  # a cluster that was there stays


def test_a_part_whose_machine_cannot_read_the_lake_is_ranked_here(tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        add(committer, World(0))
    shards = RayShards(lake, count=1, start_s=LONG_S, patience_s=LONG_S)
    shards.uri = str(tmp_path / "elsewhere")  # as on a machine without that folder
    found = shards.searcher(None).search(Query(box=(0.0, 0.0, 1.0, 1.0), k=100))
    assert (len(found.hits), found.from_lake) == (20, (0,))
    assert found.explanation is not None
    assert "no lake at" in found.explanation.why
    shards.close()


def test_a_session_shares_a_lake_out_and_ends_its_actors(random_lake: Lake) -> None:
    session = SearchSession(random_lake, shards=2)
    query = Query(box=(0.2, 0.2, 0.7, 0.7), k=12)
    assert session.search(query).hits == Searcher(random_lake).search(query).hits
    assert len(session.listing()) == len(Searcher(random_lake).listing())
    session.close()


def _until(true: Callable[[], bool], errors: list[BaseException]) -> None:
    until = time.monotonic() + LONG_S
    while not true():
        assert not errors
        assert time.monotonic() < until
        time.sleep(0.05)
