"""A sync that fails: catches a commit that is called durable because a second sync of the same file succeeds, although
the kernel has dropped what it could not write. `python -m tests.powerloss calls` lets each sync fail."""

import errno
import os
from pathlib import Path

import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.durability import manifest_path
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.writing.committer import Committer
from schemas.errors import LakeError
from schemas.tables import TableName
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored


class FailingSync:
    """Lets the n-th sync of a manifest of a table fail, once. failed: that manifest."""

    def __init__(self, table: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failed: Path | None = None
        self._left = number
        sync = os.fsync

        def failing(file: int) -> None:
            path = Path(f"/proc/self/fd/{file}").readlink()
            if path.suffix == ".manifest" and path.parts[-3] == f"{table}.lance":
                self._left -= 1
                if self._left == 0:
                    self.failed = path
                    raise OSError(errno.EIO, "a test")
            sync(file)

        monkeypatch.setattr(os, "fsync", failing)


@pytest.mark.parametrize(("table", "number"), [("segments", 1), ("segments", 2), ("frames", 1), ("sources", 2)])
def test_a_commit_is_made_again_and_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: TableName, number: int
) -> None:
    lake = Lake.create_or_open(str(tmp_path), SPACE)
    world = World(0, length=40, regions=2)
    rows = [world.rows(segment) for segment in world.segments()]
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        sync = FailingSync(table, number, monkeypatch)
        with pytest.raises(LakeError, match="a test"):
            writer.commit(rows)
        assert sync.failed is not None
        writer.commit(rows)
    newest = manifest_path(tmp_path / f"{table}.lance", lake.version(table))
    assert newest != sync.failed, "the newest version is one that could not be synced"
    assert check(lake).problems == ()
    assert lake.count("frames") == 8


def test_a_pin_that_could_not_be_synced_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake.create_or_open(str(tmp_path), SPACE)
    world = World(0, length=40, regions=2)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        writer.commit([world.rows(segment) for segment in world.segments()])
    place = (world.source.id, world.source.uri, None)
    sync = FailingSync("pins", 1, monkeypatch)
    with pytest.raises(LakeError, match="a test"):
        Pins(lake).add([place])
    assert Pins(lake).read() == ()
    assert sync.failed is not None
    assert len(Pins(lake).add([place])) == len(Pins(lake).read()) == 1
