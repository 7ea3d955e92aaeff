"""Fixtures of search: a real lake of random rows, an empty one, and an encoder."""

from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from tests.pipeline.lake.synthetic import SPACE, fold_shots, stored
from tests.pipeline.search.drawn import WORLDS, DrawnEncoder, add


@pytest.fixture
def encoder() -> DrawnEncoder:
    return DrawnEncoder()


@pytest.fixture(scope="session")
def random_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Five sources of 20 frames with 6 regions each, in two segments each."""
    lake = Lake.create_or_open(str(tmp_path_factory.mktemp("lakes") / "random"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        for world in WORLDS:
            add(committer, world, pieces=2)
    return lake


@pytest.fixture
def empty_lake(tmp_path: Path) -> Lake:
    return Lake.create_or_open(str(tmp_path / "lake"), SPACE)
