"""What SQL refuses: catches a query that writes, reads a file, runs for ever, or takes the memory of the machine."""

from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from operators.sandbox.confinement import unsupported
from pipeline.analysis.lake_rows import LakeRows
from pipeline.analysis.sql import SqlLimits, run_sql
from pipeline.lake.lake import Lake
from schemas.errors import InvalidValueError, QueryError
from schemas.query import Moment

LIMITS = SqlLimits(timeout_s=60.0, memory_bytes=128 * 2**20, threads=1)
BRIEF = replace(LIMITS, timeout_s=0.5)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("INSERT INTO frames SELECT * FROM frames", "INSERT"),
        ("WITH x AS (SELECT 1) INSERT INTO frames FROM x", "INSERT"),
        ("UPDATE regions SET label = 'cat'", "UPDATE"),
        ("DELETE FROM regions", "DELETE"),
        ("CREATE TABLE t AS SELECT 1", "CREATE"),
        ("DROP TABLE frames", "DROP"),
        ("COPY regions TO 'regions.csv'", "COPY"),
        ("ATTACH 'other.db'", "ATTACH"),
        ("INSTALL httpfs", "INSTALL"),
        ("LOAD httpfs", "LOAD"),
        ("PRAGMA database_list", "PRAGMA"),
        ("SET memory_limit = '1TB'", "SET"),
        ("SET VARIABLE x = 1", "SET"),
        ("EXPORT DATABASE 'folder'", "EXPORT"),
        ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN"),
    ],
)
def test_only_a_select_is_answered(street: LakeRows, statement: str, named: str) -> None:
    with pytest.raises(QueryError, match=f"only SELECT is answered, got {named}: "):
        run_sql(street, statement)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "the query is empty"),
        ("-- nothing", "the query is empty"),
        ("SELECT 1; SELECT 2", "one statement is answered at a time, got 2"),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT colour FROM frames", '"colour" not found'),
        ("FROM walks", "there is no table or view 'walks': there are sources, shots, frames, regions, labels, objects"),
        ("SELECT label::INTEGER FROM regions", "Could not convert string"),
    ],
)
def test_a_mistake_is_explained_in_one_line(street: LakeRows, query: str, said: str) -> None:
    with pytest.raises(QueryError, match=said) as raised:
        run_sql(street, query)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("call", ["read_csv", "glob"])
def test_no_file_is_opened(street: LakeRows, call: str, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(QueryError, match="opens a file, an address or an extension"):
        run_sql(street, f"SELECT * FROM {call}('{tmp_path}/secret.csv')")


def test_a_path_is_no_table(street: LakeRows, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(QueryError):
        run_sql(street, f"SELECT * FROM '{tmp_path}/secret.csv'")


def test_a_variable_of_python_is_no_table(street: LakeRows) -> None:
    with pytest.raises(QueryError, match="there is no table or view 'tables'"):
        run_sql(street, "FROM tables")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT sum(hash(range) % 7) FROM range(1000000000000)",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    ],
)
def test_a_query_without_an_end_is_stopped(street: LakeRows, query: str) -> None:
    with pytest.raises(QueryError, match=r"ran for more than 0\.5 s and was stopped"):
        run_sql(street, query, limits=BRIEF)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM range(100000000) ORDER BY hash(range)",
        "SELECT len(list(range)) FROM range(100000000)",
        # what DuckDB's own limit does not count
        pytest.param(
            "SELECT length(repeat('x', 4000000000))",
            marks=pytest.mark.skipif(bool(unsupported()), reason="this kernel cannot confine a process"),
        ),
    ],
)
def test_a_query_that_needs_too_much_memory_is_stopped(street: LakeRows, query: str) -> None:
    with pytest.raises(QueryError, match="needs more than 128 MiB of memory and was stopped"):
        run_sql(street, query, limits=LIMITS)


def test_an_answer_that_is_too_large_is_refused(street: LakeRows) -> None:
    with pytest.raises(QueryError, match="the answer has more than 1 MiB"):
        run_sql(street, "FROM range(1000000)", limits=replace(LIMITS, result_bytes=2**20))


def test_limits_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="timeout_s"):
        SqlLimits(timeout_s=0)


def test_a_process_that_dies_while_it_gets_the_tables_is_reported_in_a_sentence(
    street: LakeRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.analysis.sql.CHILD_CODE", "raise SystemExit(3)")
    with pytest.raises(QueryError, match="the process of the query did not start"):
        run_sql(street, "SELECT * FROM regions")


@pytest.mark.parametrize("query", ["SELECT count(*) FROM regions", "FROM visits", "SHOW TABLES"])
def test_more_than_fits_is_refused_before_it_is_read(
    street_lake: Lake, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = LakeRows(street_lake)
    assert rows.count("regions") == run_sql(rows, "SELECT id FROM regions").num_rows
    small = replace(LIMITS, table_bytes=800 * rows.count("regions") - 1)
    with monkeypatch.context() as patched:
        patched.setattr(LakeRows, "read", lambda *_, **__: pytest.fail("it was read"))
        with pytest.raises(QueryError, match=r"regions, which take about .* are read: choose sources .* or a time"):
            run_sql(rows, query, limits=small)
    assert run_sql(rows, "SELECT count(*) AS n FROM sources", limits=small)["n"].to_pylist() == [2]
    part = run_sql(LakeRows(street_lake, until=2.0), "SELECT id FROM regions", limits=small)
    assert 0 < part.num_rows < rows.count("regions")


def test_a_query_reads_the_frames_and_regions_of_a_time(street_lake: Lake) -> None:
    whole = LakeRows(street_lake)
    [(start,)] = zip(*run_sql(whole, "SELECT min(time) FROM frames").to_pydict().values(), strict=True)
    bounds: list[tuple[Moment | None, Moment | None, str]] = [
        (1.0, 3.0, "at_s >= 1 AND at_s < 3"),
        (None, 2.0, "at_s < 2"),
        (start + timedelta(seconds=1), start + timedelta(seconds=3), "time IS NOT NULL AND at_s >= 1 AND at_s < 3"),
        (start.replace(tzinfo=UTC) + timedelta(seconds=2), None, "time IS NOT NULL AND at_s >= 2"),
    ]
    for since, until, where in bounds:
        rows = LakeRows(street_lake, since=since, until=until)
        for table in ("frames", "regions"):
            found = run_sql(rows, f"SELECT id FROM {table} ORDER BY id")
            assert 0 < found.num_rows < whole.count("regions")
            assert found == run_sql(whole, f"SELECT id FROM {table} WHERE {where} ORDER BY id")
        assert rows.state != whole.state
