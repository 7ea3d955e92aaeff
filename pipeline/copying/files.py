"""Which files a copy of a lake has, and how one of them is copied."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import lance

from operators.runtime.file_sync import make_folder
from pipeline.lake.durability import files_of_version, manifest_path, transaction_of
from pipeline.lake.lake import Lake, lake_errors, open_dataset
from pipeline.live.status.state_folder import StateFolder
from pipeline.ring.feed_ring import rings_of_state
from schemas.tables import SIDE_TABLES

_BESIDE = ("*.safetensors", ".writer.number")  # of the lake's folder: reductions, models of codes, the last lease
# of the folder of its state: watches with what they have reported, pins that expire, feeds that were ever followed.
# What waits for the lake is not among them, because it would be committed to both; sessions and the audit log are of a
# service, and not of a lake
_STATE = ("watch/**/*", "pins-that-expire.json", "followed-feeds.json")
_OF_SQLITE = ("-wal", "-shm", "-journal")  # of a database, whose copy is one file
_PART = ".part"


def table_files(lake: Lake, folder: Path) -> list[Path]:
    """The files from which every table is read at one moment, manifests last: a table is there when all of it is.

    Raises LakeError if the storage fails.
    """
    data: list[Path] = []
    manifests: list[Path] = []
    datasets: dict[str, lance.LanceDataset] = {str(name): dataset for name, dataset in lake.snapshot().items()}
    datasets |= side_tables(lake.uri)  # after the rest: a pin or a label is of what was there before it
    for name, dataset in datasets.items():
        manifest, *others = files_of_version(folder, name, dataset)
        data += others
        transaction = transaction_of(manifest.read_bytes())
        if transaction is not None:
            data.append(manifest.parent.parent / "_transactions" / transaction)
        manifests.append(manifest)
    return data + manifests


def side_tables(uri: str) -> dict[str, lance.LanceDataset]:
    """The tables of a lake that are written without the lease, where they exist, by name. Raises LakeError."""
    with lake_errors(f"reading the {', '.join(SIDE_TABLES)} of {uri}", lake=uri):
        opened = {name: open_dataset(uri, name) for name in SIDE_TABLES}
    return {name: dataset for name, dataset in opened.items() if dataset is not None}


def is_manifest(path: Path) -> bool:
    return path.parent.name == manifest_path(path, 0).parent.name


def other_files(folder: Path, *, video: bool) -> Iterator[Path]:
    """The files beside the tables. video: whether the video of feeds is among them."""
    state = StateFolder.of(str(folder)).path
    for place, patterns in ((folder, _BESIDE), (state, _STATE)):
        for pattern in patterns:
            found = (path for path in sorted(place.glob(pattern)) if path.is_file())
            yield from (path for path in found if not path.name.endswith(_OF_SQLITE))
    if video:
        rings = rings_of_state(state)
        found = (path for path in sorted(rings.rglob("*")) if path.is_file())
        yield from (path for path in found if not any(part.startswith(".") for part in path.relative_to(rings).parts))


def copy_file(source: Path, target: Path) -> int:
    """Copies a file with its times; it is complete or absent under its name. Returns its size in bytes.

    Raises FileNotFoundError where the source is gone, and OSError.
    """
    make_folder(target.parent, mode=0o700)
    part = target.with_name(target.name + _PART)
    if source.suffix == ".sqlite":  # the copy of a database that is written meanwhile would be torn
        part.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as read,
            closing(sqlite3.connect(part)) as made,
        ):
            read.backup(made)
    else:
        shutil.copy2(source, part)
    size = part.stat().st_size
    part.replace(target)
    return size


def same_file(source: Path, target: Path) -> bool:
    """Whether the target is a copy of the source as it is now: most files are written once, and others have times."""
    try:
        here, there = source.stat(), target.stat()
    except FileNotFoundError:
        return False
    return here.st_size == there.st_size and here.st_mtime_ns == there.st_mtime_ns


def take_from(earlier: Path, target: Path) -> None:
    """Gives a file of an earlier copy a second name, without copying it."""
    make_folder(target.parent, mode=0o700)
    target.unlink(missing_ok=True)
    os.link(earlier, target)
