"""Makes the changes of a lake's tables durable: Lance leaves it to the kernel when its files reach the disk."""

import errno
import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lance

from operators.runtime.atomic_write import atomic_write
from operators.runtime.file_sync import sync_files, sync_folder
from pipeline.runtime.time_source import REAL_TIME, TimeSource

NOTE = ".durable.json"  # of a lake's folder: the newest version of each table that is known to be durable
_NOTE_EVERY_S = 60.0  # between commits: a note takes two syncs
_TRANSACTION = re.compile(rb"\d+-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.txn")
_LARGEST = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Staged:
    """A change of a table whose files are written, and which no manifest names yet.

    fragments: that it adds or changes. commit: names them in a manifest; returns the table with them.
    """

    table: str
    fragments: Sequence[lance.FragmentMetadata]
    commit: Callable[[], lance.LanceDataset]


class Durability:
    """Syncs what was added to tables in a folder, without listing their folders.

    What is durable is noted in the folder, so that a file which is damaged later is not taken for a change that a power
    cut tore: at once after `sync`, once a minute after `commit`, and by `note`.
    On a bucket nothing is done: what a PUT has written is durable. Thread-safe; every method raises OSError.
    folder: of the lake; None for a bucket.
    """

    def __init__(self, folder: Path | None, *, time: TimeSource = REAL_TIME) -> None:
        self._folder = folder
        self._time = time
        self._lock = threading.Lock()
        self._version: dict[str, int] = {}  # newest synced version of each table
        self._files: dict[str, frozenset[Path]] = {}  # data, deletions and indexes of that version
        self._folders: set[Path] = set()  # whose names are durable
        self._data: set[Path] = set()  # synced, of changes that are not committed yet
        self._noted: dict[str, int] = {}  # as `_version` was
        self._noted_s = -math.inf
        self._doubtful: dict[str, int] = {}  # tables whose newest version was not synced, with the one before it

    def commit(self, changes: Sequence[Staged]) -> list[lance.LanceDataset]:
        """Makes changes durable parts of their tables: their files are synced, then named, then the manifests synced.

        A power cut leaves all of a change, or at most a torn manifest of a version that `read_note` does not have.
        Returns the tables with them.
        """
        self.require_no_doubt(change.table for change in changes)
        self.sync_data(changes)
        after = [change.commit() for change in changes]
        self._sync_now([(change.table, dataset) for change, dataset in zip(changes, after, strict=True)])
        with self._lock:
            if self._time.monotonic_s() - self._noted_s >= _NOTE_EVERY_S:
                self._note()
        return after

    def sync_data(self, changes: Iterable[Staged]) -> None:
        """Syncs the files of changes ahead of `commit`, which does not sync them again."""
        if self._folder is not None:
            files: list[Path] = []
            for change in changes:
                place = self._place(change.table)
                _require_whole(place, change.fragments, known=self._data)
                files += (path for path in _files_of(place, change.fragments) if path not in self._data)
            self._sync(files)
            with self._lock:
                self._data |= {*files}

    def sync(self, tables: Iterable[tuple[str, lance.LanceDataset]]) -> None:
        """Syncs what the given version of each table refers to and has not been synced before, and notes it.

        tables: names, with the newest version of each. Where it fails, these tables are not called durable any more,
        until `trust` is called after they were rolled back: a later sync that succeeds proves nothing, as the kernel
        has given up what it could not write.
        """
        held = list(tables)
        self.require_no_doubt(name for name, _ in held)
        self._sync_now(held)
        self.note()

    def note(self) -> None:
        """Notes in the lake's folder what is durable."""
        with self._lock:
            self._note()

    def require_no_doubt(self, names: Iterable[str]) -> None:
        """Raises OSError for tables of which a sync failed."""
        with self._lock:
            doubtful = sorted(self._doubtful.keys() & set(names))
        if doubtful:
            raise OSError(errno.EIO, f"an earlier change of {', '.join(doubtful)} could not be synced")

    @property
    def doubtful(self) -> dict[str, int]:
        """Tables whose newest version may not be durable, each with its newest durable version."""
        with self._lock:
            return dict(self._doubtful)

    def trust(self, name: str) -> None:
        """Forgets that a sync of a table failed, after it was rolled back."""
        with self._lock:
            self._doubtful.pop(name, None)

    def _sync_now(self, tables: Sequence[tuple[str, lance.LanceDataset]]) -> None:
        if self._folder is None:
            return
        with self._lock:
            try:
                self._sync_tables(tables)
            except OSError:
                self._doubtful |= {name: self._version[name] for name, _ in tables if name in self._version}
                raise

    def _note(self) -> None:
        if self._folder is not None and self._version != self._noted:
            known = read_note(self._folder)
            newest = known | {name: max(version, known.get(name, 0)) for name, version in self._version.items()}
            if newest != known:
                with atomic_write(self._folder / NOTE) as path:
                    path.write_text(json.dumps(newest, sort_keys=True))
            self._noted = dict(self._version)
        self._noted_s = self._time.monotonic_s()

    def _sync_tables(self, tables: Iterable[tuple[str, lance.LanceDataset]]) -> None:
        done: list[tuple[str, int, frozenset[Path]]] = []
        new: list[Path] = []
        manifests: list[Path] = []
        for name, dataset in tables:
            if dataset.version <= self._version.get(name, 0):
                continue
            files = frozenset(_referenced(self._place(name), dataset))
            known = self._files.get(name, frozenset()) | (files & self._data)
            _require_whole(self._place(name), (f.metadata for f in dataset.get_fragments()), known=known)
            new += files - known
            manifests += self._manifests(name, dataset.version)
            done.append((name, dataset.version, files))
        self._sync(new)  # with the names of new folders, before the name of a manifest that needs them
        self._sync(manifests)
        for name, version, files in done:
            self._version[name], self._files[name] = version, files
            self._data -= files

    def _manifests(self, name: str, version: int) -> Iterator[Path]:
        """The manifests since the last sync, with their transactions."""
        for number in range(self._version.get(name, version - 1) + 1, version + 1):
            path = manifest_path(self._place(name), number)
            try:
                transaction = transaction_of(path.read_bytes())
            except FileNotFoundError:  # an old version, forgotten meanwhile
                continue
            yield path
            if transaction is not None:
                yield self._place(name) / "_transactions" / transaction

    def _sync(self, files: list[Path]) -> None:
        sync_files(files)
        new = {folder for path in files for folder in path.parents} - self._folders
        for folder in new:  # the folder of the deletions may have been made just now
            if self._folder in (folder, *folder.parents):
                sync_folder(folder.parent)
        self._folders |= new

    def _place(self, name: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{name}.lance"


def read_note(lake: Path) -> dict[str, int]:
    """The newest version of each table that is known to be durable; empty for a lake of an older release."""
    try:
        found = json.loads((lake / NOTE).read_text())
    except (OSError, ValueError):  # then what is torn cannot be distinguished from what was damaged later
        return {}
    return {name: version for name, version in found.items() if isinstance(version, int)}


def manifest_path(table: Path, version: int) -> Path:
    """The manifest of a version: Lance counts down, so that a listing begins with the newest."""
    return table / "_versions" / f"{_LARGEST - version:020}.manifest"


def transaction_of(manifest: bytes) -> str | None:
    """The name of the transaction's file that a manifest records; None if it has none."""
    found = _TRANSACTION.findall(manifest)
    return found[-1].decode() if found else None


def files_of_version(lake: Path, name: str, dataset: lance.LanceDataset) -> list[Path]:
    """The files that a version of a table is read from: its manifest, data, deletions and indexes."""
    table = lake / f"{name}.lance"
    return [manifest_path(table, dataset.version), *_referenced(table, dataset)]


def index_folders(table: Path, index: Any) -> list[Path]:
    """The folders of an index, as `describe_indices` returns it."""
    return [table / "_indices" / str(segment.uuid) for segment in index.segments]


def _referenced(table: Path, dataset: lance.LanceDataset) -> Iterator[Path]:
    yield from _files_of(table, (fragment.metadata for fragment in dataset.get_fragments()))
    for index in dataset.describe_indices():
        for folder in index_folders(table, index):
            yield from folder.iterdir() if folder.is_dir() else ()


def _require_whole(table: Path, fragments: Iterable[Any], *, known: Set[Path] = frozenset()) -> None:
    """Raises OSError where a data file is shorter than what was written to it: Lance does not notice when the last
    write of a file fails. known: files that are not looked at."""
    for fragment in fragments:
        for file in fragment.files:
            path = table / "data" / file.path
            if file.file_size_bytes and path not in known and path.stat().st_size != file.file_size_bytes:
                raise OSError(
                    errno.EIO,
                    f"{path} has {path.stat().st_size} of {file.file_size_bytes} bytes: the disk was full, or failed; "
                    "free space or check the disk, then run again",
                )


def _files_of(table: Path, fragments: Iterable[Any]) -> Iterator[Path]:
    for fragment in fragments:
        yield from (table / "data" / file.path for file in fragment.files)
        if fragment.deletion_file is not None:
            yield table / fragment.deletion_file.path(fragment.id)
