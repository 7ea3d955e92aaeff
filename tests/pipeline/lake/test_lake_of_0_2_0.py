"""Catches a RegionLake that cannot use a lake of 0.2.0: tests/fixtures/lake-0.2.0, which make.py created."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from operators.encoders.catalogue import load_encoder
from pipeline.ingest.continued_plan import continued_plan
from pipeline.ingest.run import ingest, open_committer
from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.writing.committer import Committer
from pipeline.live.commits.batch import read_batch
from pipeline.plan.plan_file import load_plan
from pipeline.search.searcher import Searcher
from schemas.errors import LakeError
from schemas.query import Query
from schemas.tables import ADDED_COLUMNS, TABLE_NAMES, is_current
from tests.pipeline.lake.test_lake_of_0_1_0 import FIXTURE as CLIPS
from tests.pipeline.lake.test_lake_of_0_1_0 import files_of

FIXTURE = Path(__file__).parents[2] / "fixtures" / "lake-0.2.0"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the fixture with the sources of its lake, which is also the working directory."""
    folder = Path(shutil.copytree(FIXTURE, tmp_path / "old"))
    for name in ("clip.mp4", "stopped.mp4", "picture.png"):
        shutil.copy(CLIPS / name, folder)
    monkeypatch.chdir(folder)
    return folder


def test_it_opens_passes_its_audit_and_is_searched_and_nothing_is_written(old: Path) -> None:
    before = files_of(old)
    lake = Lake.open("lake")
    assert check(lake).ok
    assert len(Pins(lake).read()) == 1
    result = Searcher(lake, load_encoder("everyday-1")).search(Query(text="a test card", box=(0.0, 0.0, 0.5, 0.5), k=3))
    assert [hit.place.box for hit in result.hits] == [(0.0, 0.0, 0.5, 0.5)] * 3
    assert lake.read("regions", columns=["id", "until", "lease"])["until"].null_count == lake.count("regions")
    assert files_of(old) == before


@pytest.mark.usefixtures("old")
def test_it_goes_on_where_it_was_stopped_and_equals_a_new_lake() -> None:
    plan = load_plan(Path("grid.toml"))
    report = ingest(["clip.mp4", "stopped.mp4", "picture.png"], "lake", plan)
    plan = continued_plan(plan, "lake")
    assert (report.failed, report.quarantined, report.sources, report.skipped) == ([], [], 3, 2)
    lake = Lake.open("lake")
    assert check(lake).ok
    assert Counter(row["state"] for row in lake.read("sources").to_pylist()) == {"complete": 3, "quarantined": 1}
    ingest(["clip.mp4", "stopped.mp4", "picture.png"], "new", plan)
    differences = compare(lake, Lake.open("new"))
    # rows of 0.2.0 do not say until when they are valid, and it called everyday-1 everyday
    known = ("sources:", "segments:", "regions: until of", "vector space:")
    rows = [each for each in differences if not each.startswith(known)]
    assert [each for each in rows if ": source of" not in each] == []  # the files of 0.2.0 were elsewhere


def test_the_batch_that_waits_for_it_is_committed(old: Path) -> None:
    (batch,) = [read_batch(path) for path in sorted((old / "lake/.live/spool").iterdir())]
    with open_committer("lake", load_plan(Path("grid.toml"))) as writer:
        assert writer.commit(batch.rows) == 1
    assert check(Lake.open("lake")).ok


def test_a_writer_adds_the_columns_of_today_and_rewrites_no_row(old: Path) -> None:
    before = {path: content for path, content in files_of(old / "lake").items() if "data" in path.parts}
    Committer(Lake.open("lake"), plan=None, fold_shots=lambda *_: []).close()
    lake = Lake.open("lake")
    assert all(is_current(lake.dataset(name).schema) for name in TABLE_NAMES)
    for name in TABLE_NAMES:
        assert lake.dataset(name).schema.names == lake.schema(name).names
        added = [column for column in lake.schema(name).names if column in ADDED_COLUMNS]
        assert all(lake.read(name)[column].null_count == lake.count(name) for column in added)
    assert check(lake).ok
    assert before == {path: content for path, content in files_of(old / "lake").items() if "data" in path.parts}
    version = lake.version("regions")
    Committer(lake, plan=None, fold_shots=lambda *_: []).close()
    assert lake.version("regions") == version


@pytest.mark.usefixtures("old")
def test_a_lake_of_a_newer_release_is_not_changed_by_upkeep(monkeypatch: pytest.MonkeyPatch) -> None:
    Committer(Lake.open("lake"), plan=None, fold_shots=lambda *_: []).close()
    monkeypatch.setattr("schemas.tables.SCHEMA_VERSION", (4, 1))
    with pytest.raises(LakeError, match=r"version 4\.2, this RegionLake writes 4\.1"):
        Committer(Lake.open("lake"), plan=None, fold_shots=lambda *_: [])
