"""The same steps before each read and each change of a real lake, with which the lake in memory is compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.lake.durability import Durability
from pipeline.lake.lake import Lake
from pipeline.lake.writing.table_writer import TableWriter
from schemas.tables import TableName
from tests.simulate.memory_lake import Step


class SteppedLake(Lake):
    """A lake of LanceDB that calls `step` as MemoryLake does."""

    step: Step = staticmethod(lambda _what, _name: None)

    def read(self, name: TableName, *, columns: list[str] | None = None, where: str | None = None) -> pa.Table:
        self.step("read", name)
        return Lake.dataset(self, name).to_table(columns=columns, filter=where)

    def count(self, name: TableName, *, where: str | None = None) -> int:
        self.step("count", name)
        return Lake.dataset(self, name).count_rows(where)

    def migrate(self) -> None: ...

    def roll_back_unsynced(self) -> None: ...

    def make_durable(self, *names: TableName) -> None: ...


class SteppedTables:
    """A TableWriter that calls `step` as MemoryTables does. It does not sync: nobody cuts the power."""

    def __init__(self, lake: SteppedLake, lease: Any) -> None:
        self._step = lake.step
        plain = Lake.open(lake.uri)
        plain.lease = lease
        plain.make_durable = lambda *_: None  # type: ignore[method-assign]
        plain.durability = Durability(None)
        self._tables = TableWriter(plain, lease)

    def append(self, name: TableName, rows: pa.Table) -> None:
        self.append_in_turn([{name: rows}])

    def append_in_turn(self, steps: Sequence[Mapping[TableName, pa.Table]]) -> None:
        for tables in steps:
            for name, rows in tables.items():
                if rows.num_rows:
                    self._step("append", name)
                    self._tables.append(name, rows)

    def upsert(self, name: TableName, rows: pa.Table) -> None:
        self._step("upsert", name)
        self._tables.upsert(name, rows)

    def delete(self, name: TableName, column: str, values: Sequence[str]) -> None:
        if values:
            self._step("delete", name)
            self._tables.delete(name, column, values)

    def delete_where(self, name: TableName, where: str) -> None:
        self._step("delete", name)
        self._tables.delete_where(name, where)

    def update(self, name: TableName, where: str, *, state: str, error: str | None = "") -> None:
        self._step("update", name)
        self._tables.update(name, where, state=state, error=error)

    def replace(self, name: TableName, rows: pa.Table, where: str | None = None) -> None:
        self._step("replace", name)
        self._tables.replace(name, rows, where)
