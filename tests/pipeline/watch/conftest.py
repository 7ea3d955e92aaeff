"""Fixtures of watches: an empty lake of small vectors."""

from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from tests.pipeline.lake.synthetic import SPACE


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create_or_open(str(tmp_path / "lake"), SPACE)
