"""Writes a table of SQL, or of an export, for people and for other programs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, get_args

import pyarrow as pa

from deploy.tables.json_values import json_value
from schemas.errors import RegionLakeError
from schemas.visible_text import visible

if TYPE_CHECKING:
    from rich.table import Table

TableFormat = Literal["table", "csv", "json", "parquet"]
FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)
SHOWN_ROWS = 500  # of a table for people
_DIGITS = 6


def shown_table(rows: pa.Table) -> "Table":
    """The first rows as a table for people: numbers are rounded, and what is unknown is a dash."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for each in rows.schema:
        number = pa.types.is_integer(each.type) or pa.types.is_floating(each.type) or pa.types.is_decimal(each.type)
        table.add_column(visible(each.name), justify="right" if number else "left", overflow="fold")
    for row in _rows(rows.slice(0, SHOWN_ROWS)):
        table.add_row(*(visible(_cell(value)) for value in row))
    return table


def shown_records(rows: pa.Table) -> "Table":
    """The first rows one below the other, a line for each value: for answers that are too wide for a table."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    names = [visible(name) for name in rows.schema.names]
    for number, row in enumerate(_rows(rows.slice(0, SHOWN_ROWS))):
        if number:
            table.add_row()
        for name, value in zip(names, row, strict=True):
            table.add_row(name, visible(_cell(value)))
    return table


def write_table(rows: pa.Table, out: Path | IO[bytes], *, written_as: TableFormat) -> None:
    """Writes all rows, to a file (which appears when it is complete) or to an open one.

    CSV has ISO 8601 times, and lists and structs as JSON; JSON is one array of objects, with null for NaN. Raises
    RegionLakeError where the file cannot be written.
    """
    if not isinstance(out, Path):
        _write(rows, out, written_as)
        return
    from operators.runtime.atomic_write import atomic_write

    try:
        with atomic_write(out) as path, path.open("wb") as file:
            _write(rows, file, written_as)
    except OSError as error:
        raise RegionLakeError(f"{out} cannot be written: {error}") from error


def _write(rows: pa.Table, file: IO[bytes], written_as: TableFormat) -> None:
    import json

    if written_as == "parquet":
        import pyarrow.parquet

        pyarrow.parquet.write_table(rows, file)
    elif written_as == "csv":
        import csv
        import io

        text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(rows.schema.names)
        for row in _rows(rows):
            writer.writerow(
                json.dumps(json_value(each)) if isinstance(each, list | dict) else _timed(each) for each in row
            )
        text.detach()
    else:
        names = rows.schema.names
        lines = (json.dumps(dict(zip(names, map(json_value, row), strict=True))) for row in _rows(rows))
        file.write(("[" + ",\n ".join(lines) + "]\n").encode())


def _rows(rows: pa.Table) -> Iterator[Sequence[object]]:
    """By position: two columns may have one name."""
    for batch in rows.to_batches(max_chunksize=4096):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _timed(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return " ".join(map(_cell, value)) if isinstance(value, list) else str(value)
