"""Removes from a lake's files what was removed from its tables: older versions, deleted rows, indexes."""

import shutil
from contextlib import AbstractContextManager
from datetime import timedelta

from pipeline.lake.lake import Lake, lake_errors, open_dataset
from pipeline.lake.repair.tables import ASIDE
from pipeline.lake.side_table import make_durable
from pipeline.lake.upkeep.indexes import INDEXED, refresh_index
from pipeline.search.memory.kept_columns import delete_kept
from pipeline.search.memory.resident import KEPT
from schemas.tables import SIDE_TABLES, TableName

_ROWS = 2**20  # of a fragment, as Lance has it


def purge(lake: Lake, *, turn: AbstractContextManager[object], alone: bool = True) -> None:
    """Rewrites what holds deleted rows, makes indexes again, and deletes all older versions of every table.

    Call it with the writer's lease. Whoever reads an older version gets a LakeError, and reads the newest next.
    turn: held while a table is rewritten. alone: no other thread writes, so files that no version names are deleted
    too; those of pins and labels, which need no lease, are left alone.
    """
    for name in lake.names:
        with turn, lake_errors(f"purging {name} of {lake.uri}"):
            indexed = _drop_indexes(lake, name)
            _rewrite(lake, name)
            if indexed:
                refresh_index(lake, name, rows=1)
            lake.make_durable(name)  # what replaces the old files, before these go
            _forget_versions(lake.uri, name, unnamed_files=alone)
    for side in SIDE_TABLES:
        with lake_errors(f"purging the {side} of {lake.uri}"):
            if open_dataset(lake.uri, side) is not None:
                _rewrite(lake, side)
                make_durable(lake, side)
                _forget_versions(lake.uri, side, unnamed_files=False)
    with lake_errors(f"purging {lake.uri}"):
        if lake.folder is not None and (lake.folder / ASIDE).is_dir():
            shutil.rmtree(lake.folder / ASIDE)  # damaged files that `regionlake repair` kept
        if lake.folder is not None:
            delete_kept(lake.folder / KEPT)


def _drop_indexes(lake: Lake, name: TableName) -> bool:
    """Drops the indexes: they hold ids of deleted rows. Returns whether there were any."""
    if name not in INDEXED:
        return False
    table = lake.table(name)
    indexes = list(table.list_indices())
    for index in indexes:
        table.drop_index(index.name)
    return bool(indexes)


def _rewrite(lake: Lake, name: str) -> None:
    data = open_dataset(lake.uri, name)
    assert data is not None
    data.optimize.compact_files(target_rows_per_fragment=_ROWS, materialize_deletions_threshold=0.0, num_threads=1)
    # the record of the last change remains, and a deletion's names what it deleted
    data = open_dataset(lake.uri, name)
    assert data is not None
    data.update_config({"regionlake.purged": str(data.version)})


def _forget_versions(uri: str, name: str, *, unnamed_files: bool) -> None:
    data = open_dataset(uri, name)
    assert data is not None
    data.cleanup_old_versions(older_than=timedelta(0), delete_unverified=unnamed_files)
