"""The columns of a lake in files beside it, shared by all processes that search it and kept for the next one."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from operators.runtime.atomic_write import atomic_write
from operators.runtime.file_sync import sync_files, sync_folder
from operators.runtime.own_folder import make_own_folder
from pipeline.search.memory.buffers import FileBuffers, Shapes
from pipeline.search.memory.columns import ColumnStore

_NEWEST, _DURABLE, _LOCK = "newest.json", "durable.json", "lock"
_GROWTH = 1.25  # a sync waits for the disk, so one is made only after the rows have grown by this factor
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class KeptColumns:
    """Files of columns and a record of what is in them, in a folder that its user alone may write.

    Rows are only added behind the others, and the record says how many count: a process that is killed while it writes
    leaves rows that the next one overwrites, and one that reads meanwhile sees its own number of rows. Who changes
    anything holds the lock. What is written is not synced each time, so after another start of the machine an older
    record counts, which was made when everything had been synced.

    columns: what makes columns of another form: files that were written with others are not used.
    """

    def __init__(self, folder: Path, *, columns: str) -> None:
        self._folder = folder
        self._form = columns
        self._buffers: dict[str, FileBuffers] = {}
        self._seen = ""  # the record that this process has read or written last
        self._held: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None  # what that record says
        self._durable: dict[str, tuple[str, int]] = {}  # generation and number of rows that were synced, by table
        self._boot = _BOOT_ID.read_text().strip() if _BOOT_ID.is_file() else ""

    @property
    def folder(self) -> Path:
        return self._folder

    def is_newest(self, table: str, generation: str) -> bool:
        """Whether the record names this generation of a table's columns. The caller holds the lock."""
        newest = self._read(_NEWEST)
        return newest is not None and str(newest["tables"][table]["generation"]) == generation

    def buffers(self, table: str, shapes: Shapes) -> FileBuffers:
        """The buffers of a table's columns."""
        self._buffers[table] = FileBuffers(shapes, self._folder / table)
        return self._buffers[table]

    def locked(self) -> AbstractContextManager[None]:
        """Holds the lock. Another process that is reading the lake into the files is waited for."""
        make_own_folder(self._folder)
        return lock_of(self._folder)

    def adopt(self, stores: Mapping[str, ColumnStore]) -> Mapping[str, Any] | None:
        """Lets the stores take over what another process wrote since this one looked; returns its content.

        None where nobody did. Files that are damaged, absent or of another form are as good as empty.
        """
        newest, durable = self._read(_NEWEST), self._read(_DURABLE)
        if newest is not None and newest["id"] == self._seen:
            return None
        self._durable = {} if durable is None else _sizes(durable)
        for record in (newest, durable):
            if record is not None and (record is durable or record["boot"] == self._boot):
                with suppress(ValueError, KeyError, TypeError):
                    self._take(record, stores)
                    content: Mapping[str, Any] = record["content"]
                    self._seen, self._held = record["id"], (record["tables"], content)
                    return content
        for store in stores.values():
            store.clear()
        self._held = None
        return {}

    def write(self, stores: Mapping[str, ColumnStore], content: Mapping[str, Any]) -> None:
        """Records what the stores hold, and content that `adopt` returns to others, unless the record says it."""
        tables = {
            name: {
                "generation": self._buffers[name].generation,
                "size": len(store),
                "slices": [[*key, start, stop] for key, start, stop in store.slices()],
            }
            for name, store in stores.items()
        }
        if self._held == (tables, content):
            return
        record = {"id": uuid4().hex, "form": self._form, "boot": self._boot, "tables": tables, "content": content}
        if self._grown(record):
            for buffers in self._buffers.values():
                buffers.sync()
            with atomic_write(self._folder / _DURABLE) as path:
                path.write_text(json.dumps(record))
            self._durable = _sizes(record)
        path = self._folder / f"{_NEWEST}.new"
        path.write_text(json.dumps(record))
        path.replace(self._folder / _NEWEST)
        self._seen, self._held = str(record["id"]), (tables, content)
        for buffers in self._buffers.values():  # only now, when no record names another generation
            buffers.delete_others()

    def make_durable(self) -> None:
        """Makes what the newest record says durable, so that rows keep their numbers after another start of the
        machine. The caller holds the lock."""
        record = self._read(_NEWEST)
        if record is None:
            return
        for name, (generation, _) in _sizes(record).items():
            folder = self._folder / name / generation
            if folder.is_dir():  # a table without rows has none
                sync_files(path for path in folder.iterdir() if path.is_file())
                sync_folder(folder)
                sync_folder(folder.parent)
        with atomic_write(self._folder / _DURABLE) as path:
            path.write_text(json.dumps(record))
        self._durable = _sizes(record)

    def _grown(self, record: Mapping[str, Any]) -> bool:
        for table, (generation, size) in _sizes(record).items():
            synced_generation, synced = self._durable.get(table, ("", 0))
            if generation != synced_generation or size > _GROWTH * synced:
                return True
        return False

    def _take(self, record: Mapping[str, Any], stores: Mapping[str, ColumnStore]) -> None:
        for name, store in stores.items():
            table = record["tables"][name]
            self._buffers[name].adopt(str(table["generation"]), size=int(table["size"]))
            slices = [((int(i), str(files), str(gone)), int(a), int(b)) for i, files, gone, a, b in table["slices"]]
            store.adopt(slices, size=int(table["size"]))

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            record = json.loads((self._folder / name).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return record if isinstance(record, dict) and record.get("form") == self._form else None


@contextmanager
def lock_of(folder: Path) -> Iterator[None]:
    """Holds the lock of the columns in a folder."""
    file = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _sizes(record: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    return {name: (str(table["generation"]), int(table["size"])) for name, table in record["tables"].items()}


def delete_kept(folder: Path) -> None:
    """Deletes all columns that are kept in this folder of a lake. Who searches with them reads the lake again."""
    if not folder.is_dir():
        return
    for each in folder.iterdir():
        with lock_of(each):
            for found in each.iterdir():
                if found.is_dir():
                    shutil.rmtree(found)
                elif found.name != _LOCK:  # others wait for that very file
                    found.unlink()
