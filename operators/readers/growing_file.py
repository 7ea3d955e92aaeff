"""A video file to which somebody still appends: read to its end, and then as it grows.

Not FFmpeg's own `follow=1`: that waits in C for ever, so that a pause of the writer looks like a decoder that hangs,
never sees that the file was cut short or replaced, and keeps the last pictures in the decoder.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class FileMark:
    """Tells whether a file is as it was: another size or another file at its path, and it is not."""

    device: int
    inode: int
    size: int

    @staticmethod
    def of(path: Path) -> "FileMark | None":
        """None where there is nothing."""
        try:
            about = path.stat()
        except OSError:
            return None
        return FileMark(about.st_dev, about.st_ino, about.st_size)


class GrowingFile:
    """What PyAV reads a file through. A read at the end waits for more, at most `quiet_s`; then the file ends.

    on_wait: called while it waits, some ten times a second; True ends the file at once.
    ended: why it did, once it has. Raises OSError where it cannot be opened.
    """

    def __init__(self, path: Path, *, quiet_s: float, on_wait: Callable[[], bool]) -> None:
        self._path = path
        self._quiet_s = quiet_s
        self._on_wait = on_wait
        self._file = path.open("rb", buffering=0)
        self.ended: str | None = None

    @property
    def mark(self) -> FileMark:
        """Of what was read so far."""
        about = os.fstat(self._file.fileno())
        return FileMark(about.st_dev, about.st_ino, self._file.tell())

    def read(self, size: int) -> bytes:
        waited_until_s = time.monotonic() + self._quiet_s
        while self.ended is None:
            data = self._file.read(size)
            if data:
                return data
            at, now = self._file.tell(), FileMark.of(self._path)
            if os.fstat(self._file.fileno()).st_size < at:
                self.ended = "the file was cut short"
            elif now is not None and (now.device, now.inode) != (self.mark.device, self.mark.inode):
                self.ended = "the file was replaced by another"
            elif time.monotonic() >= waited_until_s:
                self.ended = f"nothing was added to the file for {self._quiet_s:g} s"
            elif self._on_wait():
                self.ended = "stopped"
            else:
                time.sleep(_LOOK_S)
        return b""

    # -- an MP4 that is no fragmented one is read with jumps: it ends with what tells its frames ---------

    def seekable(self) -> bool:
        at = 0
        while True:
            head = os.pread(self._file.fileno(), 16, at)
            size, kind = int.from_bytes(head[:4]), head[4:8]
            if kind == b"mdat" or (at == 0 and kind != b"ftyp"):
                return at > 0
            if kind == b"moof" or len(head) < 8:
                return False
            size = int.from_bytes(head[8:]) if size == 1 else size
            if size < 8:  # to the end of the file
                return False
            at += size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
