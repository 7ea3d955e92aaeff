"""Appends to files of JSON lines that other programs follow: whole lines only, each once."""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from schemas.errors import WatchError

_PART = 2**20


class JsonLines:
    """Appends to a file, which may be moved away at any time: the next line then begins a new file.

    Half a line, left by a process that was killed while writing, is cut off. Raises WatchError where the file cannot be
    written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors("written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab+") as file:
                size = file.seek(0, os.SEEK_END)
                whole = _whole_lines(file.fileno(), size)
                if whole < size:
                    file.truncate(whole)

    def ids(self, *, since: int) -> Iterator[str]:
        """The ids of the lines after the first `since` bytes; of all lines in a shorter file, which is a new one."""
        with self._errors("read"), self.path.open("rb") as file:
            file.seek(since if since <= file.seek(0, os.SEEK_END) else 0)
            for line in file:
                with contextlib.suppress(ValueError, TypeError, KeyError):  # a line of another program
                    yield str(json.loads(line)["id"])

    def append(self, lines: Sequence[str]) -> int:
        """Appends all of these lines or none, flushed to disk; returns the size of the file in bytes afterwards."""
        with self._errors("written"), self.path.open("ab") as file:
            before = file.seek(0, os.SEEK_END)
            try:
                file.write("".join(line + "\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
                if not before:  # a new file is on disk only once its folder is
                    _sync_folder(self.path.parent)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(file.fileno(), before)
                raise
            return file.tell()

    @contextlib.contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WatchError(f"hits wait because {self.path} cannot be {done}: {error}") from None


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _whole_lines(file: int, size: int) -> int:
    """Number of bytes up to the end of the last whole line."""
    end = size
    while end:
        start = max(0, end - _PART)
        at = os.pread(file, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0
