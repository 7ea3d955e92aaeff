"""A lake in memory: what pipeline/lake uses of Lance's tables, each change at once, with a step before each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.dataset

from pipeline.lake.durability import Durability
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.pins import _SCHEMA as PINS_SCHEMA
from pipeline.runtime.time_source import TimeSource
from schemas.tables import TABLE_NAMES, TableName, schema_of
from tests.pipeline.lake.synthetic import SPACE
from tests.simulate.conditions import condition

Rows = list[dict[str, Any]]
Step = Callable[[str, str], None]


@dataclass(slots=True)
class Store:
    """The tables. step: called before each read and each change, with what it is and the table's name."""

    step: Step
    tables: dict[str, Rows] = field(default_factory=lambda: {name: [] for name in (*TABLE_NAMES, "pins")})
    versions: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*TABLE_NAMES, "pins"), 1))

    def schema(self, name: str) -> pa.Schema:
        return PINS_SCHEMA if name == "pins" else schema_of(name, SPACE)  # type: ignore[arg-type]

    def read(self, name: str, columns: Sequence[str] | None = None, where: str | None = None) -> pa.Table:
        matches, schema = condition(where), self.schema(name)
        wanted = schema if columns is None else pa.schema([schema.field(column) for column in columns])
        return pa.Table.from_pylist([row for row in self.tables[name] if matches(row)], schema=wanted)

    def change(self, name: str, rows: Rows) -> None:
        self.tables[name] = rows
        self.versions[name] += 1


class Dataset:
    """A table as it is at one moment."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._rows = store.tables[name]  # replaced, and never changed
        self.version = self.latest_version = self.key = store.versions[name]
        self.schema = store.schema(name)

    def to_table(
        self, columns: Sequence[str] | None = None, filter: str | None = None, *, with_row_id: bool = False
    ) -> pa.Table:
        wanted = self.schema if columns is None else pa.schema([self.schema.field(column) for column in columns])
        matches = condition(filter)
        found = [(number, row) for number, row in enumerate(self._rows) if matches(row)]
        table = pa.Table.from_pylist([row for _, row in found], schema=wanted)
        return table.append_column("_rowid", pa.array([n for n, _ in found], pa.uint64())) if with_row_id else table

    def count_rows(self, filter: str | None = None) -> int:
        return sum(map(condition(filter), self._rows))

    def scanner(self, columns: Sequence[str], batch_size: int) -> Any:
        table = self.to_table(columns)
        return SimpleNamespace(to_reader=lambda: table.to_batches(max_chunksize=batch_size))

    def get_fragments(self) -> list[Any]:
        """None: files have no size here, and nothing to join. The ledger's watchers get one (see `fragments`)."""
        return []

    def versions(self) -> list[Any]:
        return []

    def add(self, rows: pa.Table) -> None:
        self._store.step("add", self._name)
        self._store.change(self._name, [*self._store.tables[self._name], *rows.to_pylist()])

    def delete(self, where: str) -> None:
        self._store.step("delete", self._name)
        matches = condition(where)
        self._store.change(self._name, [row for row in self._store.tables[self._name] if not matches(row)])


class WatchedDataset(Dataset):
    """The ledger as a watcher reads it: one fragment, which is another after every change."""

    def get_fragments(self) -> list[Any]:
        return [self]


class MemoryLake(Lake):
    """A lake whose tables are in a store."""

    def __init__(self, store: Store, *, time: TimeSource, dataset: type[Dataset] = Dataset) -> None:
        self.uri = "memory://lake"
        self.time = time
        self.space = SPACE
        self.lease = None
        self.store = store
        self._kind = dataset
        self.durability = Durability(None)

    @property
    def names(self) -> tuple[TableName, ...]:
        return TABLE_NAMES

    def migrate(self) -> None: ...

    def roll_back_unsynced(self) -> None: ...

    def make_durable(self, *names: TableName) -> None: ...

    def dataset(self, name: TableName) -> Any:
        return self._kind(self.store, name)

    def table(self, name: TableName) -> Any:
        return self.dataset(name)

    def version(self, name: TableName) -> int:
        return self.store.versions[name]

    def read(self, name: TableName, *, columns: list[str] | None = None, where: str | None = None) -> pa.Table:
        self.store.step("read", name)
        return self.store.read(name, columns, where)

    def count(self, name: TableName, *, where: str | None = None) -> int:
        self.store.step("count", name)
        return Dataset(self.store, name).count_rows(where)

    def snapshot(self, **_: float) -> dict[TableName, Any]:
        return {name: Dataset(self.store, name) for name in TABLE_NAMES}


def write_column(lake: MemoryLake, column: str, row_ids: Sequence[int], values: pa.Array) -> None:
    """Sets a column of `regions` in the rows with these numbers, as the function of its name does in Lance."""
    lake.store.step("update", "regions")
    new = dict(zip(row_ids, values.to_pylist(), strict=True))
    rows = lake.store.tables["regions"]
    lake.store.change("regions", [{**row, column: new.get(n, row[column])} for n, row in enumerate(rows)])


class MemoryTables:
    """What a TableWriter does, with a MemoryLake. lease: its number is written to new rows."""

    def __init__(self, lake: MemoryLake, lease: Any) -> None:
        self._store = lake.store
        self._lease = lease

    def append(self, name: TableName, rows: pa.Table) -> None:
        self.append_in_turn([{name: rows}])

    def append_in_turn(self, steps: Sequence[Mapping[TableName, pa.Table]]) -> None:
        for tables in steps:
            for name, rows in tables.items():
                if rows.num_rows:
                    new = self._numbered(rows)
                    self._store.step("append", name)
                    self._store.change(name, [*self._store.tables[name], *new])

    def upsert(self, name: TableName, rows: pa.Table) -> None:
        self._merge("upsert", name, self._numbered(rows), condition("FALSE"))

    def delete(self, name: TableName, column: str, values: Sequence[str]) -> None:
        if values:
            self._store.step("delete", name)
            gone = set(values)
            self._store.change(name, [row for row in self._store.tables[name] if row[column] not in gone])

    def delete_where(self, name: TableName, where: str) -> None:
        self._store.step("delete", name)
        matches = condition(where)
        self._store.change(name, [row for row in self._store.tables[name] if not matches(row)])

    def update(self, name: TableName, where: str, *, state: str, error: str | None = "") -> None:
        self._set(name, where, {"state": state} if error == "" else {"state": state, "error": error})

    def replace(self, name: TableName, rows: pa.Table, where: str = "FALSE") -> None:
        self._merge("replace", name, rows.to_pylist(), condition(where))

    def _set(self, name: TableName, where: str, values: dict[str, str | None]) -> None:
        self._store.step("update", name)
        matches = condition(where)
        self._store.change(name, [{**row, **values} if matches(row) else row for row in self._store.tables[name]])

    def _merge(self, what: str, name: TableName, rows: Rows, gone: Callable[[dict[str, Any]], bool]) -> None:
        self._store.step(what, name)
        new = {row["id"] for row in rows}
        kept = [row for row in self._store.tables[name] if row["id"] not in new and not gone(row)]
        self._store.change(name, [*kept, *rows])

    def _numbered(self, rows: pa.Table) -> Rows:
        found = rows.to_pylist()
        numbered = "lease" in rows.schema.names
        return [{**row, "lease": self._lease.number} for row in found] if numbered else found
