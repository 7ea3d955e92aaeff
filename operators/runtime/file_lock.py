"""A lock between processes, for a file that each of them reads, changes and replaces."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOK_S = 0.02


@contextmanager
def file_lock(path: Path, *, wait_s: float = 10.0) -> Iterator[None]:
    """Holds the lock of `path` during the block: a file `.NAME.lock` beside it, which stays there.

    The file itself cannot be the lock, because it is replaced, and may not exist yet. The kernel releases the lock when
    its holder ends, however it ends. Parent folders are created.
    Raises TimeoutError if another process holds it for longer than `wait_s`, OSError if the lock's file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(f".{path.name}.lock")
    descriptor = _opened(name)
    try:
        until_s = time.monotonic() + wait_s
        while not _taken(descriptor):
            if time.monotonic() >= until_s:
                raise TimeoutError(f"another process has been changing {path} for {wait_s:g} s")
            time.sleep(_LOOK_S)
        yield
    finally:
        os.close(descriptor)


def _opened(name: Path) -> int:
    flags = os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(name, flags | os.O_RDWR, 0o644)
    except PermissionError:  # another user made it; flock needs no right to write
        return os.open(name, flags | os.O_RDONLY, 0o644)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
