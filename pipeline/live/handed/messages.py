"""Messages over a local socket: JSON, and Arrow tables behind it; neither runs code when it is read."""

import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

_LENGTH = struct.Struct("!Q")
_MOST_BYTES = 2**36  # of a part; more is a damaged length


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """body: JSON. tables: what it refers to by number."""

    body: dict[str, Any]
    tables: tuple[pa.Table, ...] = ()


def send(connection: socket.socket, body: dict[str, Any], tables: Sequence[pa.Table] = ()) -> None:
    """Sends a message. Raises OSError where the other end is gone."""
    streams = []
    for table in tables:
        out = pa.BufferOutputStream()
        with pa.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)
        streams.append(out.getvalue())
    head = json.dumps({"body": body, "sizes": [stream.size for stream in streams]}).encode()
    connection.sendall(_LENGTH.pack(len(head)) + head)
    for buffer in streams:
        connection.sendall(memoryview(buffer))


def receive(connection: socket.socket) -> Message | None:
    """The next message; None where the other end has closed the connection. Raises OSError or ValueError."""
    first = _read(connection, _LENGTH.size, at_start=True)
    if first is None:
        return None
    (length,) = _LENGTH.unpack(first)
    head = json.loads(bytes(_whole(connection, length)))
    tables = []
    for size in head["sizes"]:
        with pa.ipc.open_stream(pa.py_buffer(_whole(connection, int(size)))) as stream:
            tables.append(stream.read_all())
    return Message(head["body"], tuple(tables))


def _whole(connection: socket.socket, size: int) -> bytearray:
    if not 0 <= size <= _MOST_BYTES:
        raise ValueError(f"a part of a message must have at most {_MOST_BYTES} bytes, got {size}")
    found = _read(connection, size, at_start=False)
    assert found is not None
    return found


def _read(connection: socket.socket, size: int, *, at_start: bool) -> bytearray | None:
    buffer = bytearray(size)
    view, at = memoryview(buffer), 0
    while at < size:
        count = connection.recv_into(view[at:])
        if not count:
            if at_start and not at:
                return None
            raise ConnectionResetError(f"the connection ended after {at} of {size} bytes")
        at += count
    return buffer
