"""Finds the fragments that show a span of a recording, and writes them as one MP4 file."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.ring.boxes import Fragment
from pipeline.ring.feed_ring import FeedRing, PartFile
from pipeline.ring.ring_file import RingMeta, opened_ring_file
from schemas.clock import Span, span_of_seconds
from schemas.errors import SourceError
from schemas.sources import feed_name

_BEFORE_S = 120.0  # how far back a key frame is looked for
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of a run that shows a span: from the key frame before it, or the first one after a gap.

    meta: of its files. span: in ticks as the files count them. fragments: in order, with the files in which they are.
    """

    meta: RingMeta
    span: Span
    header: bytes
    fragments: tuple[tuple[Path, Fragment], ...]

    def write(self, path: Path) -> None:
        """Writes an MP4 file. Raises SourceError where a file of the ring is gone, OSError for the one that is made."""
        with path.open("wb") as out:
            out.write(self.header)
            for source, each in self.fragments:
                try:
                    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
                except OSError as error:
                    raise SourceError(f"{source} cannot be read: {error.strerror or error}") from None
                try:
                    for at in range(0, each.size, _BLOCK):
                        out.write(os.pread(descriptor, min(_BLOCK, each.size - at), each.offset + at))
                finally:
                    os.close(descriptor)

    @property
    def version(self) -> str:
        """Differs once more of the span was written, or some of it was removed."""
        return f"{len(self.fragments)} to {self.fragments[-1][1].stop_dts}"

    @contextmanager
    def file(self) -> Iterator[Path]:
        """The file, in a folder of its own, which is removed afterwards."""
        with tempfile.TemporaryDirectory(prefix="regionlake-cut-") as folder:
            path = Path(folder) / "cut.mp4"
            self.write(path)
            yield path


def cut_of_seconds(rings: Path, *, uri: str, source_id: str, start_s: float, stop_s: float) -> Cut:
    """As `cut_of`, of `start_s <= time < stop_s` in seconds of PTS."""
    parts = _parts(rings, uri, source_id)
    return _of_parts(parts, span_of_seconds(start_s, stop_s, _opened(parts[0])[0].time_base), uri)


def cut_of(rings: Path, *, uri: str, source_id: str, span: Span) -> Cut:
    """The cut of a span of PTS of a recording.

    rings: the folder of all rings. uri: of the recording. Raises SourceError with the reason where nothing of the span
    is kept.
    """
    return _of_parts(_parts(rings, uri, source_id), span, uri)


def _parts(rings: Path, uri: str, source_id: str) -> list[PartFile]:
    """The files of the recording's run, of which there is at least one."""
    ring = FeedRing.of(rings, feed_name(uri))
    run = ring.run_of(source_id)
    parts = [] if run is None else ring.parts(run)
    if not parts:
        reason = "its video was removed, or was not kept when it was recorded"
        if not ring.parts():
            reason = "no video of its feed is kept; follow the feed with --video-max-age or --video-max-bytes"
        raise SourceError(f"there is no video of {uri}: {reason}")
    return parts


def _opened(part: PartFile) -> tuple[RingMeta, bytes]:
    with opened_ring_file(part.path) as file:
        return file.meta, file.header()


def _of_parts(parts: list[PartFile], span: Span, uri: str) -> Cut:
    """span: in ticks of the stream."""
    meta, header = _opened(parts[0])
    inside = Span(span.start + meta.shift, span.stop + meta.shift)
    found = _from_key_frame(parts, inside, before=round(_BEFORE_S / meta.time_base))
    if not any(pts in inside for _, each in found for pts in each.pts):
        at_s = float(span.start * meta.time_base)
        raise SourceError(f"there is no video of {uri}: its video at {at_s:.2f} s was removed, or was never written")
    return Cut(meta, inside, header, tuple(found))


def _from_key_frame(parts: list[PartFile], span: Span, *, before: int) -> list[tuple[Path, Fragment]]:
    """The fragments from the key frame before the span to its end, in order."""
    at = _last_begun(parts, span.start)
    found: list[tuple[Path, Fragment]] = []
    for part in parts[at:]:
        inside = [(part.path, each) for each in _read(part)]
        before_stop = [pair for pair in inside if pair[1].dts < span.stop]
        found += before_stop
        if len(before_stop) < len(inside):
            break
    while not _begins(found, span.start) and at > 0 and (not found or found[0][1].dts > span.start - before):
        at -= 1
        found = [(parts[at].path, each) for each in _read(parts[at])] + found
    keys = [n for n, (_, each) in enumerate(found) if each.is_sync]
    first = max((n for n in keys if found[n][1].pts[0] <= span.start), default=min(keys, default=len(found)))
    return found[first:]


def _begins(found: list[tuple[Path, Fragment]], start: int) -> bool:
    return any(each.is_sync and each.pts[0] <= start for _, each in found)


def _last_begun(parts: list[PartFile], start: int) -> int:
    """The index of the last file whose first packet is not after `start`; 0 if there is none. DTS ascend in a run."""
    low, high = 0, len(parts)
    while high - low > 1:
        middle = (low + high) // 2
        first = next(iter(_read(parts[middle], most=1)), None)
        if first is None or first.dts > start:
            high = middle
        else:
            low = middle
    return low


def _read(part: PartFile, *, most: int | None = None) -> list[Fragment]:
    found: list[Fragment] = []
    with opened_ring_file(part.path) as file:
        for each in file.fragments():
            found.append(each)
            if len(found) == most:
                break
    return found
