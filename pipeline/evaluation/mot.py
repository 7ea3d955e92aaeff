"""Videos with ground-truth boxes in MOT Challenge format: a clip, and `gt.txt` beside it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from operators.readers.probe import probe
from operators.readers.video import VideoReader
from schemas.boxes import Boxes
from schemas.errors import SourceError
from schemas.frames import ImageArray
from schemas.sources import Source

_SUFFIXES = frozenset({".avi", ".mp4", ".mkv", ".webm", ".mov"})


@dataclass(frozen=True, slots=True)
class MotSequence:
    """A video and where people stand in it.

    boxes: PTS → the boxes of the frame shown then; every frame of the video is there, most with several boxes.
    identities: PTS → who stands in each of these boxes, by number.
    """

    source: Source
    boxes: dict[int, Boxes]
    identities: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def peopled_frames(self, *, every: int) -> Iterator[tuple[ImageArray, Boxes]]:
        """Every `every`-th frame, counted from the first, if it shows somebody: uint8 (H, W, 3) RGB, and its boxes."""
        with VideoReader(self.source.uri, self.source) as reader:
            for frame in islice(reader.frames(self.source.span.start), 0, None, every):
                if len(self.boxes[frame.pts]):
                    yield frame.image(), self.boxes[frame.pts]


def read_sequence(folder: Path) -> MotSequence:
    """The one video in `folder` with its `gt.txt`, of which rows of confidence 0 are left out.

    `gt.txt` numbers frames from 1 as they are shown. Raises SourceError where one of the files is missing.
    """
    truth = folder / "gt.txt"
    videos = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES]
    if not truth.is_file() or len(videos) != 1:
        raise SourceError(f"{folder} needs gt.txt and one video (MOT Challenge format), it has {len(videos)} videos")
    path = str(videos[0].resolve())
    source = probe(path, uri=path)
    rows = np.loadtxt(truth, delimiter=",", usecols=range(7), ndmin=2)
    rows = rows[rows[:, 6] > 0]
    boxes, identities = {}, {}
    for number, pts in enumerate(_shown(path, source), start=1):
        shown = rows[rows[:, 0] == number]
        x, y, width, height = shown[:, 2:6].T
        corners = np.stack([x, y, x + width, y + height], axis=1)
        boxes[pts] = Boxes.from_pixels(corners, width_px=source.width_px, height_px=source.height_px)
        identities[pts] = tuple(int(identity) for identity in shown[:, 1])
    return MotSequence(source, boxes, identities)


def _shown(path: str, source: Source) -> Iterator[int]:
    """PTS of every frame, in order."""
    with VideoReader(path, source) as reader:
        for frame in reader.frames(source.span.start):
            yield frame.pts
