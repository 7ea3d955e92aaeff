"""Writes to the lake's tables: appends are counted, all other writes may be repeated, and each is durable.

The files of a change are synced before Lance's manifest names them, and the manifest before a method returns. A power
cut therefore leaves at most a newest manifest that is torn, of a change that nothing has confirmed.
"""

from collections.abc import Iterable, Mapping, Sequence

import lance
import numpy as np
import pyarrow as pa
from lance.dataset import MergeInsertBuilder
from lance.fragment import write_fragments

from pipeline.lake import sql
from pipeline.lake.checksums import renewed_checksums
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.lease.held_lake import HeldLake
from schemas.errors import LakeError
from schemas.tables import TableName


class TableWriter:
    """Changes the tables of a lake, for its one writer. Every method raises LakeError if the storage fails.

    New rows get the number of the writer's lease.
    """

    def __init__(self, lake: Lake, lease: HeldLake) -> None:
        self._lake = lake
        self._lease = lease

    def append(self, name: TableName, rows: pa.Table) -> None:
        """Adds rows, and checks that the table grew by that many."""
        self.append_in_turn([{name: rows}])

    def append_in_turn(self, steps: Sequence[Mapping[TableName, pa.Table]]) -> None:
        """Adds rows to several tables, and checks that each grew by as many: the rows of a step are added to the lake
        once those of the step before are durable, so that a power cut leaves no later step without an earlier one."""
        kept = [{name: rows for name, rows in step.items() if rows.num_rows} for step in steps]
        counts = ", ".join(f"{rows.num_rows} rows to {name}" for step in kept for name, rows in step.items())
        with lake_errors(f"writing {counts} of {self._lake.uri}", lake=self._lake.uri):
            staged = [{name: self._stage(name, rows) for name, rows in step.items()} for step in kept]
            self._sync_data((name, one) for step in staged for name, one in step.items())
            for rows_of, step in zip(kept, staged, strict=True):
                for name, transaction in step.items():
                    self._add(name, transaction, rows_of[name].num_rows)
                if step:
                    self._lake.make_durable(*step)

    def upsert(self, name: TableName, rows: pa.Table) -> None:
        """Writes rows; a row with the id of an existing row replaces it."""
        with lake_errors(f"updating {name} of {self._lake.uri}", lake=self._lake.uri):
            self._merge(name, self._numbered(rows), self._by_id(name))

    def delete(self, name: TableName, column: str, values: Sequence[str]) -> None:
        """Removes the rows in which a column has one of these values."""
        with lake_errors(f"deleting from {name} of {self._lake.uri}", lake=self._lake.uri):
            for at in range(0, len(values), 500):
                self._lake.table(name).delete(sql.is_in(column, values[at : at + 500]))
            if values:
                self._lake.make_durable(name)

    def delete_where(self, name: TableName, where: str) -> None:
        """Removes the rows that match. where: a condition in LanceDB's SQL."""
        with lake_errors(f"deleting from {name} of {self._lake.uri}", lake=self._lake.uri):
            self._lake.table(name).delete(where)
            self._lake.make_durable(name)

    def update(self, name: TableName, where: str, *, state: str, error: str | None = "") -> None:
        """Sets the state of the rows that match, and the error; "" leaves it as it is."""
        with lake_errors(f"updating {name} of {self._lake.uri}", lake=self._lake.uri):
            # of rows with one id, which a damaged lake may have, one changes them all
            rows = _one_of_each_id(self._lake.writable(name).to_table(filter=where))
            if rows.num_rows:
                new = _with_text(rows, "state", state)
                if error != "":
                    new = renewed_checksums(_with_text(new, "error", error), rows)
                self._merge(name, new, self._by_id(name))

    def set_text(self, name: TableName, where: str, *, column: str, value: str) -> None:
        """Sets a column of the rows that match."""
        with lake_errors(f"updating {name} of {self._lake.uri}", lake=self._lake.uri):
            self._lake.table(name).update(where=where, values={column: value})
            self._lake.make_durable(name)

    def replace(self, name: TableName, rows: pa.Table, where: str) -> None:
        """Upserts rows and removes all other rows that match `where`, in one change; rows keep their lease."""
        with lake_errors(f"replacing rows of {name} of {self._lake.uri}", lake=self._lake.uri):
            self._merge(name, rows, self._by_id(name).when_not_matched_by_source_delete(where))

    def _by_id(self, name: TableName) -> MergeInsertBuilder:
        merge = self._lake.writable(name).merge_insert("id")
        return merge.when_matched_update_all().when_not_matched_insert_all()

    def _merge(self, name: TableName, rows: pa.Table, merge: MergeInsertBuilder) -> None:
        transaction, _ = merge.execute_uncommitted(rows)
        self._sync_data([(name, transaction)])
        lance.LanceDataset.commit(self._lake.dataset(name), transaction)
        self._lake.make_durable(name)

    def _stage(self, name: TableName, rows: pa.Table) -> lance.Transaction:
        """Writes the files of new rows, which no reader finds yet."""
        return write_fragments(self._numbered(rows), self._lake.writable(name), mode="append", return_transaction=True)

    def _sync_data(self, staged: Iterable[tuple[TableName, lance.Transaction]]) -> None:
        self._lake.durability.sync_data((name, new_fragments(transaction)) for name, transaction in staged)

    def _add(self, name: TableName, transaction: lance.Transaction, count: int) -> None:
        table = self._lake.dataset(name)
        before = table.count_rows()
        after = lance.LanceDataset.commit(table, transaction).count_rows()
        if after - before != count:
            raise LakeError(
                f"{name} of {self._lake.uri} grew by {after - before} rows where {count} were written; "
                "is another writer at work? run: regionlake check"
            )

    def _numbered(self, rows: pa.Table) -> pa.Table:
        if "lease" not in rows.schema.names:
            return rows
        numbers = pa.array([self._lease.number] * rows.num_rows, pa.int64())
        return rows.set_column(rows.schema.get_field_index("lease"), rows.schema.field("lease"), numbers)


def _with_text(rows: pa.Table, column: str, value: str | None) -> pa.Table:
    at = rows.schema.get_field_index(column)
    return rows.set_column(at, rows.schema.field(at), pa.array([value] * rows.num_rows, pa.string()))


def new_fragments(transaction: lance.Transaction) -> list[lance.FragmentMetadata]:
    """The fragments that an append or a merge adds or changes."""
    operation = transaction.operation
    if isinstance(operation, lance.LanceOperation.Append):
        return list(operation.fragments)
    if isinstance(operation, lance.LanceOperation.Update):
        return [*operation.updated_fragments, *operation.new_fragments]
    raise TypeError(f"expected an append or an update, got {operation!r}")


def _one_of_each_id(rows: pa.Table) -> pa.Table:
    _, first = np.unique(rows["id"].to_numpy(), return_index=True)
    return rows.take(first)
