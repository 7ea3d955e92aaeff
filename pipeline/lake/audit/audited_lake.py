"""The data that an audit reads of a lake, at one moment: all columns except vectors, masks and pictures."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.spans import SpanIndex
from schemas.tables import TableName, vector_spaces

ROW_TABLES: tuple[TableName, ...] = ("frames", "regions", "patches")
TABLES_OF_SOURCES: tuple[TableName, ...] = ("segments", "shots", *ROW_TABLES)  # each row belongs to a source
KEYS: dict[TableName, str] = dict.fromkeys(("sources", *TABLES_OF_SOURCES), "id") | {"patches": "frame"}
Problem = tuple[str, str]  # id of the source concerned, and a sentence
INGEST_AGAIN = "run `regionlake ingest` on it again"
REPLACE = "run `regionlake ingest --replace` on it"


class AuditedLake:
    """A snapshot of a lake, for the checks of an audit.

    datasets: of one snapshot. tables: their light columns. done: the rows of `segments` that are done.
    patience_s: how long to wait for the end of a commit.
    placed: for each row of frames, regions and patches the row of `done` whose span contains it, else −1.
    """

    def __init__(self, lake: Lake, *, patience_s: float = 5.0) -> None:
        with lake_errors(f"reading the lake {lake.uri}", lake=lake.uri):
            self.datasets = lake.snapshot(patience_s=patience_s)
            self.tables: dict[TableName, pa.Table] = {}
            for name, dataset in self.datasets.items():
                heavy = {"thumbnail", "mask", *vector_spaces(dataset.schema)}
                columns = [c for c in dataset.schema.names if c not in heavy]
                self.tables[name] = dataset.to_table(columns=columns).combine_chunks()
        others = [self.tables[name]["source_id"] for name in TABLES_OF_SOURCES]
        ids = [*self.tables["sources"]["id"].chunks, *(chunk for column in others for chunk in column.chunks)]
        self._ids = pc.unique(pa.chunked_array(ids, pa.string()))
        self._uris = dict(pairs(self.tables["sources"], "id", "source"))
        segments = self.tables["segments"]
        self.done = segments.filter(pc.equal(segments["state"], "done"))
        self._spans = SpanIndex(
            source=self.codes(self.done), start=ints(self.done, "start"), stop=ints(self.done, "stop")
        )
        self.placed = {name: self.place(self.tables[name]) for name in ROW_TABLES}

    def place(self, rows: pa.Table) -> NDArray[np.int64]:
        """For each row of frames, regions or patches the row of `done` whose span contains it, else −1."""
        return self._spans.find(source=self.codes(rows), pts=ints(rows, "pts"))

    def codes(self, table: pa.Table) -> NDArray[np.int64]:
        """Number of each row's source, which `source_id` converts back."""
        codes = pc.index_in(table[source_column(table)], value_set=self._ids)
        return np.asarray(codes.to_numpy(), np.int64)

    def source_id(self, code: int) -> str:
        return str(self._ids[int(code)])

    def named(self, source_id: str) -> str:
        return self._uris.get(source_id, f"source {source_id}")


def source_column(table: pa.Table) -> str:
    return "source_id" if "source_id" in table.schema.names else "id"


def ints(table: pa.Table, column: str) -> NDArray[np.int64]:
    return np.asarray(table[column].to_numpy(), np.int64)


def pairs(table: pa.Table, key: str, value: str) -> Iterator[tuple[str, str]]:
    return zip(table[key].to_pylist(), table[value].to_pylist(), strict=True)
