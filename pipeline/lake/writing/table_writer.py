"""Writes to the lake's tables that are counted, or may be done again."""

from collections.abc import Sequence

import pyarrow as pa

from pipeline.lake import sql
from pipeline.lake.lake import Lake, lake_errors
from schemas.errors import LakeError
from schemas.tables import TableName


class TableWriter:
    """For the one writer of a lake. Every method raises LakeError for what the lake refuses."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def append(self, name: TableName, rows: pa.Table) -> None:
        """Adds rows, and compares the rows that went in with the rows that are there."""
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
        """Rows whose id is there take its place, the others are added."""
        with lake_errors(f"updating {name} of {self._lake.uri}"):
            table = self._lake.table(name)
            table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)

    def delete(self, name: TableName, column: str, values: Sequence[str]) -> None:
        """Removes the rows in which a column has one of these values."""
        with lake_errors(f"deleting from {name} of {self._lake.uri}"):
            for at in range(0, len(values), 500):
                self._lake.table(name).delete(sql.is_in(column, values[at : at + 500]))

    def delete_where(self, name: TableName, where: str) -> None:
        """Removes the rows that fit. `where` is SQL, as LanceDB takes it."""
        with lake_errors(f"deleting from {name} of {self._lake.uri}"):
            self._lake.table(name).delete(where)

    def update(self, name: TableName, where: str, *, state: str) -> None:
        """Writes the state of the rows that fit."""
        with lake_errors(f"updating {name} of {self._lake.uri}"):
            self._lake.table(name).update(where=where, values={"state": state})

    def replace(self, name: TableName, rows: pa.Table, where: str) -> None:
        """In one change: rows whose id is there take its place, the others are added, others that fit are removed."""
        with lake_errors(f"replacing rows of {name} of {self._lake.uri}"):
            merge = self._lake.table(name).merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            merge.when_not_matched_by_source_delete(where).execute(rows)
