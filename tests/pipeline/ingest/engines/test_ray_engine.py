"""Catches a lake written to the cluster's working directory, a committer on another machine than its folder, and Ray
left running."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from operators.encoders.region_vectors import RegionVectorsConfig
from operators.proposals.config import ProposalConfig
from pipeline.ingest.run import ingest
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan, RunConfig
from schemas.errors import LakeError, PlanError, RegionLakeError
from tests.integration.clips import make_clip

pytestmark = pytest.mark.ray

PLAN = Plan(proposals=ProposalConfig(use=("grid",)), regions=RegionVectorsConfig(mode="pool"))


@pytest.fixture(scope="module")
def cluster_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster of two nodes, each with two CPUs, runs; where its workers stand. The caller stands elsewhere."""
    import ray
    from ray.cluster_utils import Cluster

    ray.shutdown()  # `ray_cluster` has one node
    folder, stood = tmp_path_factory.mktemp("cluster"), Path.cwd()
    os.chdir(folder)
    try:
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
        cluster.add_node(num_cpus=2)
    finally:
        os.chdir(stood)
    try:
        ray.init(cluster.address, log_to_driver=False)
        yield folder
    finally:
        ray.shutdown()
        cluster.shutdown()


class NotesItsNode:
    """A writer that leaves the id of its node in a folder."""

    def __init__(self, folder: Path) -> None:
        import ray

        (folder / str(os.getpid())).write_text(ray.get_runtime_context().get_node_id())

    def close(self) -> None: ...


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize(
    ("plan", "lake", "error"),
    [(Plan(run=RunConfig(readers=500)), "lake", PlanError), (PLAN, "a file", LakeError)],
)
def test_a_failed_start_ends_the_ray_that_it_started(
    plan: Plan, lake: str, error: type[RegionLakeError], tmp_path: Path
) -> None:
    import ray

    (tmp_path / "a file").touch()
    assert not ray.is_initialized()  # the cluster of the tests below is not started yet
    with pytest.raises(error):
        ingest([], str(tmp_path / lake), plan, engine="ray")
    assert not ray.is_initialized()


def test_a_relative_lake_is_made_where_the_caller_stands(
    cluster_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "clip.mp4", seed=3, seconds=2)
    monkeypatch.chdir(tmp_path)
    assert ingest([str(tmp_path / "clip.mp4")], "lake", PLAN, engine="ray").ok
    assert check(Lake.open("lake")).problems == ()
    assert not (cluster_folder / "lake").exists()


@pytest.mark.usefixtures("cluster_folder")
def test_the_writer_of_a_local_lake_runs_on_the_callers_node(tmp_path: Path) -> None:
    import ray

    from pipeline.ingest.engines.ray_writer import ActorWriter

    make_writer: Any = partial(NotesItsNode, tmp_path)
    writers = [ActorWriter(make_writer, on_this_node=True) for _ in range(4)]  # by chance, 1 of 16 would pass
    nodes = [note.read_text() for note in tmp_path.iterdir()]
    assert nodes == [ray.get_runtime_context().get_node_id()] * len(writers)
