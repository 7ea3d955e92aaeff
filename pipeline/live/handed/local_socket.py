"""A local socket that only its user may use, beside a lake."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "writer.sock"
_LONGEST = 100  # bytes of a socket's path: the kernel takes 107
_WAITING = 16


def listen(folder: Path) -> socket.socket:
    """Listens at `folder/writer.sock`, in place of what a killed process left there. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / NAME).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)  # before it has a name: nobody else can connect in between
        with _short(folder) as path:
            listener.bind(path)
        listener.listen(_WAITING)
    except BaseException:
        listener.close()
        raise
    return listener


def connect(folder: Path) -> socket.socket | None:
    """Connects to the process that listens there as the same user; None where there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(folder) as path:
            connection.connect(path)
    except OSError:  # no socket, one that a killed process left, or one of another user
        connection.close()
        return None
    if not of_this_user(connection):
        connection.close()
        return None
    return connection


def of_this_user(connection: socket.socket) -> bool:
    """Whether the process at the other end runs as the user of this one."""
    stored = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", stored)
    return bool(user == os.getuid())


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A path of the socket that is short enough: through a descriptor of its folder, where its own is too long."""
    path = os.fsencode(folder / NAME)
    if len(path) <= _LONGEST:
        yield os.fsdecode(path)
        return
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{held}/{NAME}"
    finally:
        os.close(held)
