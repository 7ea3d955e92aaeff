"""Answers as text: catches a value that is rounded in a file, control characters in a terminal, and a lost column."""

import csv
import io
import json
from datetime import datetime

import pyarrow as pa

from deploy.tables.answer_table import SHOWN_ROWS, shown_records, shown_table, write_table

ROWS = pa.table(
    [
        pa.array(['a "quoted", name\n\x1b[31m', None]),
        pa.array([0.1234567890123, None]),
        pa.array([datetime(2026, 5, 1, 12, 0, 0, 250_000), None]),
        pa.array([["x", "y"], []]),
        pa.array([1, 2]),
    ],
    names=["name", "value", "time", "list", "name"],  # SQL may give two columns one name
)


def written(written_as: str, rows: pa.Table = ROWS) -> str:
    buffer = io.BytesIO()
    write_table(rows, buffer, written_as=written_as)  # type: ignore[arg-type]
    return buffer.getvalue().decode()


def test_csv_is_read_back_exactly() -> None:
    header, first, second = csv.reader(io.StringIO(written("csv"), newline=""))
    assert header == ["name", "value", "time", "list", "name"]
    assert first == ['a "quoted", name\n\x1b[31m', "0.1234567890123", "2026-05-01T12:00:00.250000", '["x", "y"]', "1"]
    assert second == ["", "", "", "[]", "2"]


def test_json_is_an_array_of_objects() -> None:
    first, second = json.loads(written("json"))
    assert first["value"] == 0.1234567890123
    assert first["list"] == ["x", "y"]
    assert second["time"] is None


def test_json_has_no_value_that_json_does_not_know() -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    rows = pa.table({"n": [float("nan"), float("inf")], "list": [[1.0, float("nan")], []], "bytes": [b"\xff", b""]})
    first, second = json.loads(written("json", rows), parse_constant=refuse)
    assert first == {"n": None, "list": [1.0, None], "bytes": "ff"}
    assert second == {"n": None, "list": [], "bytes": ""}


def test_people_see_rounded_numbers_and_no_control_characters() -> None:
    table = shown_table(ROWS)
    columns = [[*each.cells] for each in table.columns]
    assert columns[0] == [r'a "quoted", name\n\x1b[31m', "–"]
    assert columns[1] == ["0.123457", "–"]
    assert columns[2] == ["2026-05-01 12:00:00", "–"]
    assert columns[3] == ["x y", ""]
    assert columns[4] == ["1", "2"]


def test_a_long_answer_is_shown_in_part() -> None:
    assert shown_table(pa.table({"n": range(SHOWN_ROWS + 5)})).row_count == SHOWN_ROWS


def test_what_is_too_wide_for_a_table_is_shown_a_value_a_line() -> None:
    names, values = ([*column.cells] for column in shown_records(ROWS).columns)
    assert names == ["name", "value", "time", "list", "name", "", "name", "value", "time", "list", "name"]
    assert values == [
        *(r'a "quoted", name\n\x1b[31m', "0.123457", "2026-05-01 12:00:00", "x y", "1"),
        *("", "–", "–", "–", "", "2"),
    ]
