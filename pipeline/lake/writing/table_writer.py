"""Writes to the lake's tables: appends are counted, and all other writes may be repeated."""

from collections.abc import Sequence

import pyarrow as pa

from pipeline.lake import sql
from pipeline.lake.lake import Lake, lake_errors
from schemas.errors import LakeError
from schemas.tables import TableName


class TableWriter:
    """Changes the tables of a lake, for its one writer. Every method raises LakeError if the storage fails."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def append(self, name: TableName, rows: pa.Table) -> None:
        """Adds rows, and checks that the table grew by that many."""
        if rows.num_rows == 0:
            return
        with lake_errors(f"writing {rows.num_rows} rows to {name} of {self._lake.uri}"):
            table = self._lake.table(name)
            before = table.count_rows()
            table.add(rows)
            after = table.count_rows()
        if after - before != rows.num_rows:
            raise LakeError(
                f"{name} of {self._lake.uri} grew by {after - before} rows where {rows.num_rows} were written; "
                "is another writer at work? run: regionlake check"
            )

    def upsert(self, name: TableName, rows: pa.Table) -> None:
        """Writes rows; a row with the id of an existing row replaces it."""
        with lake_errors(f"updating {name} of {self._lake.uri}"):
            table = self._lake.table(name)
            table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)

    def delete(self, name: TableName, column: str, values: Sequence[str]) -> None:
        """Removes the rows in which a column has one of these values."""
        with lake_errors(f"deleting from {name} of {self._lake.uri}"):
            for at in range(0, len(values), 500):
                self._lake.table(name).delete(sql.is_in(column, values[at : at + 500]))

    def delete_where(self, name: TableName, where: str) -> None:
        """Removes the rows that match. where: a condition in LanceDB's SQL."""
        with lake_errors(f"deleting from {name} of {self._lake.uri}"):
            self._lake.table(name).delete(where)

    def update(self, name: TableName, where: str, *, state: str) -> None:
        """Sets the state of the rows that match."""
        with lake_errors(f"updating {name} of {self._lake.uri}"):
            self._lake.table(name).update(where=where, values={"state": state})

    def replace(self, name: TableName, rows: pa.Table, where: str) -> None:
        """Upserts rows and removes all other rows that match `where`, in one change."""
        with lake_errors(f"replacing rows of {name} of {self._lake.uri}"):
            merge = self._lake.table(name).merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            merge.when_not_matched_by_source_delete(where).execute(rows)
