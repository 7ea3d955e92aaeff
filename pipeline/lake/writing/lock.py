"""One writer for each lake: a file lock that the kernel releases, however its holder ends."""

import fcntl
import json
import os
import time
import weakref
from pathlib import Path
from typing import TextIO

from schemas.errors import LakeError

_FILE = ".writer.lock"
_held: "weakref.WeakSet[WriterLock]" = weakref.WeakSet()
_registered = False


class WriterLock:
    """Holds the right to write a local lake until `release()`, or until this process ends in any way.

    flock belongs to the open file, not to the process: a second lock in the same process is refused
    too, and forked children (decoders) close their copy, so that they cannot hold a dead writer's lock.
    wait_s: how long to wait for another holder: the committer of a killed driver outlives it by a second or two.
    Raises LakeError, naming the holder, if another writer has it.
    """

    def __init__(self, lake: Path, *, wait_s: float = 10.0) -> None:
        self.path = lake / _FILE
        try:
            self._file: TextIO | None = self.path.open("a+", encoding="utf-8")
        except OSError as error:
            raise LakeError(
                f"cannot write to the lake {lake}: {error}; make the folder writable, or write to another lake"
            ) from error
        try:
            _flock(self._file, wait_s=wait_s)
        except OSError as error:
            holder = _signature(self.path)
            self._file.close()
            self._file = None
            raise LakeError(
                f"the lake {lake} is being written by process {holder}, and still is after {wait_s:g} s; "
                "wait until it ends, or stop it: one lake has one writer"
            ) from error
        self._file.truncate(0)
        self._file.write(json.dumps({"pid": os.getpid(), "host": os.uname().nodename}))
        self._file.flush()
        _held.add(self)
        _release_in_forked_children()

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _flock(file: TextIO, *, wait_s: float) -> None:
    """Takes the lock. Raises OSError if it is still held after `wait_s`."""
    # `writer_of` takes the lock for an instant to check it: never give up at the first refusal
    deadline = time.monotonic() + max(0.2, wait_s)
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def writer_of(lake: Path) -> str | None:
    """The process that is writing a local lake, e.g. "4711 on host"; None if there is none."""
    try:
        with (lake / _FILE).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return _signature(lake / _FILE)
    except FileNotFoundError:
        pass
    return None


def _signature(path: Path) -> str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return f"{found['pid']} on {found['host']}"
    except (OSError, ValueError, KeyError):  # just locked, and the process id not yet written
        return "unknown"


def _release_in_forked_children() -> None:
    global _registered
    if not _registered:
        os.register_at_fork(after_in_child=_release_all)
        _registered = True


def _release_all() -> None:
    for lock in list(_held):
        lock.release()
