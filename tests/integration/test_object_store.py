"""Catches sources and lakes that work on disk only. The bucket is served by moto over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from operators.encoders.region_vectors import RegionVectorsConfig
from pipeline.ingest.run import ingest
from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan
from pipeline.reading.sources import Failure, Location, find_sources
from tests.integration.buckets import served_buckets

PLAN = Plan(regions=RegionVectorsConfig(mode="pool"))


@pytest.fixture(scope="module")
def bucket(six_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`s3://clips` with three clips and a text file, and `s3://lakes`, empty."""
    with served_buckets(tmp_path_factory.mktemp("cache"), "clips", "lakes") as store:
        for number in range(3):
            store.upload_file(str(six_clips / f"clip-{number}.mp4"), "clips", f"deep/clip-{number}.mp4")
        store.put_object(Bucket="clips", Key="deep/notes.txt", Body=b"not a video")
        yield "s3://clips"


def test_prefixes_and_globs_of_a_bucket_are_searched(bucket: str) -> None:
    clips = [f"{bucket}/deep/clip-{n}.mp4" for n in range(3)]
    assert [f.uri for f in find_sources([bucket])] == clips
    assert [f.uri for f in find_sources([f"{bucket}/deep/clip-[01].mp4"])] == clips[:2]
    [missing] = find_sources([f"{bucket}/*.avi"])
    assert isinstance(missing, Failure)
    [named] = find_sources([f"{bucket}/deep/notes.txt"])
    assert isinstance(named, Location)


def test_a_lake_in_a_bucket_from_clips_in_a_bucket_is_the_lake_on_disk(
    bucket: str, six_clips: Path, tmp_path: Path
) -> None:
    report = ingest([bucket, f"{bucket}/deep/gone.mp4"], "s3://lakes/one", PLAN, engine="local")
    assert report.segments == 3
    assert [f.uri for f in report.quarantined] == [f"{bucket}/deep/gone.mp4"]
    assert ingest([bucket], "s3://lakes/one", PLAN, engine="local").skipped == 3
    remote = Lake.open("s3://lakes/one")
    assert check(remote).problems == ()
    ingest([str(six_clips / f"clip-{n}.mp4") for n in range(3)], str(tmp_path / "lake"), PLAN, engine="local")
    here = Lake.open(str(tmp_path / "lake"))
    for table in ("frames", "regions"):
        ids = [sorted(lake.read(table, columns=["id"])["id"].to_pylist()) for lake in (remote, here)]  # type: ignore[arg-type]
        assert ids[0] == ids[1]
    assert any("source" in difference for difference in compare(remote, here))  # only the URIs differ
