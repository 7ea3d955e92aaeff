"""Catches syncs that start threads anew for every commit, that hang in a forked child, or that hide an error."""

import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from operators.runtime.file_sync import sync_files


def files(folder: Path, count: int = 4) -> list[Path]:
    paths = [folder / str(number) for number in range(count)]
    for path in paths:
        path.write_text("x")
    return paths


def syncing() -> set[int | None]:
    return {thread.ident for thread in threading.enumerate() if thread.name.startswith("sync")}


def test_later_syncs_use_the_threads_of_the_first(tmp_path: Path) -> None:
    paths = files(tmp_path, 32)
    for _ in range(3):
        sync_files(paths)
    first = syncing()
    assert 1 <= len(first) <= 8
    for _ in range(3):
        sync_files(paths)
    assert first <= syncing()
    assert len(syncing()) <= 8


def test_a_forked_child_has_threads_of_its_own(tmp_path: Path) -> None:
    paths = files(tmp_path)
    sync_files(paths)
    child = multiprocessing.get_context("fork").Process(target=sync_files, args=(paths,))
    child.start()
    child.join(30)
    assert child.exitcode == 0


def test_an_error_is_raised_after_all_files_were_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = files(tmp_path)
    synced: list[str] = []

    def sync(file: int) -> None:
        name = Path(f"/proc/self/fd/{file}").readlink().name
        if name == "1":
            raise OSError("a test")
        synced.append(name)

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(OSError, match="a test"):
        sync_files(paths)
    assert sorted(synced) == ["0", "2", "3"]
