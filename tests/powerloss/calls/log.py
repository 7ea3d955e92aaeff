"""Reads the log of shim.c: what a process changed below a folder, in order."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.powerloss.calls.shim import Kind

_HEAD = struct.Struct("=IIQQIIII")  # struct record of shim.c


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. error: its errno, 0 where it succeeded. inode: of the file or folder. path: below the folder, absolute;
    for a mark its text. other: new name of a rename or link. offset: where a write began, or the length of a
    truncated file. data: what was written."""

    kind: Kind
    error: int
    inode: int
    offset: int
    path: str
    other: str
    data: bytes


def read_log(path: Path) -> list[Operation]:
    """The operations of a log. Raises NotImplementedError if one of them is of no kind that the model of a disk has."""
    return list(_operations(path.read_bytes()))


def _operations(log: bytes) -> Iterator[Operation]:
    at = 0
    while at < len(log):
        kind, error, inode, offset, path, other, data, _ = _HEAD.unpack_from(log, at)
        at += _HEAD.size
        parts: list[bytes] = []
        for length in (path, other, data):
            parts.append(log[at : at + length])
            at += length
        if kind == Kind.UNKNOWN:
            raise NotImplementedError(f"the model has no system call {offset}, made on {parts[0].decode() or 'a file'}")
        yield Operation(Kind(kind), error, inode, offset, parts[0].decode(), parts[1].decode(), parts[2])
