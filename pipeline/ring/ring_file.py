"""A file of a ring: the header of an MP4 file, a box that says what it holds, and fragments."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from operators.runtime.atomic_write import atomic_write
from pipeline.ring.boxes import OWN, BoxError, Fragment, box, boxes, fragments
from schemas.clock import Span
from schemas.errors import SourceError

_MOST_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RingMeta:
    """What a file of a ring holds.

    feed: name of the feed. run: number of the run of packets, among those of the feed. codec, pixels: as RunBegins.
    time_base: seconds per tick. shift: a time in the file is that of the stream, which rows have, plus this many ticks.
    """

    feed: str
    run: int
    codec: str
    pixels: str
    time_base: Fraction
    shift: int

    def to_box(self) -> bytes:
        base = [self.time_base.numerator, self.time_base.denominator]
        content = {"version": 1, "feed": self.feed, "run": self.run, "codec": self.codec, "pixels": self.pixels}
        return box(b"uuid", OWN, json.dumps({**content, "time_base": base, "shift": self.shift}).encode())


@dataclass(frozen=True, slots=True)
class RingFile:
    """A file that was opened for reading. header_bytes: size of the boxes before the first fragment."""

    path: Path
    descriptor: int
    meta: RingMeta
    header_bytes: int

    def header(self) -> bytes:
        return os.pread(self.descriptor, self.header_bytes, 0)

    def fragments(self) -> Iterator[Fragment]:
        """The whole fragments in order. Raises SourceError where the file is damaged."""
        try:
            yield from fragments(self.descriptor, start=self.header_bytes)
        except BoxError as error:
            raise SourceError(f"{self.path} is damaged: {error}") from None


@contextmanager
def opened_ring_file(path: Path) -> Iterator[RingFile]:
    """Opens a file of a ring. Raises SourceError where it is gone, or is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        meta, size = _described(descriptor, path)
        yield RingFile(path, descriptor, meta, size)
    finally:
        os.close(descriptor)


def rewrite(file: RingFile, stay: Iterable[Fragment]) -> None:
    """Replaces a file as a whole by one that has these of its fragments. It keeps its times. Raises OSError."""
    about = file.path.stat()
    with atomic_write(file.path) as path:
        with path.open("wb") as out:
            out.write(file.header())
            for each in stay:
                out.write(os.pread(file.descriptor, each.size, each.offset))
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))  # by which its age counts


def is_begun(path: Path) -> bool:
    """Whether a file of a ring has no fragment yet: what a crash leaves that comes with its first one."""
    with suppress(OSError), path.open("rb") as file:
        return not any(kind == b"moof" for kind, _, _ in boxes(file.fileno()))
    return False


def span_of(found: list[Fragment]) -> Span | None:
    """The span of PTS of fragments, as the file counts them; None of none."""
    if not found:
        return None
    return Span(min(min(each.pts) for each in found), max(max(*each.pts, each.stop_dts - 1) for each in found) + 1)


def _described(descriptor: int, path: Path) -> tuple[RingMeta, int]:
    for kind, at, size in boxes(descriptor):
        if kind == b"uuid" and at + size <= _MOST_HEADER_BYTES:
            content = os.pread(descriptor, size - 8, at + 8)
            if content[:16] == OWN:
                return _meta(content[16:], path), at + size
        if kind == b"moof":
            break
    raise SourceError(f"{path} is no file of a ring, or breaks off in its header")


def _meta(content: bytes, path: Path) -> RingMeta:
    try:
        found = json.loads(content)
        base = Fraction(*map(int, found["time_base"]))
        if base <= 0:
            raise ValueError("its time base is not positive")
        return RingMeta(
            str(found["feed"]), int(found["run"]), str(found["codec"]), str(found["pixels"]), base, int(found["shift"])
        )
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise SourceError(f"{path} is damaged: its own box cannot be read: {error}") from None
