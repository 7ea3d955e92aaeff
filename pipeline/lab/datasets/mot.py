"""Reads videos with ground-truth boxes in MOT Challenge format: a clip or numbered pictures, and `gt.txt`.

A row is `frame, identity, left, top, width, height, confidence, …`: pixels, frames counted from 1 as they are shown.
With nine columns (MOT16 and later) the eighth is a class; with ten (MOT15) the last three are world coordinates.
Source: Leal-Taixé et al., "MOTChallenge 2015", §3.3; Milan et al., "MOT16", table 6.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.readers.picture import PICTURE_SUFFIXES
from operators.readers.probe import probe
from operators.readers.video import VideoReader
from pipeline.lab.datasets.dataset import ClassName, Dataset, Flag, LabelledFrame, Objects
from pipeline.lab.datasets.picture_files import shown_size
from schemas.boxes import Boxes
from schemas.errors import SourceError
from schemas.frames import ImageArray
from schemas.sources import Source

LOOKED_FOR = "MOT Challenge: gt.txt or gt/gt.txt, and one video or img1/"
PERSON = "person"
_CLASSES = (  # classes of MOT16 and later, by number from 1; their pedestrians are called persons here
    *(PERSON, "person on vehicle", "car", "bicycle", "motorbike", "vehicle", "static person", "distractor"),
    *("occluder", "occluder on the ground", "occluder full", "reflection", "crowd"),
)
_FRAME, _IDENTITY, _CONFIDENCE, _CLASS = 0, 1, 6, 7
_WITH_CLASS = 9  # columns
_SUFFIXES = frozenset({".avi", ".mp4", ".mkv", ".webm", ".mov"})
RowArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MotSequence:
    """A video and the boxes of people in it.

    boxes: PTS → the boxes of that frame, for every frame of the video; most have several boxes.
    identities: PTS → int64 (N,), the person in each of these boxes.
    """

    source: Source
    boxes: dict[int, Boxes]
    identities: dict[int, NDArray[np.int64]] = field(default_factory=dict)

    def images(self, *, every: int) -> Iterator[tuple[int, ImageArray]]:
        """Yields every `every`-th frame from the first on, if it shows a person: its PTS, and uint8 (H, W, 3) RGB."""
        with VideoReader(self.source.uri, self.source) as reader:
            for frame in islice(reader.frames(self.source.span.start), 0, None, every):
                if len(self.boxes[frame.pts]):
                    yield frame.pts, frame.image()

    def peopled_frames(self, *, every: int) -> Iterator[tuple[ImageArray, Boxes]]:
        """Yields the same frames, each with its boxes."""
        for pts, image in self.images(every=every):
            yield image, self.boxes[pts]


def read_sequence(folder: Path) -> MotSequence:
    """The only video in `folder` with its `gt.txt`, without rows of confidence 0.

    Raises SourceError if a file is missing, and for an invalid row.
    """
    dataset = read_mot(folder)
    if dataset.video is None:
        raise SourceError(f"{folder} needs gt.txt and one video (MOT Challenge format), it has 0 videos")
    boxes, identities = {}, {}
    for frame in dataset.frames:
        assert frame.pts is not None
        kept = (frame.objects.flags & Flag.IGNORE) == 0
        boxes[frame.pts], identities[frame.pts] = frame.objects.boxes[kept], frame.objects.identities[kept]
    return MotSequence(dataset.video, boxes, identities)


def is_mot(folder: Path) -> bool:
    return _files(folder)[0] is not None


def read_mot(folder: Path, *, split: str | None = None, masks: bool = False) -> Dataset:
    """Every frame of the video by PTS, or every picture of `img1/` in order; rows of confidence 0 have the flag IGNORE.

    The format has neither splits nor masks: `split` must be None, and `masks` changes nothing.
    Raises SourceError if a file is missing, and for an invalid row.
    """
    del masks
    if split is not None:
        raise SourceError(f"{folder} is one sequence of MOT Challenge, which has no split {split!r}")
    truth, videos, pictures = _files(folder)
    if truth is None or len(videos) > 1 or not (videos or pictures):
        raise SourceError(f"{folder} needs gt.txt and one video (MOT Challenge format), it has {len(videos)} videos")
    rows = _rows(truth)
    source = None
    shown: list[tuple[Path, int | None, int, int]] = [(path, None, *shown_size(path)) for path in pictures]
    if videos:
        source = probe(str(videos[0]), uri=str(videos[0]))
        shown = [(videos[0], pts, source.width_px, source.height_px) for pts in _shown(source)]
    beyond = np.flatnonzero((rows[:, _FRAME] < 1) | (rows[:, _FRAME] > len(shown)))
    if beyond.size:
        raise SourceError(f"{truth}: row {beyond[0] + 1} is of frame {rows[beyond[0], _FRAME]:g} of {len(shown)}")
    frames = [
        LabelledFrame(path, pts, width_px, height_px, _objects(rows[rows[:, _FRAME] == number], width_px, height_px))
        for number, (path, pts, width_px, height_px) in enumerate(shown, start=1)
    ]
    classes = _CLASSES if rows.shape[1] > _CLASS else (PERSON,)
    return Dataset(folder.name, "mot", tuple(ClassName(name) for name in classes), tuple(frames), source)


def _files(folder: Path) -> tuple[Path | None, list[Path], list[Path]]:
    """`gt.txt` if it exists, the videos, and the pictures of `img1/`; absolute paths, sorted."""
    truth = [path for path in (folder / "gt.txt", folder / "gt" / "gt.txt") if path.is_file()]
    videos = sorted(path.absolute() for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    pictures = sorted(path.absolute() for path in folder.glob("img1/*") if path.suffix.lower() in PICTURE_SUFFIXES)
    return (truth[0] if truth else None), videos, pictures


def _rows(truth: Path) -> RowArray:
    """float64 (N, 7), or (N, 8) if rows have classes. Raises SourceError for an invalid row."""
    rows: list[list[float]] = []
    for index, line in enumerate(truth.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = [float(value) for value in line.split(",")]
        except ValueError:
            row = []
        if len(row) < _CLASS or not np.isfinite(row[:_CLASS]).all() or min(row[4:6]) < 0:
            columns = "frame, identity, left, top, width, height, confidence"
            raise SourceError(f"{truth}:{index}: a row is {columns}, with sizes >= 0, got {line!r}")
        known = len(row) == _WITH_CLASS
        if known and not 1 <= row[_CLASS] <= len(_CLASSES):
            raise SourceError(f"{truth}:{index}: class {row[_CLASS]:g} is none of 1 … {len(_CLASSES)}")
        rows.append(row[: _CLASS + known])
        if len(rows[-1]) != len(rows[0]):
            raise SourceError(f"{truth}:{index}: has {len(row)} columns, other than the rows before it")
    return np.array(rows, np.float64).reshape(len(rows), -1 if rows else _CLASS)


def _objects(rows: RowArray, width_px: int, height_px: int) -> Objects:
    left, top, width, height = rows[:, 2:6].T
    return Objects.of(
        Boxes.from_pixels(
            np.stack([left, top, left + width, top + height], axis=1), width_px=width_px, height_px=height_px
        ),
        labels=rows[:, _CLASS].astype(np.intp) - 1 if rows.shape[1] > _CLASS else np.zeros(len(rows), np.intp),
        width_px=width_px,
        height_px=height_px,
        flags=np.where(rows[:, _CONFIDENCE] > 0, Flag.NONE, Flag.IGNORE).astype(np.uint8),
        identities=rows[:, _IDENTITY].astype(np.int64),
    )


def _shown(source: Source) -> Iterator[int]:
    """Yields the PTS of every frame, in order."""
    with VideoReader(source.uri, source) as reader:
        for frame in reader.frames(source.span.start):
            yield frame.pts
