"""Zip files whose every byte follows from the files in them, so that a change of any byte is found.

The files are stored, not compressed (clips and stills are compressed already), with one time and one mode for all.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO

_MODE = 0o100644 << 16  # a regular file
_UNIX = 3
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a zip, its size, and the SHA-256 of its contents in hexadecimal digits."""

    name: str
    size_bytes: int
    sha256: str


class SealedZip:
    """Writes such a file. at: the time of all its files, to two seconds, in UTC."""

    def __init__(self, path: Path, *, at: datetime) -> None:
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)
        self._at = at

    def add(self, name: str, content: bytes | Path) -> Member:
        """Adds a file with this content, or a copy of that file."""
        with open_content(content) as source:
            return _store(self._archive, name, source, self._at)

    def close(self) -> None:
        self._archive.close()

    def __enter__(self) -> "SealedZip":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_content(content: bytes | Path) -> BinaryIO:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def is_as_written(path: Path, names: Iterable[str], *, at: datetime) -> bool:
    """Whether the zip has these files in this order, and no byte that `SealedZip` would not write around them.

    It is written again from its own files, and compared. Raises OSError and zipfile.BadZipFile.
    """
    with path.open("rb") as original, zipfile.ZipFile(original) as archive, path.open("rb") as same:
        written = _Compared(same)
        with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as again:
            for name in names:
                with archive.open(name) as source:
                    _store(again, name, source, at)
        return written.equal and written.end == path.stat().st_size


def _store(archive: zipfile.ZipFile, name: str, source: IO[bytes], at: datetime) -> Member:
    moment = at.astimezone(UTC)
    about = zipfile.ZipInfo(name, (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second))
    about.compress_type, about.external_attr, about.create_system = zipfile.ZIP_STORED, _MODE, _UNIX
    hashed, size = hashlib.sha256(), 0
    with archive.open(about, "w", force_zip64=True) as out:
        while block := source.read(_BLOCK):
            hashed.update(block)
            size += len(block)
            out.write(block)
    return Member(name, size, hashed.hexdigest())


class _Compared(io.RawIOBase):
    """A file to which nothing is written: what would be is compared with another file.

    The header of a file in a zip is written twice, the second time with the sum of its bytes: the last one counts.
    """

    def __init__(self, original: BinaryIO) -> None:
        self._original = original
        self._at = 0
        self._unequal: set[int] = set()  # where a write began whose bytes differ
        self.end = 0

    @property
    def equal(self) -> bool:
        return not self._unequal

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.end}[whence]
        return self._at

    def write(self, content: bytes) -> int:  # type: ignore[override]
        self._original.seek(self._at)
        if self._original.read(len(content)) == bytes(content):
            self._unequal.discard(self._at)
        else:
            self._unequal.add(self._at)
        self._at += len(content)
        self.end = max(self.end, self._at)
        return len(content)
