"""Makes the changes of a lake's tables durable: Lance leaves it to the kernel when its files reach the disk."""

import errno
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import lance

from operators.runtime.file_sync import sync_files, sync_folder

_TRANSACTION = re.compile(rb"\d+-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.txn")
_LARGEST = 2**64 - 1


class Durability:
    """Syncs what was added to tables in a folder, without listing their folders.

    On a bucket nothing is done: what a PUT has written is durable. Thread-safe; every method raises OSError.
    folder: of the lake; None for a bucket.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._version: dict[str, int] = {}  # newest synced version of each table
        self._files: dict[str, frozenset[Path]] = {}  # data, deletions and indexes of that version
        self._folders: set[Path] = set()  # whose names are durable
        self._doubtful: dict[str, int] = {}  # tables whose newest version was not synced, with the one before it

    def sync_data(self, staged: Iterable[tuple[str, Iterable[lance.FragmentMetadata]]]) -> None:
        """Syncs the files of fragments that no manifest names yet. staged: with the names of their tables."""
        if self._folder is not None:
            files: list[Path] = []
            for name, some in staged:
                fragments = list(some)
                _require_whole(self._place(name), fragments)
                files += _files_of(self._place(name), fragments)
            self._sync(files)

    def sync(self, tables: Iterable[tuple[str, lance.LanceDataset]]) -> None:
        """Syncs what the given version of each table refers to and has not been synced before.

        tables: names, with the newest version of each.
        """
        if self._folder is not None:
            with self._lock:
                self._sync_tables(tables)

    def doubt(self, names: Iterable[str]) -> None:
        """Notes that a sync of these tables failed.

        A later sync that succeeds proves nothing: the kernel has given up what it could not write. So from now on these
        tables are not called durable, until `trust` is called after they were rolled back.
        """
        with self._lock:
            self._doubtful |= {name: self._version[name] for name in names if name in self._version}

    def require_no_doubt(self, names: Iterable[str]) -> None:
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
        with self._lock:
            self._doubtful.pop(name, None)

    def _sync_tables(self, tables: Iterable[tuple[str, lance.LanceDataset]]) -> None:
        done: list[tuple[str, int, frozenset[Path]]] = []
        new: list[Path] = []
        manifests: list[Path] = []
        for name, dataset in tables:
            if dataset.version <= self._version.get(name, 0):
                continue
            files = frozenset(_referenced(self._place(name), dataset))
            known = self._files.get(name, frozenset())
            _require_whole(self._place(name), (f.metadata for f in dataset.get_fragments()), known=known)
            new += files - known
            manifests += self._manifests(name, dataset.version)
            done.append((name, dataset.version, files))
        self._sync(new)  # with the names of new folders, before the name of a manifest that needs them
        self._sync(manifests)
        for name, version, files in done:
            self._version[name], self._files[name] = version, files

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


def _require_whole(table: Path, fragments: Iterable[Any], *, known: frozenset[Path] = frozenset()) -> None:
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
