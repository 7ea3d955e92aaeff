"""Finds the files of a lake that cannot be read, each with its path: Lance's errors often do not name the file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import lance
import pyarrow as pa
import pyarrow.compute as pc
from lance.file import LanceFileReader

from pipeline.lake.durability import index_folders, manifest_path
from pipeline.lake.local_folder import local_folder
from schemas.tables import (
    ADDED_COLUMNS,
    ADDED_TABLES,
    SIDE_TABLES,
    TABLE_NAMES,
    require_version,
    schema_of,
    vector_spaces,
)
from schemas.vectors import VectorSpace

Kind = Literal["table", "manifest", "data", "deletions", "index"]
_ANY = VectorSpace("none", "none", 1, "none")
_BTREE = ("page_data.lance", "page_lookup.lance")  # the files of an index of this kind
_MAGIC = b"LANC"  # ends every file of Lance
_READ_BYTES = 2 * 2**30  # of a lake are read to find which file an error was of; sizes and ends are always looked at


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that cannot be read.

    fragment: number of the fragment that needs it. index: name of the index. version: of a manifest.
    """

    table: str
    kind: Kind
    path: Path
    why: str
    fragment: int | None = None
    index: str | None = None
    version: int | None = None

    def __str__(self) -> str:
        return f"{self.path} is damaged ({self.why})"


def find_damage(lake: str) -> Damage | None:
    """The first damaged file of a lake in a folder; None if there is none, or for a bucket."""
    folder = local_folder(lake)
    if folder is None or not folder.is_dir():
        return None
    for reads in (False, True):
        for name in (*TABLE_NAMES, *SIDE_TABLES):
            if found := next(damage_of(folder, name, reads=reads), None):
                return found
    return None


def damage_of(
    folder: Path, name: str, *, reads: bool, limit: int = _READ_BYTES, version: int | None = None
) -> Iterator[Damage]:
    """The damaged files of a version of a table, by default of the newest.

    reads: also reads all rows, up to `limit` bytes of files; else only names, sizes and ends of files are looked at.
    """
    place = folder / f"{name}.lance"
    numbers = versions_of(place)
    if not numbers:
        if place.exists() or not (name in SIDE_TABLES or name in ADDED_TABLES):
            yield Damage(name, "table", place, "it has no manifest")
        return
    number = numbers[0] if version is None else version
    why = manifest_damage(place, number)
    if why is not None:
        yield Damage(name, "manifest", manifest_path(place, number), why, version=number)
        return
    dataset = lance.dataset(place, version=number)
    yield from _damaged_indexes(name, place, dataset, reads=reads)
    for fragment in dataset.get_fragments():
        found = list(_damaged_files(name, place, fragment))
        size = sum(file.file_size_bytes or 0 for file in fragment.metadata.files)
        if not found and reads and limit > 0:
            limit -= size
            why = _failure(partial(_read, fragment))
            if why is not None:
                paths = [place / "data" / file.path for file in fragment.metadata.files]
                found = [Damage(name, "data", path, why, fragment=fragment.fragment_id) for path in paths]
        yield from found


def versions_of(place: Path) -> list[int]:
    """The versions of a table that have a manifest, newest first."""
    found = (place / "_versions").glob("*.manifest")
    numbers = (2**64 - 1 - int(path.stem) for path in found if path.stem.isdigit())
    return sorted((number for number in numbers if number > 0), reverse=True)


def manifest_damage(place: Path, version: int) -> str | None:
    """What is wrong with a manifest; None if it can be opened."""
    path = manifest_path(place, version)
    try:
        content = path.read_bytes()
    except OSError as error:
        return str(error)
    if not content.endswith(_MAGIC):
        return "it is empty" if not content else "its end is missing"
    return _failure(lambda: _require_schema(lance.dataset(place, version=version).schema, place.stem))


def _require_schema(schema: pa.Schema, name: str) -> None:
    """Raises LakeError or ValueError unless a table has the columns of its first version."""
    if not schema.names:
        raise ValueError("it names no column")
    table = next((each for each in TABLE_NAMES if each == name), None)
    if table is None:
        return
    require_version(schema, lake=name)
    spaces = [*vector_spaces(schema).values()]
    for field in schema_of(table, spaces[0] if spaces else _ANY):
        if field.name not in ADDED_COLUMNS and not schema.field(field.name).equals(field):
            raise ValueError(f"its column {field.name} is {schema.field(field.name).type}, expected {field.type}")


def _damaged_files(name: str, place: Path, fragment: Any) -> Iterator[Damage]:
    for file in fragment.metadata.files:
        path = place / "data" / file.path
        why = _end_damage(path, file.file_size_bytes)
        if why is not None:
            yield Damage(name, "data", path, why, fragment=fragment.fragment_id)
    deletions = fragment.metadata.deletion_file
    if deletions is not None:
        path = place / deletions.path(fragment.fragment_id)
        why = _failure(lambda: _read_deletions(path, fragment, deletions.num_deleted_rows))
        if why is not None:
            yield Damage(name, "deletions", path, why, fragment=fragment.fragment_id)


def _damaged_indexes(name: str, place: Path, dataset: lance.LanceDataset, *, reads: bool) -> Iterator[Damage]:
    for index in dataset.describe_indices():
        for folder in index_folders(place, index):
            paths = sorted(folder.iterdir()) if folder.is_dir() else []
            if not paths:
                yield Damage(name, "index", folder, "it has no files", index=index.name)
            elif "BTree" in index.type_url:
                gone = [folder / each for each in _BTREE if folder / each not in paths]
                yield from (Damage(name, "index", path, "it is missing", index=index.name) for path in gone)
            for path in paths:
                why = _end_damage(path, None) or (_failure(partial(_read_file, path)) if reads else None)
                if why is not None:
                    yield Damage(name, "index", path, why, index=index.name)


def _end_damage(path: Path, size: int | None) -> str | None:
    try:
        found = path.stat().st_size
        if size is not None and found != size:
            return f"it has {found} bytes, expected {size}"
        with path.open("rb") as file:
            file.seek(max(0, found - len(_MAGIC)))
            return None if file.read() == _MAGIC else "its end is missing"
    except OSError as error:
        return error.strerror or str(error)


def _read_deletions(path: Path, fragment: Any, count: int) -> None:
    if path.suffix == ".arrow":
        with pa.ipc.open_file(path.read_bytes()) as file:
            rows = file.read_all()
        rows.validate(full=True)
        found = rows.num_rows
        if found and int(pc.max(rows.column(0)).as_py()) >= fragment.physical_rows:
            raise ValueError("it deletes a row that does not exist")
    else:
        path.stat()
        found = fragment.physical_rows - fragment.count_rows()
    if found != count:
        raise ValueError(f"it deletes {found} rows, expected {count}")


def _read_file(path: Path) -> None:
    for batch in LanceFileReader(str(path)).read_all().to_batches():
        batch.validate(full=True)


def _read(fragment: Any) -> None:
    for batch in fragment.to_batches(batch_size=256):
        batch.validate(full=True)


def _failure(read: Callable[[], object]) -> str | None:
    try:
        read()
    except BaseException as error:  # Lance panics on some damage, which is no Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error).strip() else ''}"
    return None
