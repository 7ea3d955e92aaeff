"""The lease of a lake in a folder: a file lock that the kernel releases, however its holder ends."""

import fcntl
import json
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from operators.runtime.atomic_write import atomic_write
from pipeline.lake.lease.holder import Holder, held_message
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.errors import LakeError

_LOCK = ".writer.lock"  # locked by the holder, whom it names
_NUMBER = ".writer.number"  # of the last lease; it stays when the lock is released
_held: "weakref.WeakSet[FolderLease]" = weakref.WeakSet()
_registered = False


class FolderLease:
    """Holds the right to write a local lake until `release()`, or until this process ends in any way.

    flock belongs to the open file, not to the process: a second lease in the same process is refused
    too, and forked children (decoders) close their copy, so that they cannot hold a dead writer's lock.
    A holder loses it only by ending, so nothing of an earlier holder can be under way.
    above, wait_s: see `take_lease`. Raises LakeError, naming the holder, if another writer has it.
    """

    unclean = False
    fencing_before = False

    def __init__(
        self,
        folder: Path,
        *,
        wait_s: float = 10.0,
        above: Callable[[], int] = lambda: 0,
        time: TimeSource = REAL_TIME,
    ) -> None:
        self.path = folder / _LOCK
        try:
            self._file: TextIO | None = self.path.open("a+", encoding="utf-8")
        except OSError as error:
            raise _cannot_write(folder, error) from error
        try:
            _flock(self._file, wait_s=wait_s, time=time)
        except OSError as error:
            holder = Holder.parse(_text(self.path))
            self.release()
            raise LakeError(held_message(str(folder), holder, wait_s=wait_s)) from error
        try:
            self.number = max(_last_number(folder), above()) + 1
            with atomic_write(folder / _NUMBER) as path:
                path.write_text(f"{self.number}\n", encoding="ascii")
            self.holder = Holder.of_this_process(self.number, now=time.utc())
            self._file.truncate(0)
            self._file.write(json.dumps(self.holder.to_json()))
            self._file.flush()
        except OSError as error:
            self.release()
            raise _cannot_write(folder, error) from error
        except BaseException:
            self.release()
            raise
        _held.add(self)
        _release_in_forked_children()

    def require(self) -> None:
        """The kernel keeps the lock as long as this process lives."""

    def hold(self) -> bool:
        return False

    def fenced(self) -> None:
        """There is nobody to fence against."""

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def holder_of_folder(folder: Path) -> Holder | None:
    """The process that is writing a local lake; None if there is none."""
    try:
        with (folder / _LOCK).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return Holder.parse(_text(folder / _LOCK))
    except FileNotFoundError:
        pass
    return None


def _flock(file: TextIO, *, wait_s: float, time: TimeSource) -> None:
    """Takes the lock. Raises OSError if it is still held after `wait_s`."""
    # `holder_of_folder` takes the lock for an instant to check it: never give up at the first refusal
    deadline = time.monotonic_s() + max(0.2, wait_s)
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic_s() > deadline:
                raise
            time.sleep(0.05)


def _last_number(folder: Path) -> int:
    try:
        return int(_text(folder / _NUMBER))
    except ValueError:  # none yet, or damaged: the ledger knows the greatest that rows were written under
        return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _cannot_write(folder: Path, error: OSError) -> LakeError:
    return LakeError(f"cannot write to the lake {folder}: {error}; make the folder writable, or write to another lake")


def _release_in_forked_children() -> None:
    global _registered
    if not _registered:
        os.register_at_fork(after_in_child=_release_all)
        _registered = True


def _release_all() -> None:
    for lease in list(_held):
        lease.release()
