"""Reads a video file to its end, and continues as the file grows.

FFmpeg's own option `follow=1` is not used: it waits in C for ever, so that a pause of the writer looks like a hanging
decoder. It also never notices that the file was truncated or replaced, and keeps the last pictures in the decoder.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class FileMark:
    """Identifies a state of a file: the mark differs once the file has another size or was replaced by another file."""

    device: int
    inode: int
    size: int

    @staticmethod
    def of(path: Path) -> "FileMark | None":
        """The mark of the file at `path`; None if there is no file."""
        try:
            about = path.stat()
        except OSError:
            return None
        return FileMark(about.st_dev, about.st_ino, about.st_size)


class GrowingFile:
    """The file object through which PyAV reads. At the end of the file, a read waits up to `quiet_s` for more data.

    on_wait: called about ten times a second while a read waits; the file ends at once if it returns True.
    ended: the reason why the file ended; None before that.
    Raises OSError if the file cannot be opened.
    """

    def __init__(self, path: Path, *, quiet_s: float, on_wait: Callable[[], bool]) -> None:
        self._path = path
        self._quiet_s = quiet_s
        self._on_wait = on_wait
        self._file = path.open("rb", buffering=0)
        self.ended: str | None = None

    @property
    def mark(self) -> FileMark:
        """The mark of the file as far as it was read."""
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
                self.ended = "the file was truncated"
            elif now is not None and (now.device, now.inode) != (self.mark.device, self.mark.inode):
                self.ended = "the file was replaced by another"
            elif time.monotonic() >= waited_until_s:
                self.ended = f"nothing was added to the file for {self._quiet_s:g} s"
            elif self._on_wait():
                self.ended = "stopped"
            else:
                time.sleep(_LOOK_S)
        return b""

    # -- an MP4 that is not fragmented may end with the index of its frames, and needs seeking ---------

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
            if size < 8:  # 0: the box extends to the end of the file
                return False
            at += size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
