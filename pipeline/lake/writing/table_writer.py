"""Writes to the lake's tables: appends are counted, all other writes may be repeated, and each is durable.

The files of a change are synced before Lance's manifest names them, and the manifest before a method returns: see
`Durability.commit`. Lance names the files of a plain deletion at once; they are synced after that, and what is durable
is noted. A power cut therefore leaves at most a newest manifest or deletion that is torn, which nothing has confirmed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import lance
import numpy as np
import pyarrow as pa
from lance.dataset import MergeInsertBuilder
from lance.fragment import write_fragments
from numpy.typing import NDArray

from pipeline.lake import sql
from pipeline.lake.checksums import renewed_checksums
from pipeline.lake.durability import Staged
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.lease.held_lake import HeldLake
from schemas.errors import LakeError
from schemas.tables import TableName

RowIds = NDArray[np.uint64]


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
            staged = [[self._appended(name, rows) for name, rows in step.items()] for step in kept]
            self._lake.durability.sync_data(each for step in staged for each in step)
            for step in staged:
                self._lake.durability.commit(step)

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

    def replace(self, name: TableName, rows: pa.Table, where: str | None = None) -> None:
        """Upserts rows and removes all other rows that match `where`, in one change; rows keep their lease."""
        with lake_errors(f"replacing rows of {name} of {self._lake.uri}", lake=self._lake.uri):
            merge = self._by_id(name)
            self._merge(name, rows, merge if where is None else merge.when_not_matched_by_source_delete(where))

    def _by_id(self, name: TableName) -> MergeInsertBuilder:
        merge = self._lake.writable(name).merge_insert("id")
        return merge.when_matched_update_all().when_not_matched_insert_all()

    def _merge(self, name: TableName, rows: pa.Table, merge: MergeInsertBuilder) -> None:
        transaction, _ = merge.execute_uncommitted(rows)
        self._lake.durability.commit([staged(self._lake, name, transaction)])

    def _appended(self, name: TableName, rows: pa.Table) -> Staged:
        """New rows, whose files are written; no reader finds them yet."""
        data = self._lake.writable(name)
        transaction = write_fragments(self._numbered(rows), data, mode="append", return_transaction=True)

        def commit() -> lance.LanceDataset:
            self._add(name, transaction, rows.num_rows)
            return self._lake.dataset(name)

        return replace(staged(self._lake, name, transaction), commit=commit)

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


def staged(lake: Lake, name: TableName, transaction: lance.Transaction) -> Staged:
    """An append, a merge, or new values of a column, whose files are written."""
    operation = transaction.operation
    if isinstance(operation, lance.LanceOperation.Append):
        fragments = list(operation.fragments)
    elif isinstance(operation, lance.LanceOperation.Update):
        fragments = [*operation.updated_fragments, *operation.new_fragments]
    else:
        raise TypeError(f"expected an append or an update, got {operation!r}")
    return Staged(name, fragments, lambda: lance.LanceDataset.commit(lake.dataset(name), transaction))


def write_column(lake: Lake, column: str, row_ids: RowIds, values: pa.Array) -> None:
    """Rewrites one column of `regions` in the fragments that hold these rows.

    row_ids: uint64 (N,), of Lance. A merge by id would rewrite whole rows, and read the whole table to find them: 3.9 s
    against 0.2 s among 300,000 regions.
    """
    if not len(row_ids):
        return
    dataset = lake.writable("regions")
    fragment_of = row_ids >> np.uint64(32)
    new = pa.table({"_rowid": pa.array(row_ids), column: values})
    fragments: list[lance.FragmentMetadata] = []
    fields: set[int] = set()
    for fragment in dataset.get_fragments():
        here = np.flatnonzero(fragment_of == fragment.fragment_id)
        if not len(here):
            continue
        updated, modified = fragment.update_columns(new.take(pa.array(here)))
        fragments.append(updated)
        fields.update(modified)
    update = lance.LanceOperation.Update(updated_fragments=fragments, fields_modified=sorted(fields))
    lake.durability.commit([staged(lake, "regions", lance.Transaction(dataset.version, update))])


def _one_of_each_id(rows: pa.Table) -> pa.Table:
    _, first = np.unique(rows["id"].to_numpy(), return_index=True)
    return rows.take(first)
