"""Fixtures for the command line: the command in a process of its own, and a small real lake."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.integration.clips import make_clip


@pytest.fixture(scope="session")
def regionlake() -> Run:
    """Runs `regionlake ARGUMENTS…` and returns its exit code and its output."""

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "deploy.cli.main", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)

    return run


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "one clip.mp4", seed=5, seconds=3)


@pytest.fixture(scope="session")
def lake(regionlake: Run, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of one clip of three seconds."""
    folder = tmp_path_factory.mktemp("lake") / "lake"
    made = regionlake("ingest", clip, "--lake", folder, "--engine", "local", "--proposer", "grid")
    assert made.returncode == 0, made.stderr
    return folder
