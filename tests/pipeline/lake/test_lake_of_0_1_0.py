"""Catches a RegionLake that cannot use a lake of 0.1.0: tests/fixtures/lake-0.1.0, which make.py created."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from operators.encoders.catalogue import load_encoder
from pipeline.ingest.continued_plan import continued_plan
from pipeline.ingest.run import ingest
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.plans import read_plans
from pipeline.lake.plans_in_use import region_settings_in_use
from pipeline.plan.legacy_hash import is_legacy
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import load_plan
from pipeline.plan.stored_plan import StoredPlan
from pipeline.search.searcher import Searcher
from schemas.errors import LakeError
from schemas.query import Query

FIXTURE = Path(__file__).parents[2] / "fixtures" / "lake-0.1.0"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the fixture, which is also the working directory."""
    folder = Path(shutil.copytree(FIXTURE, tmp_path / "old"))
    monkeypatch.chdir(folder)
    return folder


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".writer.lock"}


def test_it_opens_passes_its_audit_and_is_searched_and_nothing_is_written(old: Path) -> None:
    before = files_of(old)
    lake = Lake.open("lake")
    assert check(lake).ok
    assert read_plans(lake) == {}
    assert region_settings_in_use(lake) is None
    encoder = load_encoder("everyday-1")
    result = Searcher(lake, encoder).search(Query(text="a test card", box=(0.0, 0.0, 0.5, 0.5), k=3))
    assert [hit.place.box for hit in result.hits] == [(0.0, 0.0, 0.5, 0.5)] * 3
    assert files_of(old) == before


def test_it_goes_on_where_0_1_0_was_stopped_and_keeps_the_plan_from_then_on(old: Path) -> None:
    plan = load_plan(Path("grid.toml"))
    stored = StoredPlan.of(continued_plan(plan, "lake"))
    before = {path: content for path, content in files_of(old / "lake").items() if "data" in path.parts}
    report = ingest(["clip.mp4", "stopped.mp4", "picture.png"], "lake", plan)
    assert (report.failed, report.quarantined, report.sources, report.skipped) == ([], [], 3, 2)
    assert report.segments == 4  # of six seconds, two of which were there

    lake = Lake.open("lake")
    assert check(lake).ok
    states = Counter(row["state"] for row in lake.read("sources").to_pylist())
    assert states == {"complete": 4, "quarantined": 1}
    assert set(read_plans(lake)) == {stored.legacy_hash}  # a source keeps the hash under which it was begun
    assert read_plans(lake)[stored.legacy_hash or ""].toml == stored.toml
    # the files of 0.1.0 are unchanged: nothing was rewritten to migrate them
    assert before.items() <= files_of(old / "lake").items()


@pytest.mark.usefixtures("old")
def test_what_is_added_to_it_stands_under_a_hash_of_today() -> None:
    plan = load_plan(Path("grid.toml"))
    shutil.copy("other.png", "another.png")
    Path("another.png").write_bytes(Path("other.png").read_bytes() + b"\0")  # other bytes: another source
    ingest(["another.png"], "lake", plan)
    lake = Lake.open("lake")
    assert check(lake).ok
    assert continued_plan(plan, "lake").hash in read_plans(lake)
    assert {is_legacy(hash) for hash in lake.read("sources")["plan"].to_pylist()} == {True, False}


@pytest.mark.usefixtures("old")
def test_another_plan_is_refused_saying_that_0_1_0_kept_none() -> None:
    report = ingest(["picture.png"], "lake", Plan())
    assert "RegionLake 0.1.0 made it without storing the plan" in report.failed[0].error
    report = ingest(["picture.png"], "lake", Plan(), replace=True)
    assert report.ok
    assert check(Lake.open("lake")).ok


@pytest.mark.usefixtures("old")
def test_a_lake_of_a_newer_minor_version_is_read_and_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(["picture.png"], "new", load_plan(Path("grid.toml")))
    monkeypatch.setattr("schemas.tables.SCHEMA_VERSION", (4, 0))
    assert Lake.open("new").count("frames") == 1
    with pytest.raises(LakeError, match=r"version 4\.2, this RegionLake writes 4\.0"):
        ingest(["clip.mp4"], "new", load_plan(Path("grid.toml")))
