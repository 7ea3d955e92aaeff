"""Makes the tables of a damaged lake readable again: older manifests, without damaged fragments and indexes."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import lance

from operators.runtime.file_sync import make_folder, sync_folder
from pipeline.lake.database import connect
from pipeline.lake.durability import NOTE, manifest_path, read_note
from pipeline.lake.repair.damage import Damage, damage_of, manifest_damage, versions_of
from schemas.errors import LakeError
from schemas.tables import SIDE_TABLES, TABLE_NAMES, TableName, schema_of, vector_space
from schemas.vectors import VectorSpace

ASIDE = ".damaged"  # folder of a lake into which damaged files are moved
_BACK = 2  # versions: a power cut tears the newest change of a table, whose files are not synced yet
_TABLES = (*TABLE_NAMES, *SIDE_TABLES)
_AGAIN = {"pins": "pin again what to keep", "labels": "import them again", "words": "train them again"}
_log = logging.getLogger(__name__)


def roll_back_torn(folder: Path) -> list[Damage]:
    """Takes back the newest changes of tables that a power cut tore, before they were reported; returns them.

    A change is reported after it was synced. What is known to have been durable is left, however it was damaged later:
    its errors say so, and `repair` removes what needs it.
    """
    return _roll_back(folder, read_note(folder), reported=False)


def _roll_back(folder: Path, durable: Mapping[str, int], *, reported: bool) -> list[Damage]:
    torn: list[Damage] = []
    for damage in _torn_creations(folder, durable):
        move_aside(folder, folder / f"{damage.table}.lance")
        torn.append(damage)
        _log.warning("the creation of %s was torn and is taken back: %s", damage.table, damage)
    for name in _TABLES:
        for damage, number in _torn(folder, name, durable.get(name, 0), reported=reported):
            move_aside(folder, manifest_path(folder / f"{name}.lance", number))
            torn.append(damage)
            _log.warning("the newest change of %s was torn and is taken back: %s", name, damage)
    return torn


def drop_damaged_indexes(folder: Path) -> None:
    """Removes the indexes that cannot be read, which upkeep makes again from the rows; a power cut tears them."""
    for name in _TABLES:
        for damage in list(damage_of(folder, name, reads=False)):
            if damage.kind == "index":
                _drop_index(folder, damage)
                _log.warning("an index of %s is removed, and upkeep makes it again: %s", name, damage)


def roll_backs(folder: Path) -> list[Damage]:
    """What `repair_tables` would roll back."""
    durable = read_note(folder)
    return [damage for name in _TABLES for damage, _ in _torn(folder, name, durable.get(name, 0), reported=True)]


def _torn_creations(folder: Path, durable: Mapping[str, int]) -> Iterator[Damage]:
    """Tables that hold nothing yet and cannot be read: of a lake that was being made, or new side tables."""
    held = {name: versions_of(folder / f"{name}.lance") for name in _TABLES if name not in durable}
    creating = all(held.get(name, [0]) in ([], [1]) for name in TABLE_NAMES)
    for name, versions in held.items():
        if versions in ([1], [2, 1]) if name in SIDE_TABLES else creating and versions:
            damaged = [manifest_damage(folder / f"{name}.lance", version) for version in versions]
            if damaged[-1] is not None and all(damaged):
                yield Damage(name, "table", folder / f"{name}.lance", damaged[-1])


def _torn(folder: Path, name: str, durable: int, *, reported: bool) -> list[tuple[Damage, int]]:
    """The newest versions of a table that cannot be read, if an older one can: with their numbers.

    durable: the newest version that was; 0 where that is not known. reported: also manifests that were durable.
    """
    place = folder / f"{name}.lance"
    found: list[tuple[Damage, int]] = []
    for number in versions_of(place):
        damage = next(damage_of(folder, name, reads=False, version=number), None)
        if damage is None:
            return found
        # rows are synced before a manifest names them, so damaged ones are no torn change; in side tables they may be
        synced_first = damage.kind != "deletions" and name not in SIDE_TABLES
        if damage.kind == "manifest":
            torn = reported or number > durable
        else:
            torn = number > durable and not synced_first and len(found) < _BACK
        if not torn:
            break  # an older file is damaged, not the newest change
        found.append((damage, number))
    manifests = [each for each in found if each[0].kind == "manifest"]
    # damaged manifests are of no use, whatever else is damaged
    return manifests if len(manifests) < len(versions_of(place)) else []


def repair_tables(folder: Path) -> list[str]:
    """Removes what cannot be read of each table; returns what was done, a sentence each.

    Raises LakeError where no table is left that records the model of the vectors.
    """
    durable = read_note(folder)
    (folder / NOTE).unlink(missing_ok=True)  # versions are made again; the next writer notes which are durable
    sync_folder(folder)
    done = [f"{damage}: rolled back to the version before" for damage in _roll_back(folder, durable, reported=True)]
    space = _space(folder)
    for name in _TABLES:
        damaged = list(damage_of(folder, name, reads=True, limit=2**62))
        done += [_repair(folder, name, damage, space) for damage in damaged]
    return list(dict.fromkeys(done))


def _repair(folder: Path, name: str, damage: Damage, space: VectorSpace) -> str:
    place = folder / f"{name}.lance"
    if damage.kind in ("table", "manifest"):
        move_aside(folder, place)
        if name in SIDE_TABLES:
            return f"{damage}: the {name} are lost; {_AGAIN[name]}"
        _create(folder, name, space)
        return f"{damage}: {name} is empty now"
    dataset = lance.dataset(place)
    if damage.kind == "index":
        _drop_index(folder, damage)
        return f"{damage}: the index is removed; `regionlake upkeep` makes it again"
    if damage.fragment in {fragment.fragment_id for fragment in dataset.get_fragments()}:
        drop = lance.LanceOperation.Delete([], [damage.fragment or 0], "damaged")
        lance.LanceDataset.commit(dataset, drop, read_version=dataset.version)
    move_aside(folder, damage.path)
    return f"{damage}: the rows in it are lost"


def _drop_index(folder: Path, damage: Damage) -> None:
    dataset = lance.dataset(folder / f"{damage.table}.lance")
    if any(index.name == damage.index for index in dataset.describe_indices()):
        dataset.drop_index(damage.index or "")


def _create(folder: Path, name: str, space: VectorSpace) -> None:
    table: TableName = next(each for each in TABLE_NAMES if each == name)
    connect(folder).create_table(table, schema=schema_of(table, space))


def _space(folder: Path) -> VectorSpace:
    for name, column in (("regions", "vector"), ("frames", "vector"), ("patches", "vectors")):
        place = folder / f"{name}.lance"
        for number in versions_of(place):
            if manifest_damage(place, number) is None:
                try:
                    return vector_space(lance.dataset(place, version=number).schema, column)
                except (LakeError, KeyError):
                    continue
    raise LakeError(
        f"nothing of {folder} can be repaired: no table records the model of its vectors; ingest into another lake"
    )


def move_aside(folder: Path, path: Path) -> None:
    """Moves a file or folder of a lake to where nothing reads it, under its own path."""
    if not path.exists():
        return
    to = folder / ASIDE / path.relative_to(folder)
    while to.exists():
        to = to.with_name(f"{to.name}.again")
    make_folder(to.parent)
    path.replace(to)
    sync_folder(to.parent)
    sync_folder(path.parent)
