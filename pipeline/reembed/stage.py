"""The stage of re-embedding: reads some keyframes of one file again and embeds them with another model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from operators.encoders.catalogue import load_encoder
from operators.encoders.reduced_encoder import shortened
from operators.encoders.region_vectors import RegionVectors
from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.writing.extra_vector_column import NewVectors, UnseenFrames
from pipeline.plan.plan import Plan
from pipeline.reading.picture_process import confined_pictures
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Failure, Location
from pipeline.ring.frames import ring_frames
from schemas.errors import DecodeError, SourceError
from schemas.frames import ImageArray

_THUMBNAILS = 16  # read and embedded together


@dataclass(frozen=True, slots=True, eq=False)
class ReembedWork:
    """Frames to embed, and the location of their file.

    thumbnails_of: the lake whose thumbnails are embedded in place of the file's frames; None for the file.
    rings: of a recording of a feed, the folder of the rings in which its video is kept.
    """

    frames: UnseenFrames
    location: Location
    thumbnails_of: str | None = None
    rings: str | None = None


class ReembedStage:
    """Reads the frames of a work and embeds them and their regions. Holds the model and the reader."""

    def __init__(self, plan: Plan) -> None:
        self._encoder = shortened(load_encoder(plan.model, class_paths=True), plan.reduction)
        self._regions = RegionVectors(plan.regions, self._encoder)
        self._pooled = plan.regions.mode == "pool"
        self._max_side_px = plan.read.max_side_px
        self._reader = ReaderProcess(plan.read, timeout_s=plan.run.read_timeout_s)

    def __call__(self, work: ReembedWork) -> Iterator[NewVectors | Failure]:
        """Yields vectors of a few frames at a time, and at most one failure, which ends the work."""
        todo, at = work.frames, 0
        try:
            for images in self._pictures(work):
                here = slice(at, at + len(images))
                at += len(images)
                held = self._encoder.to_device(images)
                maps = self._regions.maps(held) if self._pooled else None
                regions = self._regions(held, todo.boxes[here], maps=maps)
                yield NewVectors(
                    frame_ids=todo.frame_ids[here],
                    frames=self._encoder.encode_images(held, maps=maps),
                    region_ids=tuple(i for ids in todo.region_ids[here] for i in ids),
                    regions=np.concatenate(regions),
                )
        except (SourceError, DecodeError) as error:
            yield Failure(work.location.uri, str(error))

    def _pictures(self, work: ReembedWork) -> Iterator[Sequence[ImageArray]]:
        """The pictures of the work's frames in order, a few at a time."""
        todo = work.frames
        if work.thumbnails_of is None and work.rings is not None:
            for image in ring_frames(
                self._reader,
                Path(work.rings),
                uri=todo.uri,
                source_id=todo.source_id,
                pts=todo.pts,
                max_side_px=self._max_side_px,
            ):
                yield [image]
            return
        if work.thumbnails_of is None:
            yield from self._reader.frames(work.location, todo.source_id, todo.pts)
            return
        lake = Lake.open(work.thumbnails_of)
        for at in range(0, len(todo.frame_ids), _THUMBNAILS):
            ids = todo.frame_ids[at : at + _THUMBNAILS]
            rows = lake.read("frames", columns=["id", "thumbnail"], where=sql.is_in("id", ids))
            jpeg = dict(zip(rows["id"].to_pylist(), rows["thumbnail"].to_pylist(), strict=True))
            yield [confined_pictures().thumbnail(jpeg[name]) for name in ids]

    def close(self) -> None:
        """Ends the reader and frees the model."""
        self._reader.close()
        self._encoder.close()
