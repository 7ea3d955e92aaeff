"""Catches a RegionLake that cannot use what 0.1.0 wrote: tests/fixtures/lake-0.1.0, with what made it (make.py)."""

import shutil
from pathlib import Path

import pytest

from operators.encoders.catalogue import load_encoder
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.search.searcher import Searcher
from schemas.query import Query

FIXTURE = Path(__file__).parents[2] / "fixtures" / "lake-0.1.0"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the fixture, which is also the working directory."""
    folder = Path(shutil.copytree(FIXTURE, tmp_path / "old"))
    monkeypatch.chdir(folder)
    return folder


def test_it_opens_passes_its_audit_and_is_searched(old: Path) -> None:
    lake = Lake.open(str(old / "lake"))
    assert check(lake).ok
    encoder = load_encoder("everyday")
    result = Searcher(lake, encoder).search(Query(text="a test card", box=(0.0, 0.0, 0.5, 0.5), k=3))
    assert [hit.box for hit in result.hits] == [(0.0, 0.0, 0.5, 0.5)] * 3
