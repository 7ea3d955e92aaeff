"""Runs one query of SQL in a child process that has the tables it was sent, and no file, network or other process."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType
from duckdb.sqltypes import DOUBLE, FLOAT, VARCHAR

from operators.sandbox.confinement import Confinement, confine
from pipeline.analysis.sql_functions import ends_of_lines, share_in_zones
from pipeline.analysis.views import SETUP
from pipeline.reading.child import child_connection

# beginnings of answers: the tables are read, a stream of Arrow follows, all was sent, a reason
READY, ROWS, ENDED, REFUSED = b"+", b"R", b".", b"E"
_BATCH = 65_536
MOST_COLUMNS = 2000
_CGROUP = ("/proc/self/cgroup", "/sys/fs/cgroup")  # DuckDB reads there how much memory and how many cores it has
_OWN_BYTES = 512 * 2**20  # of Python and the stacks of threads
_KINDS = {
    "InterruptException": "time",
    "OutOfMemoryException": "memory",
    "MemoryError": "memory",
    "ArrowMemoryError": "memory",
    "PermissionException": "access",
}


@dataclass(frozen=True, slots=True)
class SqlRequest:
    """query: one statement. timeout_s: after that it is interrupted. memory_bytes: what DuckDB may use for it.

    data_bytes: size of the tables that follow, each as its name and then as a stream of Arrow. views: whether the views
    of objects are made; they need the tables of `pipeline.analysis.objects`.
    """

    query: str
    timeout_s: float
    memory_bytes: int
    threads: int
    tables: int
    data_bytes: int
    views: bool


def main() -> None:
    """Answers one request, and ends."""
    connection, request = child_connection(_confine)
    assert isinstance(request, SqlRequest)
    try:
        for rows in _answers(connection, request):
            connection.send_bytes(ROWS)
            connection.send_bytes(rows)
    except Exception as error:
        kind = _KINDS.get(type(error).__name__, "query")
        connection.send_bytes(REFUSED + json.dumps({"kind": kind, "text": str(error)}).encode())
    else:
        connection.send_bytes(ENDED)


def _confine(request: SqlRequest) -> None:
    # of a table, the stream and what is read of it; beyond DuckDB's own limit, what its functions allocate themselves
    memory_bytes = 2 * request.data_bytes + request.memory_bytes + _OWN_BYTES
    confine(Confinement(readable=_CGROUP, memory_bytes=memory_bytes))


def _answers(connection: Connection, request: SqlRequest) -> Iterator[pa.Buffer]:
    """Yields streams of Arrow, the first without rows."""
    database = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{request.memory_bytes}B",
            "threads": str(request.threads),
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "temp_directory": "",
        },
    )
    held = []  # what DuckDB reads from while it runs
    for _ in range(request.tables):
        name = connection.recv_bytes().decode()
        table = pa.ipc.open_stream(pa.py_buffer(connection.recv_bytes())).read_all()
        held.append(table)
        database.register(name, table)
    arrow = PythonUDFType.ARROW
    database.create_function("share_inside", share_in_zones, [FLOAT, FLOAT, FLOAT, FLOAT, VARCHAR], FLOAT, type=arrow)
    database.create_function("corners_of_line", ends_of_lines, [VARCHAR], duckdb.list_type(DOUBLE), type=arrow)
    if request.views:
        for statement in SETUP:
            database.execute(statement)
    database.execute("SET enable_progress_bar = false")
    database.execute("SET lock_configuration = true")
    connection.send_bytes(READY)
    timer = threading.Timer(request.timeout_s, database.interrupt)
    timer.daemon = True
    timer.start()
    try:
        reader = database.sql(request.query).to_arrow_reader(_BATCH)
        # an ENUM has each of its texts once: here, where memory is limited, every row gets its own
        if len(reader.schema) > MOST_COLUMNS:
            raise ValueError(f"the answer has {len(reader.schema):,} columns: choose at most {MOST_COLUMNS:,}")
        plain = pa.schema([(each.name, plain_type(each.type)) for each in reader.schema])
        yield stream_of(plain.empty_table())
        for batch in reader:
            yield stream_of(pa.Table.from_batches([batch]).cast(plain))
    finally:
        timer.cancel()


def plain_type(type: pa.DataType) -> pa.DataType:
    """The type without dictionaries. Raises ValueError where they are within a type that cannot be converted."""
    if pa.types.is_dictionary(type):
        return type.value_type
    if pa.types.is_list(type):
        return pa.list_(type.value_field.with_type(plain_type(type.value_type)))
    if pa.types.is_struct(type):
        return pa.struct([each.with_type(plain_type(each.type)) for each in type.fields])
    if any(pa.types.is_dictionary(each) for each in _within(type)):
        raise ValueError("an ENUM in a map, a union or an array of fixed length is not answered: cast it to VARCHAR")
    return type


def _within(type: pa.DataType) -> Iterator[pa.DataType]:
    for number in range(type.num_fields):
        own = type.field(number).type
        yield own
        yield from _within(own)


def stream_of(table: pa.Table) -> pa.Buffer:
    """A table as a stream of Arrow."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
