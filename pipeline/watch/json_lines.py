"""Files of JSON lines that programs follow while they grow: whole lines, each once."""

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

_PART = 2**20


class JsonLines:
    """Appends to a file, which somebody may move away at any time: the next line then begins a new one.

    since: bytes of the file after which its lines are looked at for the ids they have; all of a file that is shorter,
        for it is another one; None: none are looked at. Half a line, left by what was killed while writing, is cut off.
    written: ids of those lines. Raises OSError where the file cannot be opened.
    """

    def __init__(self, path: Path, *, since: int | None = None) -> None:
        self.path = path
        self.written: set[str] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            whole = _whole_lines(file.fileno(), size)
            if whole < size:
                file.truncate(whole)
            if since is None:
                return
            file.seek(since if since <= whole else 0)
            for line in file:
                with contextlib.suppress(ValueError, TypeError, KeyError):  # somebody else's
                    self.written.add(str(json.loads(line)["id"]))

    def append(self, lines: Sequence[str]) -> int:
        """All of these or none; returns the size of the file afterwards. On the disk when it returns."""
        with self.path.open("ab") as file:
            before = file.seek(0, os.SEEK_END)
            try:
                file.write("".join(line + "\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(file.fileno(), before)
                raise
            return file.tell()


def _whole_lines(file: int, size: int) -> int:
    """Bytes up to the end of the last line that ended."""
    end = size
    while end:
        start = max(0, end - _PART)
        at = os.pread(file, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0
