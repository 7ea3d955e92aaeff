"""A full disk: catches lakes that are damaged by it, and errors that do not say what happened."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from schemas.errors import LakeError
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored

WORLDS = [World(n, length=200, step=5, regions=8) for n in range(24)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(lake: Lake) -> None:
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        for world in WORLDS:
            writer.commit([world.rows(s) for s in world.segments()])


def test_a_full_disk_is_a_lake_error_and_the_lake_goes_on_when_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    lake = Lake.create_or_open(str(small_disk / "lake"), SPACE)
    with pytest.raises(LakeError, match=f"of {lake.uri} failed: .*free space"):
        fill(lake)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert 0 < lake.count("frames") < len(WORLDS) * 40
    fill(Lake.open(lake.uri))
    assert check(Lake.open(lake.uri)).problems == ()
    clean = Lake.create_or_open(str(tmp_path / "clean"), SPACE)
    fill(clean)
    assert compare(clean, Lake.open(lake.uri)) == ()
