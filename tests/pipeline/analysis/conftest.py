"""Lakes of which all is known: a street without times, and two recordings of one that states them."""

from pathlib import Path

import pytest

from pipeline.analysis.lake_rows import LakeRows
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from tests.pipeline.analysis.street import Street, add_street
from tests.pipeline.lake.synthetic import SPACE, fold_shots, stored


def lake_of(folder: Path, *streets: Street) -> Lake:
    lake = Lake.create_or_open(str(folder), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        for street in streets:
            add_street(committer, street)
    return lake


@pytest.fixture(scope="session")
def street_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Street 0, without a time of recording, and street 1, which began at 01:00 UTC."""
    folder = tmp_path_factory.mktemp("analysis") / "lake"
    return lake_of(folder, Street(0), Street(1, timed=True))


@pytest.fixture
def street(street_lake: Lake) -> LakeRows:
    """The rows of street 0 alone."""
    return LakeRows(street_lake, source="clip-0.mp4")
