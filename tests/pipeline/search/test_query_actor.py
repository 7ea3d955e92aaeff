"""Catches a query actor whose answers differ from a searcher's, or are for another lake, or that hides its errors."""

import os
import re
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.query_actor import QueryActor, QueryClient
from pipeline.search.searcher import Searcher
from schemas.errors import LakeError, ModelError, QueryError, WorkerDiedError
from schemas.query import Query
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.pipeline.search.drawn import DrawnEncoder, add

TEXT = Query(text="somebody", box=(0.2, 0.2, 0.7, 0.7), k=12)


def drawn(model: str) -> DrawnEncoder:
    assert model == SPACE.model
    return DrawnEncoder()


def test_in_this_process_it_is_a_searcher(random_lake: Lake) -> None:
    actor = QueryActor(random_lake.uri, load=drawn)
    assert actor.search(TEXT).hits == Searcher(random_lake, DrawnEncoder()).search(TEXT).hits
    assert not actor.refresh()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_the_actor_answers_as_a_searcher_does(random_lake: Lake) -> None:
    client = QueryClient(random_lake.uri, load=drawn)
    assert client.search(TEXT).hits == Searcher(random_lake, DrawnEncoder()).search(TEXT).hits
    client.close()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_the_actor_follows_the_lake(tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    client = QueryClient(lake.uri, load=None)
    everything = Query(box=(0.0, 0.0, 1.0, 1.0), k=100)
    assert client.search(everything).hits == ()
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        add(committer, World(0))
    assert client.refresh()
    assert len(client.search(everything).hits) == 20
    client.close()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_errors_come_back_as_they_were_raised(random_lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="regionlake ingest"):
        QueryClient(str(tmp_path / "none"), load=None)
    with pytest.raises(ModelError, match="unknown model 'synthetic'"):
        QueryClient(random_lake.uri)
    client = QueryClient(random_lake.uri, load=None)
    with pytest.raises(QueryError, match="needs a model"):
        client.search(TEXT)
    client.close()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_an_actor_is_shared_by_its_name_however_the_lakes_path_is_written(random_lake: Lake) -> None:
    first = QueryClient(random_lake.uri, load=drawn, name="shared")
    second = QueryClient(os.path.relpath(random_lake.uri), load=None, name="shared")
    assert second.search(TEXT).hits == first.search(TEXT).hits
    first.close()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_an_actor_of_another_lake_or_without_a_model_is_refused_by_name(random_lake: Lake, empty_lake: Lake) -> None:
    client = QueryClient(random_lake.uri, load=None, name="other")
    with pytest.raises(QueryError, match=f"'other' serves the lake {re.escape(random_lake.uri)}"):
        QueryClient(empty_lake.uri, load=None, name="other")
    with pytest.raises(QueryError, match=r"'other' serves .* without a model"):
        QueryClient(random_lake.uri, load=drawn, name="other")
    assert client.search(Query(box=(0.0, 0.0, 1.0, 1.0))).hits  # who refuses an actor leaves it to its clients
    client.close()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_client_that_cannot_open_its_lake_leaves_the_name_free(random_lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no lake at"):
        QueryClient(str(tmp_path / "none"), load=None, name="freed")
    client = QueryClient(random_lake.uri, load=drawn, name="freed")
    assert client.search(TEXT).hits
    client.close()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_an_actor_that_died_comes_back_and_one_that_was_ended_says_so(random_lake: Lake) -> None:
    import ray

    client = QueryClient(random_lake.uri, load=drawn)
    before = client.search(TEXT).hits
    ray.kill(client._actor, no_restart=False)  # as a worker that the kernel killed for memory
    assert client.search(TEXT).hits == before
    client.close()
    with pytest.raises(WorkerDiedError, match="make a new QueryClient"):
        client.search(TEXT)
