"""Writes the pictures of exported keyframes: as their source shows them, or the thumbnails that the lake keeps."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from pipeline.analysis.lake_rows import LakeRows
from pipeline.export.dataset import ExportedFrame, ExportedPicture, Pictures
from pipeline.live.status.state_folder import StateFolder
from pipeline.reading.fetch_rule import FetchRule, allow
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.picture_process import confined_pictures
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Location
from pipeline.ring.feed_ring import rings_of_state
from pipeline.ring.frames import ring_frames
from schemas.errors import DecodeError, RegionLakeError, SourceError
from schemas.frames import ImageArray

PictureChoice = Literal["original", "thumbnail"]
_READ_TIMEOUT_S = 60.0
_QUALITY = 95  # of JPEG; a picture is compressed a second time
_THUMBNAILS = 256  # read at once, of some 60 kB each


def write_pictures(
    rows: LakeRows,
    frames: Sequence[ExportedFrame],
    folder: Path,
    *,
    subfolder: str,
    choice: PictureChoice,
    fetch: Sequence[str] = (),
    on_missing: Callable[[str], None],
) -> Pictures:
    """Writes `SUBFOLDER/FRAME_ID.jpg` for every frame.

    choice: "original" takes the thumbnail of a frame whose source is gone, has changed or cannot be decoded;
        `on_missing` is called with the reason, once for each source, and the picture says so.
    fetch: hosts and buckets from which sources may be fetched; by default only files of this machine are opened.
    Raises RegionLakeError where the folder cannot be written.
    """
    made: dict[str, ExportedPicture] = {}
    try:
        (folder / subfolder).mkdir(parents=True, exist_ok=True)
        if choice == "original":
            for frame, image in _originals(rows, frames, fetch, on_missing):
                path = f"{subfolder}/{frame.id}.jpg"
                Image.fromarray(image).save(folder / path, "JPEG", quality=_QUALITY)
                made[frame.id] = ExportedPicture(path, image.shape[1], image.shape[0], original=True)
        for id, jpeg in _thumbnails(rows, [each.id for each in frames if each.id not in made]):
            path = f"{subfolder}/{id}.jpg"
            height_px, width_px, _ = confined_pictures().thumbnail(jpeg).shape
            (folder / path).write_bytes(jpeg)
            made[id] = ExportedPicture(path, width_px, height_px, original=False)
    except OSError as error:
        if isinstance(error, RegionLakeError):
            raise
        raise RegionLakeError(f"the pictures cannot be written to {folder}: {error}") from error
    return made


def without_pictures(frames: Sequence[ExportedFrame], *, subfolder: str) -> Pictures:
    """The pictures as they would be called, at the size of their frames."""
    return {
        each.id: ExportedPicture(f"{subfolder}/{each.id}.jpg", each.width_px, each.height_px, original=True)
        for each in frames
    }


def _originals(
    rows: LakeRows, frames: Sequence[ExportedFrame], fetch: Sequence[str], on_missing: Callable[[str], None]
) -> Iterator[tuple[ExportedFrame, ImageArray]]:
    of_source: dict[str, list[ExportedFrame]] = {}
    for frame in frames:
        of_source.setdefault(frame.source_id, []).append(frame)
    rule = FetchRule(of_lake=True, allowed=allow(fetch))
    rings = rings_of_state(StateFolder.of(rows.lake.uri).path)
    with ExitStack() as stack:
        reader = stack.enter_context(ReaderProcess(ReadConfig(), timeout_s=_READ_TIMEOUT_S))
        for own in of_source.values():
            own = sorted(own, key=lambda each: each.pts)
            pts = [each.pts for each in own]
            uri, source_id = own[0].source, own[0].source_id
            try:
                if own[0].kind == "feed":
                    images = ring_frames(reader, rings, uri=uri, source_id=source_id, pts=pts)
                else:
                    packets = reader.frames(Location(uri, uri, fetch=rule), source_id, pts)
                    images = (image for packet in packets for image in packet)
                for frame, image in zip(own, images, strict=True):
                    yield frame, np.ascontiguousarray(image)
            except (SourceError, DecodeError, ValueError) as error:
                on_missing(f"{uri}: {error}")


def _thumbnails(rows: LakeRows, ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for start in range(0, len(ids), _THUMBNAILS):
        some = ids[start : start + _THUMBNAILS]
        found = rows.read_ids("frames", ["id", "pts", "thumbnail"], some)
        yield from zip(found["id"].to_pylist(), found["thumbnail"].to_pylist(), strict=True)
