"""The frames that searches can find: those of a data set that are keyframes in a lake."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.readers.probe import probe
from pipeline.lab.datasets.dataset import Dataset, LabelledFrame
from pipeline.lake.lake import Lake
from schemas.boxes import Boxes
from schemas.errors import LakeError
from schemas.ids import frame_id
from schemas.query import Hit

Key = tuple[str, int]  # id of the source, PTS


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """frames: in the data set's order, without copies. index: source and PTS → number of the frame. copies: their
    number."""

    frames: tuple[LabelledFrame, ...]
    index: Mapping[Key, int]
    copies: int
    _ids: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        ids = {number: frame_id(*key) for key, number in self.index.items()}
        object.__setattr__(self, "_ids", tuple(ids[number] for number in range(len(self.frames))))

    @classmethod
    def of(cls, dataset: Dataset, ids: Mapping[Path, str], lake: Lake) -> "Gallery":
        """The frames of `dataset` that `lake` holds. ids: file → id of its source.

        Of pictures with the same bytes, which are one source, only the first counts. Frames of a video that are not
        keyframes are omitted. Raises LakeError if a picture is not in the lake.
        """
        rows = lake.read("frames", columns=["source_id", "pts"])
        stored = set(zip(rows["source_id"].to_pylist(), rows["pts"].to_pylist(), strict=True))
        index: dict[Key, int] = {}
        frames: list[LabelledFrame] = []
        copies = 0
        for frame in dataset.frames:
            key = (ids[frame.path], frame.pts or 0)
            if key not in stored and frame.pts is not None:
                continue
            if key not in stored:
                raise LakeError(f"{frame.path} is not in {lake.uri}; delete that folder to ingest the data set again")
            if key in index:
                copies += 1
                continue
            index[key] = len(frames)
            frames.append(frame)
        if not frames:
            raise LakeError(f"{lake.uri} holds none of the {len(dataset.frames)} frames of {dataset.name}")
        return cls(tuple(frames), index, copies)

    def __len__(self) -> int:
        return len(self.frames)

    def counted_objects(self) -> tuple[NDArray[np.intp], Boxes, NDArray[np.intp]]:
        """The objects without flags, frame by frame: the number of the frame, the box and the label of each."""
        counted = [frame.objects.where(frame.objects.counted) for frame in self.frames]
        frame_of = np.repeat(np.arange(len(self)), [len(objects) for objects in counted])
        return (
            frame_of,
            Boxes.concat([objects.boxes for objects in counted]),
            np.concatenate([objects.labels for objects in counted]),
        )

    def frame_id(self, number: int) -> str:
        """The id of a frame in the lake."""
        return self._ids[number]

    def number(self, hit: Hit) -> int | None:
        """The number of the frame of a hit; None if it is not in the gallery."""
        return self.index.get((hit.source_id, hit.pts))


def source_ids(dataset: Dataset) -> dict[Path, str]:
    """File → id of its source, which depends only on its bytes."""
    if dataset.video is not None:
        return {Path(dataset.video.uri): dataset.video.id}
    return {path: probe(str(path), uri=str(path)).id for path in dataset.files}
