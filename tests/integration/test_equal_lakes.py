"""Catches rows that depend on the engine, on how a file was cut, or on how often it was ingested."""

from dataclasses import replace
from pathlib import Path

import pytest

from operators.encoders.region_vectors import RegionVectorsConfig
from pipeline.ingest.run import ingest
from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan, RunConfig


def plan(segment_s: float) -> Plan:
    return replace(Plan(patches=True, regions=RegionVectorsConfig(mode="pool")), run=RunConfig(segment_s=segment_s))


@pytest.fixture(scope="module")
def whole(six_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The six clips, ingested by the local engine with one segment each."""
    lake = str(tmp_path_factory.mktemp("lakes") / "whole")
    report = ingest([str(six_clips)], lake, plan(300), engine="local")
    assert report.ok
    assert report.segments == 6
    assert report.frames_decoded == 6 * 48
    assert report.keyframes >= 12
    return Lake.open(lake)


def test_a_clean_lake_passes_its_audit(whole: Lake) -> None:
    assert check(whole).problems == ()


def test_many_segments_give_the_rows_of_one(whole: Lake, six_clips: Path, tmp_path: Path) -> None:
    report = ingest([str(six_clips)], str(tmp_path / "cut"), plan(1.0), engine="local")
    assert report.segments >= 18
    assert compare(whole, Lake.open(str(tmp_path / "cut"))) == ()


def test_ingesting_twice_adds_nothing(whole: Lake, six_clips: Path) -> None:
    before = {name: whole.count(name) for name in ("sources", "segments", "shots", "frames", "regions", "patches")}
    report = ingest([str(six_clips), str(six_clips / "clip-3.mp4")], whole.uri, plan(2.0), engine="local")
    assert (report.skipped, report.segments) == (6, 0)
    assert {name: whole.count(name) for name in before} == before


def test_the_same_bytes_under_another_name_are_the_same_source(whole: Lake, six_clips: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy of a clip.mp4"
    copy.write_bytes((six_clips / "clip-0.mp4").read_bytes())
    assert ingest([str(copy)], whole.uri, plan(300), engine="local").skipped == 1


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_ray_gives_the_rows_of_local(whole: Lake, six_clips: Path, tmp_path: Path) -> None:
    report = ingest([str(six_clips)], str(tmp_path / "ray"), plan(1.5), engine="ray")
    assert report.ok
    assert compare(whole, Lake.open(str(tmp_path / "ray"))) == ()
    assert check(Lake.open(str(tmp_path / "ray"))).problems == ()
