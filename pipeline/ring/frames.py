"""Single frames of feeds from their rings, as their camera sent them, decoded by a confined reader."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Location
from pipeline.ring.cut import cut_of
from schemas.clock import Span
from schemas.errors import DecodeError
from schemas.frames import ImageArray


def ring_frames(
    reader: ReaderProcess,
    rings: Path,
    *,
    uri: str,
    source_id: str,
    pts: Sequence[int],
    max_side_px: int | None = None,
) -> Iterator[ImageArray]:
    """The frames of a recording at these PTS, uint8 (H, W, 3) RGB each, in that order.

    rings: the folder of all rings. uri: of the recording. max_side_px: as `DecodedFrame.image`.
    Raises SourceError where the video of one is not kept, or not any more, and DecodeError where it cannot be decoded.
    """
    for each in pts:
        cut = cut_of(rings, uri=uri, source_id=source_id, span=Span(each, each + 1))
        with cut.file() as file:
            location = Location(uri, str(file))
            source = reader.probe(location)
            found = [image for _, image in reader.span(location, source, cut.span, max_side_px=max_side_px)]
        if not found:
            raise DecodeError(f"the video of {uri} has no frame at PTS {each} any more")
        yield np.ascontiguousarray(found[0])
