"""Catches a model of a disk that is kinder or crueller than a disk, so that the tests with it would prove nothing."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.powerloss.calls.log import read_log
from tests.powerloss.calls.shim import Kind, Shim
from tests.powerloss.calls.victims import Victims
from tests.powerloss.disk import Disk, cuts

SYNCED, EMPTY, ZEROED, EVERYTHING = range(4)


def _write(path: Path, data: bytes, *, sync: bool = False) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    os.fsync(number)
    os.close(number)


def nothing_is_synced(root: Path, shim: Shim) -> None:
    del shim
    _write(root / "a", b"bytes")


def only_the_bytes_are_synced(root: Path, shim: Shim) -> None:
    del shim
    _write(root / "a", b"bytes", sync=True)


def only_the_name_is_synced(root: Path, shim: Shim) -> None:
    del shim
    _write(root / "a", b"bytes")
    _sync_folder(root)


def bytes_follow_a_sync(root: Path, shim: Shim) -> None:
    del shim
    _write(root / "a", b"by", sync=True)
    _sync_folder(root)
    with (root / "a").open("ab") as file:
        file.write(b"tes")


def the_folder_above_is_not_synced(root: Path, shim: Shim) -> None:
    del shim
    (root / "sub").mkdir()
    _write(root / "sub" / "a", b"bytes", sync=True)
    _sync_folder(root / "sub")


def a_file_is_renamed_into_a_synced_folder(root: Path, shim: Shim) -> None:
    del shim
    (root / "sub").mkdir()
    _write(root / "sub" / "a", b"bytes", sync=True)
    (root / "sub" / "a").rename(root / "a")
    _sync_folder(root)


def a_synced_file_is_replaced(root: Path, shim: Shim) -> None:
    del shim
    _write(root / "a", b"old", sync=True)
    _sync_folder(root)
    _write(root / "b", b"bytes", sync=True)
    (root / "b").rename(root / "a")


def a_synced_file_is_removed(root: Path, shim: Shim) -> None:
    del shim
    _write(root / "a", b"bytes", sync=True)
    _sync_folder(root)
    (root / "a").unlink()


def a_link_is_made_and_the_first_name_removed(root: Path, shim: Shim) -> None:
    del shim
    _write(root / "a", b"bytes", sync=True)
    (root / "b").hardlink_to(root / "a")
    (root / "a").unlink()
    _sync_folder(root)


def a_sync_fails_and_is_tried_again(root: Path, shim: Shim) -> None:
    shim.fail([Kind.SYNC], 1)
    with (root / "a").open("wb") as file:
        file.write(b"bytes")
        file.flush()
        with pytest.raises(OSError, match="Input/output"):
            os.fsync(file.fileno())
        os.fsync(file.fileno())
    _sync_folder(root)


WORKS = {
    nothing_is_synced: ({}, {"a": b""}, {"a": bytes(5)}),
    only_the_bytes_are_synced: ({}, {"a": b"bytes"}, {"a": b"bytes"}),
    only_the_name_is_synced: ({"a": b""}, {"a": b""}, {"a": bytes(5)}),
    bytes_follow_a_sync: ({"a": b"by"}, {"a": b"by"}, {"a": b"by\0\0\0"}),
    the_folder_above_is_not_synced: ({}, {"sub/a": b"bytes"}, {"sub/a": b"bytes"}),
    a_file_is_renamed_into_a_synced_folder: ({"a": b"bytes"}, {"a": b"bytes"}, {"a": b"bytes"}),
    a_synced_file_is_replaced: ({"a": b"old"}, {"a": b"bytes"}, {"a": b"bytes"}),
    a_synced_file_is_removed: ({"a": b"bytes"}, {}, {}),
    a_link_is_made_and_the_first_name_removed: ({"b": b"bytes"}, {"b": b"bytes"}, {"b": b"bytes"}),
    a_sync_fails_and_is_tried_again: ({"a": b""}, {"a": b""}, {"a": bytes(5)}),
}


def perform(shim: Shim, name: str, root: str, log: str) -> None:
    shim.record(Path(root), Path(log))
    next(work for work in WORKS if work.__name__ == name)(Path(root), shim)


@pytest.mark.parametrize("name", [work.__name__ for work in WORKS])
def test_a_power_cut_leaves_what_was_synced_and_perhaps_the_rest(victims: Victims, tmp_path: Path, name: str) -> None:
    root, log = tmp_path / "root", tmp_path / "log"
    root.mkdir()
    disk = Disk(root)
    ended = victims.run(perform, name, str(root), str(log))
    assert (ended.signal, ended.error) == (0, "")
    for done in read_log(log):
        disk.apply(done)
    left = [files for _, files in _contents(disk, tmp_path)]
    wanted = next(found for work, found in WORKS.items() if work.__name__ == name)
    assert (left[SYNCED], left[EMPTY], left[ZEROED]) == wanted
    assert left[EVERYTHING] == _files(root), "the model disagrees with the file system"


def _contents(disk: Disk, scratch: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    for number, (name, left) in enumerate(cuts(disk, seed=0)):
        folder = scratch / str(number)
        folder.mkdir()
        left.write_to(folder)
        yield name, _files(folder)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_full_disk_writes_in_part_and_refuses_from_then_on(victims: Victims, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    assert victims.run(fill, str(root), str(tmp_path / "log")).result == [errno.ENOSPC] * 3
    assert (root / "a").read_bytes() == b"wholeha"


def fill(shim: Shim, root: str, log: str) -> list[int]:
    shim.record(Path(root), Path(log))
    shim.fail([Kind.WRITE, Kind.MKDIR], 2, errno.ENOSPC, on=True)
    file = (Path(root) / "a").open("wb", buffering=0)
    assert file.write(b"whole") == 5
    assert file.write(b"half") == 2
    found = []
    for work in (lambda: file.write(b"lf"), lambda: (Path(root) / "b").mkdir(), lambda: (Path(root) / "c").mkdir()):
        try:
            work()
        except OSError as error:
            found.append(error.errno or 0)
    return found
