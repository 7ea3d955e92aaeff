"""Checks that what was written once is still what was written."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.lake.audit.audited_lake import REPLACE, ROW_TABLES, AuditedLake, Problem, source_column
from pipeline.lake.checksums import (
    WRITTEN_ONCE,
    SegmentChecksum,
    UInt64Array,
    ledger_checksums,
    own_checksums,
    row_checksums,
)
from pipeline.lake.lake import REPEATS_LEFT
from schemas.tables import TableName

OWN: tuple[TableName, ...] = ("sources", "shots", "plans")
_BATCH = 4096


def unsummed(audited: AuditedLake) -> int:
    """Number of done segments without a checksum."""
    done = audited.done
    return int(done["checksum"].null_count if "checksum" in done.schema.names else done.num_rows)


def segments(audited: AuditedLake) -> Iterator[Problem]:
    """The rows of every segment have the checksum that the ledger has."""
    done = audited.done
    if unsummed(audited) == done.num_rows:
        return
    expected: dict[int, SegmentChecksum] = {}
    for number, text in enumerate(done["checksum"].to_pylist()):
        try:
            if text is not None:
                expected[number] = SegmentChecksum.parse(text)
        except ValueError:
            pass  # `own_rows` reports it
    columns = done.select(["source_id", "source", "start", "stop", "error"]).to_pylist()
    for at, name in enumerate(ROW_TABLES):
        found = segment_sums(audited, name)
        for number, checksum in expected.items():
            if int(found[number]) != checksum.sums[at]:
                row = columns[number]
                if row["error"] == REPEATS_LEFT and name == "regions":
                    continue  # `ledger_states` reports it
                yield (
                    row["source_id"],
                    f"{name}: the rows of [{row['start']}, {row['stop']}) of {row['source']} do not have the checksum "
                    f"that they were written with: they are damaged; {REPLACE}, or `regionlake repair` on the lake",
                )


def segment_sums(audited: AuditedLake, name: TableName) -> UInt64Array:
    """uint64: the sum of the checksums of the rows of each segment in `audited.done`."""
    sums = np.zeros(audited.done.num_rows, np.uint64)
    dataset, size = audited.datasets[name], 64 if name == "patches" else _BATCH  # a row of patches is a whole grid
    for batch in dataset.scanner(columns=[*WRITTEN_ONCE[name]], batch_size=size).to_reader():
        placed, summed = audited.place(batch), row_checksums(batch, name)
        np.add.at(sums, placed[placed >= 0], summed[placed >= 0])
    return sums


def damaged_rows(table: pa.Table, *, ledger: bool) -> list[int]:
    """Numbers of the rows that do not have their checksum. table: of sources, shots or plans, or of the ledger."""
    if not ledger:
        made: list[str | None] = [*own_checksums(table)]
    else:
        try:
            made = ledger_checksums(table)
        except ValueError:  # a checksum that is damaged itself: one by one
            return [at for at in range(table.num_rows) if _is_damaged(table.slice(at, 1))]
    return [at for at, held in enumerate(table["checksum"].to_pylist()) if held is not None and held != made[at]]


def _is_damaged(row: pa.Table) -> bool:
    try:
        return bool(ledger_checksums(row) != row["checksum"].to_pylist())
    except ValueError:
        return True


def own_rows(audited: AuditedLake) -> Iterator[Problem]:
    """Every row of the ledger, of `sources`, `shots` and `plans` has the checksum that it was written with."""
    for name in ("segments", *OWN):
        table = audited.tables.get(name)
        if table is None or "checksum" not in table.schema.names:
            continue
        table = table.filter(pc.is_valid(table["checksum"])).combine_chunks()
        damaged = damaged_rows(table, ledger=name == "segments")
        for row in table.take(pa.array(damaged, pa.int64())).to_pylist():
            source_id = "" if name == "plans" else row[source_column(table)]
            of = f" of {audited.named(source_id)}" if name in ("segments", "shots") else ""
            yield source_id, f"{name}: the row {row['id']}{of} is damaged: it does not have its checksum; {REPLACE}"
