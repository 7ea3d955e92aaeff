"""The stage of re-embedding: reads some keyframes of one file again and embeds them with another model."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from operators.encoders.catalogue import load_encoder
from operators.encoders.region_vectors import RegionVectors
from pipeline.lake.writing.extra_vector_column import NewVectors, UnseenFrames
from pipeline.plan.plan import Plan
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Failure, Location
from schemas.errors import DecodeError, SourceError


@dataclass(frozen=True, slots=True, eq=False)
class ReembedWork:
    """Frames to embed, and the location of their file."""

    frames: UnseenFrames
    location: Location


class ReembedStage:
    """Reads the frames of a work and embeds them and their regions. Holds the model and the reader."""

    def __init__(self, plan: Plan) -> None:
        self._encoder = load_encoder(plan.model, class_paths=True)
        self._regions = RegionVectors(plan.regions, self._encoder)
        self._reader = ReaderProcess(plan.read, timeout_s=plan.run.read_timeout_s)

    def __call__(self, work: ReembedWork) -> Iterator[NewVectors | Failure]:
        """Yields vectors of a few frames at a time, and at most one failure, which ends the work."""
        todo, at = work.frames, 0
        try:
            for images in self._reader.frames(work.location, todo.source_id, todo.pts):
                here = slice(at, at + len(images))
                at += len(images)
                held = self._encoder.to_device(images)
                regions = self._regions(held, todo.boxes[here])
                yield NewVectors(
                    frame_ids=todo.frame_ids[here],
                    frames=self._encoder.encode_images(held),
                    region_ids=tuple(i for ids in todo.region_ids[here] for i in ids),
                    regions=np.concatenate(regions),
                )
        except (SourceError, DecodeError) as error:
            yield Failure(work.location.uri, str(error))

    def close(self) -> None:
        """Ends the reader and frees the model."""
        self._reader.close()
        self._encoder.close()
