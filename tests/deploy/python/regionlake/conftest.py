"""A small real lake of one clip, for the façade."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import regionlake as rl
from tests.integration.clips import make_clip


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `bikes.mp4`, three seconds long, and `lake`, into which it was ingested by the default plan."""
    folder = tmp_path_factory.mktemp("facade")
    make_clip(folder / "bikes.mp4", seed=5, seconds=3)
    report = rl.ingest(folder / "bikes.mp4", lake=folder / "lake")
    assert report.ok
    return folder


@pytest.fixture(scope="session")
def lake(folder: Path) -> Iterator[rl.Lake]:
    with rl.open(folder / "lake") as lake:
        yield lake
