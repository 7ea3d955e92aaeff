"""Fixtures for tests of whole runs."""

import os
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from tests.integration.clips import make_clip
from tests.integration.kills import finish, start


@pytest.fixture(scope="session")
def six_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six different clips of four seconds."""
    folder = tmp_path_factory.mktemp("clips")
    for seed in range(6):
        make_clip(folder / f"clip-{seed}.mp4", seed=seed)
    return folder


@pytest.fixture(scope="session")
def clean(six_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The lake of the six clips after a run without faults."""
    lake = tmp_path_factory.mktemp("clean") / "lake"
    finish(start(six_clips, lake, "local", dict(os.environ)))
    return Lake.open(str(lake))
