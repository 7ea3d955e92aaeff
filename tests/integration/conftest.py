"""Fixtures of whole runs."""

from pathlib import Path

import pytest

from tests.integration.clips import make_clip


@pytest.fixture(scope="session")
def ten_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ten different clips of four seconds."""
    folder = tmp_path_factory.mktemp("clips")
    for seed in range(10):
        make_clip(folder / f"clip-{seed}.mp4", seed=seed)
    return folder
