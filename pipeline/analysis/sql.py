"""SQL over a lake: reads what a query needs, and runs it in a confined process with limits of time and memory."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from operators.tracking.same_thing import SameThingConfig
from pipeline.analysis.lake_rows import TABLES, LakeRows
from pipeline.analysis.likely_class import FindOdds, class_odds
from pipeline.analysis.objects import Objects, count_followed, find_objects
from pipeline.analysis.sql_child import ENDED, READY, REFUSED, ROWS, SqlRequest, stream_of
from pipeline.analysis.views import BASE, OF_OBJECTS
from pipeline.reading.child import Child
from pipeline.runtime.time_source import REAL_TIME
from schemas import require
from schemas.errors import QueryError

MOST_NESTED = 50  # brackets; DuckDB parses those of FROM in quadratic time, in which no thread of the process runs
CHILD_CODE = "from pipeline.analysis.sql_child import main; main()"
_OPENING, _CLOSING = (b"(", b"[", b"{"), (b")", b"]", b"}")
# the other tables have a row for a source, a shot or a label
_COUNTED: tuple[Literal["frames", "regions"], ...] = ("frames", "regions")
_ROW_BYTES = 800  # of a row: as it was read, and as it is sent
_OBJECT_BYTES = 800  # to follow a region: its ids, and its log-odds of 80 classes; its vector comes to that
_START_S = 60.0  # for the start of the process and the transfer of the tables
_GRACE_S = 2.0  # for a function that DuckDB does not interrupt; after that the process is killed


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """timeout_s: for how long a query may run. memory_bytes: what it may use besides the tables. table_bytes: what the
    tables may take, as far as that is known before they are read. result_bytes: the largest answer. threads: of
    DuckDB."""

    timeout_s: float = 60.0
    memory_bytes: int = 2**30
    table_bytes: int = 2**33
    result_bytes: int = 2**30
    threads: int = 2

    def __post_init__(self) -> None:
        require.above(0, timeout_s=self.timeout_s)
        require.at_least(64 * 2**20, memory_bytes=self.memory_bytes)
        require.at_least(1, table_bytes=self.table_bytes, result_bytes=self.result_bytes, threads=self.threads)


def run_sql(
    rows: LakeRows,
    query: str,
    *,
    limits: SqlLimits | None = None,
    config: SameThingConfig | None = None,
    find_odds: FindOdds = class_odds,
    find: Callable[[LakeRows], Objects] | None = None,
    shown: Callable[[str, pa.Table], pa.Table] = lambda _, table: table,
) -> pa.Table:
    """The answer to one SELECT over the tables and views of `pipeline/analysis/README.md`.

    Nothing is written, no file is read, and nothing is left of the query: it runs in a process of its own, which the
    kernel confines.
    config: which tracks are one object; None for the default. find: finds the objects, in place of `config` and
    `find_odds`. shown: changes a table, which it gets with its name, to what the query sees.
    Raises QueryError for any other statement, an error in the query, and one that exceeds a limit; LakeError and
    ModelError where the lake or its model cannot be read.
    """
    limits = limits or SqlLimits()
    require_select(query)
    named = set(re.findall(r"\w+", query.lower()))
    # a text such as query('FROM vis' || 'its') names no view: DuckDB then reports that there is no such table
    every = bool(named & {*OF_OBJECTS, "show", "information_schema", "duckdb_tables", "duckdb_views"})
    _require_room(rows, {name for name in BASE if every or name in named}, objects=every, limits=limits)
    find = find or (lambda rows: find_objects(rows, config=config, find_odds=find_odds))
    objects = find(rows) if every else None
    tables = {name: TABLES[name](rows) for name in BASE if every or name in named}
    if objects is not None:
        tables |= {"_things": objects.objects, "_members": objects.members}
    tables = {name: shown(name, table) for name, table in tables.items()}
    return _run(query, tables, views=objects is not None, limits=limits)


def _require_room(rows: LakeRows, names: set[str], *, objects: bool, limits: SqlLimits) -> None:
    """Raises QueryError where the tables that a query names are too large to be read."""
    counts = {name: rows.count(name) for name in _COUNTED if name in names}
    needed = sum(count * _ROW_BYTES for count in counts.values())
    much = " and ".join(f"{count:,} {name}" for name, count in counts.items())
    if objects:
        followed_bytes = _OBJECT_BYTES + 2 * rows.lake.space.dimension
        needed += counts["regions"] * followed_bytes
        followed = count_followed(rows) if needed <= limits.table_bytes else None
        if followed is not None:  # what stands is stored once, and followed in each of its keyframes
            needed += max(0, followed - counts["regions"]) * (followed_bytes + _ROW_BYTES)
            much += f" ({followed:,} sightings)"
    if needed > limits.table_bytes:
        raise QueryError(
            f"the query reads {much}, which take about {_size(needed)}, and at most {_size(limits.table_bytes)} are "
            "read: choose sources (`source`, `sources`) or a time (`since`, `until`)"
        )


def require_select(query: str) -> None:
    """Raises QueryError unless the text is one SELECT; DESCRIBE, SHOW and SUMMARIZE are among these."""
    import duckdb

    try:
        if (nested := _nested(query)) > MOST_NESTED:
            raise QueryError(
                f"the query has brackets within brackets, {nested} deep, and at most {MOST_NESTED} are read: put inner "
                "parts into WITH"
            )
        found = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise QueryError(_sentence(str(error))) from None
    if not found:
        raise QueryError('the query is empty: write a SELECT, such as "SELECT * FROM sources"')
    if len(found) > 1:
        raise QueryError(f"one statement is answered at a time, got {len(found)}")
    kind = found[0].type
    if kind != duckdb.StatementType.SELECT:
        raise QueryError(
            f"only SELECT is answered, got {_kind_name(kind.name, query)}: SQL reads a lake, and changes or opens "
            "nothing else"
        )


def _nested(query: str) -> int:
    """How deep brackets are nested, apart from those in texts and comments."""
    import duckdb

    text = query.encode(errors="replace")
    deepest = depth = 0
    for at, _ in duckdb.tokenize(query):  # linear in the length; positions are of bytes
        depth += (text[at : at + 1] in _OPENING) - (text[at : at + 1] in _CLOSING)
        deepest = max(deepest, depth)
    return deepest


def _kind_name(kind: str, query: str) -> str:
    """The statement's name; DuckDB calls INSTALL a LOAD, and PRAGMA x = y a SET."""
    first = re.match(r"\W*(\w+)", query)
    return first[1].upper() if first is not None and first[1].upper() != "WITH" else kind


def _run(query: str, tables: dict[str, pa.Table], *, views: bool, limits: SqlLimits) -> pa.Table:
    sent = {name: stream_of(table) for name, table in tables.items()}
    request = SqlRequest(
        query=query,
        timeout_s=limits.timeout_s,
        memory_bytes=limits.memory_bytes,
        threads=limits.threads,
        tables=len(sent),
        data_bytes=sum(stream.size for stream in sent.values()),
        views=views,
    )
    child = Child(CHILD_CODE, environment={"OPENBLAS_NUM_THREADS": "1"})  # one thread, which the sandbox binds
    connection = child.connection
    ready = False
    try:
        connection.send(request)
        for name, stream in sent.items():
            connection.send_bytes(name.encode())
            connection.send_bytes(stream)
        deadline = REAL_TIME.monotonic_s() + _START_S + limits.timeout_s + _GRACE_S
        found: list[pa.Table] = []
        size = 0
        while True:
            if not connection.poll(max(0.0, deadline - REAL_TIME.monotonic_s())):
                raise _too_long(limits)
            answer = connection.recv_bytes()
            if answer == ENDED:
                return pa.concat_tables(found)
            if answer.startswith(REFUSED):
                raise _refused(json.loads(answer[len(REFUSED) :]), limits)
            if answer == READY:
                deadline = REAL_TIME.monotonic_s() + limits.timeout_s + _GRACE_S
                ready = True
                continue
            assert answer == ROWS
            found.append(pa.ipc.open_stream(pa.py_buffer(connection.recv_bytes())).read_all())
            size += found[-1].nbytes
            if size > limits.result_bytes:
                raise QueryError(
                    f"the answer has more than {_size(limits.result_bytes)}: choose fewer rows or columns, or add LIMIT"
                )
    except (EOFError, OSError) as error:
        reason = b""
        with suppress(EOFError, OSError):  # at the end of a pipe `poll` returns true as well
            if isinstance(error, BrokenPipeError) and connection.poll(_GRACE_S):
                reason = connection.recv_bytes()
        if reason.startswith(REFUSED):  # it gave one before it ended
            raise _refused(json.loads(reason[len(REFUSED) :]), limits) from error
        if not ready:
            raise QueryError(f"the process of the query did not start ({child.exit_reason()})") from error
        raise _too_large(limits, f"its process ended, {child.exit_reason()}") from error
    finally:
        child.close()


def _refused(reason: dict[str, str], limits: SqlLimits) -> QueryError:
    match reason["kind"]:
        case "time":
            return _too_long(limits)
        case "memory":
            return _too_large(limits, "")
        case "access":
            return QueryError(
                "the query opens a file, an address or an extension, which SQL over a lake cannot: it has the tables "
                "of the lake alone"
            )
        case _:
            return QueryError(_sentence(reason["text"]))


def _too_long(limits: SqlLimits) -> QueryError:
    limit = f"{limits.timeout_s:g} s"
    return QueryError(f"the query ran for more than {limit} and was stopped: narrow it, or raise the limit of time")


def _too_large(limits: SqlLimits, reason: str) -> QueryError:
    why = f" ({reason})" if reason else ""
    limit = _size(limits.memory_bytes)
    return QueryError(
        f"the query needs more than {limit} of memory and was stopped{why}: narrow it, or raise the limit"
    )


def _size(count: int) -> str:
    return f"{count / 2**30:.3g} GiB" if count >= 2**30 else f"{count / 2**20:.3g} MiB"


def _sentence(text: str) -> str:
    """What DuckDB reports, in one line: without the kind of the error and the line of the query, with its advice."""
    own = re.search(r"QueryError: (.*)", text)  # of a function of ours
    if own is not None:
        return own[1].strip()
    absent = re.search(r"(?:Table|Table Function) with name (\S+) does not exist", text)
    if absent is not None:
        return f"there is no table or view {absent[1]!r}: there are {', '.join((*BASE, *OF_OBJECTS))}"
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if not part.strip().startswith("LINE ")]
    line = "; ".join(re.sub(r"\s+", " ", part) for part in paragraphs if part)
    return re.sub(r"^[A-Z]\w*( [A-Z]\w*)? Error: ", "", line)
