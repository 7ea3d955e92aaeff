"""Catches a value that ends its own quotes: LanceDB would find other rows, or delete them."""

import doctest

import lancedb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.lake import sql
from schemas.clock import Span

ODD = [
    "plain",
    "it's",
    "''",
    "' OR id <> '",
    "a\\b",
    "a\\'b",
    "two\nlines\r\ttabs",
    "a NUL \0 within",
    "%_*?",
    "--; DROP TABLE t",
    '"double"',
    "`back`",
    "é漢😀\u202e\x7f\x01",
    "",
    " ",
    "FALSE",
    "x" * 5000,
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> lancedb.table.Table:
    rows = pa.table({"id": ODD, "pts": range(len(ODD))})
    return lancedb.connect(str(tmp_path_factory.mktemp("lake"))).create_table("t", rows)


def found(table: lancedb.table.Table, where: str) -> list[str]:
    by_lance = table.to_lance().to_table(columns=["id"], filter=where)["id"].to_pylist()
    assert table.count_rows(where) == len(by_lance)  # reading and counting take it alike
    return by_lance


@pytest.mark.parametrize("value", ODD)
def test_a_value_finds_its_own_row_and_no_other(table: lancedb.table.Table, value: str) -> None:
    assert found(table, sql.equals("id", value)) == [value]
    assert found(table, sql.is_in("id", [value])) == [value]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(ODD) | st.text(max_size=8)))
def test_any_text_at_all_is_only_ever_compared(table: lancedb.table.Table, values: list[str]) -> None:
    assert found(table, sql.is_in("id", values)) == [each for each in ODD if each in values]


def test_conditions_combine_as_they_read(table: lancedb.table.Table) -> None:
    first, second = sql.within("pts", Span(0, 2)), sql.within("pts", Span(4, 6))
    assert found(table, sql.any_of([first, second])) == [*ODD[0:2], *ODD[4:6]]
    assert found(table, sql.all_of(sql.any_of([first, second]), sql.equals("id", ODD[4]))) == [ODD[4]]
    assert found(table, sql.all_of(sql.is_in("id", ODD), sql.within("pts", Span(-5, 1)))) == [ODD[0]]


def test_no_choice_finds_nothing(table: lancedb.table.Table) -> None:
    assert found(table, sql.is_in("id", [])) == found(table, sql.any_of([])) == []


def test_a_delete_takes_the_rows_that_it_names_alone(table: lancedb.table.Table) -> None:
    version = table.version
    table.delete(sql.is_in("id", ["' OR id <> '", "nobody' OR 'a' = 'a"]))
    assert table.count_rows() == len(ODD) - 1
    table.restore(version)


def test_the_example_is_true() -> None:
    assert doctest.testmod(sql) == (0, 1)
