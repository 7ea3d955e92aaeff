"""The frames that can be found: those of a data set that a lake has indexed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from operators.readers.probe import probe
from pipeline.lab.datasets.dataset import Dataset, LabelledFrame
from pipeline.lake.lake import Lake
from schemas.errors import LakeError
from schemas.ids import frame_id
from schemas.query import Hit

Key = tuple[str, int]  # id of the source, PTS


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """frames: each once, in the data set's order. index: source and PTS → number of the frame. copies: left out."""

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

        Of pictures with the same bytes, which are one source, the first counts. Raises LakeError where a picture is not
        in the lake; of a video, frames that are none of its keyframes are not meant to be.
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
                raise LakeError(f"{frame.path} is not in {lake.uri}; delete that folder to ingest it anew")
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

    def frame_id(self, number: int) -> str:
        """The id in the lake of the frame with that number."""
        return self._ids[number]

    def number(self, hit: Hit) -> int | None:
        """Of the frame that was hit; None where it is none of these."""
        return self.index.get((hit.source_id, hit.pts))


def source_ids(dataset: Dataset) -> dict[Path, str]:
    """File → id of its source, which follows from its bytes alone."""
    if dataset.video is not None:
        return {Path(dataset.video.uri): dataset.video.id}
    return {path: probe(str(path), uri=str(path)).id for path in dataset.files}
