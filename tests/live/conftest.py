"""Fixtures for feeds."""

from pathlib import Path

import pytest

from tests.live.cameras import film


@pytest.fixture(scope="session")
def films(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the films of two cameras."""
    folder = tmp_path_factory.mktemp("films")
    film(folder / "gate.mp4", data_dir / "pets09-s2l1" / "vtest.avi", loops=3, size="384:288")
    film(folder / "street.mp4", data_dir / "tud-stadtmitte" / "TUD-Stadtmitte.mp4", loops=40, size="320:240")
    return folder
