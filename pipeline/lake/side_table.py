"""Small tables beside the rows of a lake, written without the writer's lease: pins, labels of people, trained words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.lake import sql
from pipeline.lake.database import connect
from pipeline.lake.lake import Lake, lake_errors, open_dataset

if TYPE_CHECKING:
    from lancedb.table import Table


class SideTable:
    """A table with a column `id`, which is made when the first row is written; before that it reads as empty.

    name: one of `schemas.tables.SIDE_TABLES`. Errors of the storage are raised as LakeError.
    """

    def __init__(self, lake: Lake, name: str, schema: pa.Schema) -> None:
        self._lake = lake
        self.name = name
        self._schema = schema

    def read(self, *, where: str | None = None) -> pa.Table:
        """All rows; two processes that write one row at once may both have added it.

        where: a condition in Lance's SQL.
        """
        with lake_errors(f"reading the {self.name} of {self._lake.uri}", lake=self._lake.uri):
            table = open_dataset(self._lake.uri, self.name)
            return self._schema.empty_table() if table is None else table.to_table(filter=where)

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Adds rows, whose ids are new."""
        with lake_errors(f"writing the {self.name} of {self._lake.uri}", lake=self._lake.uri):
            table = self._open()
            table.add(pa.Table.from_pylist(list(rows), schema=self._schema))
            try:
                make_durable(self._lake, self.name)
            except OSError:  # a later sync that succeeds would not prove that these rows are durable
                table.delete(sql.is_in("id", [row["id"] for row in rows]))
                raise

    def replace(self, rows: Sequence[dict[str, Any]]) -> None:
        """Adds rows, in place of those with the same ids, in one change."""
        with lake_errors(f"writing the {self.name} of {self._lake.uri}", lake=self._lake.uri):
            change = self._open().merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            change.execute(pa.Table.from_pylist(list(rows), schema=self._schema))
            make_durable(self._lake, self.name)

    def delete(self, ids: Sequence[str]) -> None:
        """Deletes the rows with these ids."""
        with lake_errors(f"writing the {self.name} of {self._lake.uri}", lake=self._lake.uri):
            self._open().delete(sql.is_in("id", sorted(ids)))
            make_durable(self._lake, self.name)

    def _open(self) -> "Table":
        return connect(self._lake.uri).create_table(self.name, schema=self._schema, exist_ok=True)


def make_durable(lake: Lake, name: str) -> None:
    """Syncs a side table as it is, and notes it. Raises OSError."""
    table = open_dataset(lake.uri, name)
    if table is not None:
        try:
            lake.durability.sync([(name, table)])
        finally:
            lake.durability.trust(name)  # what was not synced is not reported
