"""Erases the video of recordings, or of spans of them, from a ring."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.ring.boxes import Fragment
from pipeline.ring.feed_ring import FeedRing, PartFile
from pipeline.ring.ring_file import opened_ring_file, rewrite
from schemas.clock import Span
from schemas.errors import LakeError, SourceError
from schemas.sources import feed_name


@dataclass(frozen=True, slots=True)
class ErasedSpan:
    """uri, source_id: of a recording. span: of PTS. whole: it is all of the recording, which is then unknown."""

    uri: str
    source_id: str
    span: Span
    whole: bool


def erase(rings: Path, spans: Iterable[ErasedSpan]) -> int:
    """Erases the fragments that show anything of these spans; returns how many bytes that were.

    It may run beside the writer of the ring. A fragment lasts some seconds at most, and goes as a whole. Raises
    LakeError where a file cannot be changed.
    """
    erased = 0
    for each in spans:
        ring = FeedRing.of(rings, feed_name(each.uri))
        run = ring.run_of(each.source_id)
        if run is None:
            continue
        try:
            with ring.locked():
                for part in ring.parts(run):
                    erased += _erase_in(part, each.span)
                if each.whole:
                    ring.recordings.keep(lambda recorded, gone=each.source_id: recorded.source_id != gone)  # type: ignore[misc]
        except OSError as error:
            raise LakeError(f"the video of {each.uri} cannot be erased: {error}") from error
    return erased


def left_of(rings: Path, spans: Iterable[ErasedSpan]) -> list[str]:
    """What a ring still holds of erased spans, as sentences."""
    left = []
    for each in spans:
        ring = FeedRing.of(rings, feed_name(each.uri))
        run = ring.run_of(each.source_id)
        for part in ring.parts(run) if run is not None else ():
            try:
                with opened_ring_file(part.path) as file:
                    if any(_meets(f, each.span, file.meta.shift) for f in file.fragments()):
                        left.append(f"{part.path}: video of {each.uri}")
            except SourceError as error:
                if part.path.exists():
                    left.append(str(error))
    return left


def _meets(fragment: Fragment, span: Span, shift: int) -> bool:
    return min(fragment.pts) < span.stop + shift and max(fragment.pts) >= span.start + shift


def _erase_in(part: PartFile, span: Span) -> int:
    """Erases a span, in ticks of the stream, from a file, which is replaced as a whole. Raises OSError."""
    try:
        with opened_ring_file(part.path) as file:
            shift = file.meta.shift
            found = list(file.fragments())
            stay = [each for each in found if not _meets(each, span, shift)]
            if len(stay) == len(found):
                return 0
            before_bytes = part.path.stat().st_size
            if not stay:
                part.path.unlink()
                return before_bytes
            rewrite(file, stay)
            return before_bytes - part.path.stat().st_size
    except SourceError:
        part.path.unlink(missing_ok=True)  # it cannot be read, so nobody knows what it shows
        return 0
