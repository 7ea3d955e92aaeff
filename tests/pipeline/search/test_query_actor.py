"""Catches a query actor that answers otherwise than a searcher, or hides what went wrong in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.lake.committer import Committer
from pipeline.lake.lake import Lake
from pipeline.search.query_actor import QueryActor, QueryClient
from pipeline.search.searcher import Searcher
from schemas.errors import LakeError, ModelError, QueryError
from schemas.query import Query
from tests.pipeline.lake.synthetic import PLAN, SPACE, World, fold_shots
from tests.pipeline.search.drawn import DrawnEncoder, add

TEXT = Query(text="somebody", box=(0.2, 0.2, 0.7, 0.7), k=12)


def drawn(model: str) -> DrawnEncoder:
    assert model == SPACE.model
    return DrawnEncoder()


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_in_this_process_it_is_a_searcher(random_lake: Lake) -> None:
    actor = QueryActor(random_lake.uri, load=drawn)
    assert actor.search(TEXT).hits == Searcher(random_lake, DrawnEncoder()).search(TEXT).hits
    assert not actor.refresh()


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_the_actor_answers_as_a_searcher_does(random_lake: Lake) -> None:
    client = QueryClient(random_lake.uri, load=drawn)
    assert client.search(TEXT).hits == Searcher(random_lake, DrawnEncoder()).search(TEXT).hits
    client.close()


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_the_actor_follows_the_lake(tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    client = QueryClient(lake.uri, load=None)
    everything = Query(box=(0.0, 0.0, 1.0, 1.0), k=100)
    assert client.search(everything).hits == ()
    with Committer(lake, plan_hash=PLAN, fold_shots=fold_shots) as committer:
        add(committer, World(0))
    assert client.refresh()
    assert len(client.search(everything).hits) == 20
    client.close()


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_errors_come_back_as_they_were_raised(random_lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="regionlake ingest"):
        QueryClient(str(tmp_path / "none"), load=None)
    with pytest.raises(ModelError, match="unknown model 'synthetic'"):
        QueryClient(random_lake.uri)
    client = QueryClient(random_lake.uri, load=None)
    with pytest.raises(QueryError, match="needs a model"):
        client.search(TEXT)
    client.close()
