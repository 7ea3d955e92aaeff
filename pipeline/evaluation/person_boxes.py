"""How well "person" tells people from backgrounds in a video with boxes in MOT Challenge format."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from operators.encoders.encoder import Encoder
from operators.region_vectors import RegionVectors
from pipeline.evaluation.ranking_measures import average_precision
from schemas.boxes import Boxes
from schemas.errors import SourceError
from schemas.frames import ImageArray


@dataclass(frozen=True, slots=True)
class PersonSequence:
    """folder: below the data. video: its file. every: of how many frames one is looked at. trial: an earlier AP."""

    folder: str
    video: str
    every: int
    trial: float


SEQUENCES: tuple[PersonSequence, ...] = (
    PersonSequence("pets09-s2l1", "vtest.avi", 25, 0.93),
    PersonSequence("tud-stadtmitte", "TUD-Stadtmitte.mp4", 9, 0.95),
)


def person_average_precision(
    folder: Path, sequence: PersonSequence, encoder: Encoder, *, regions: RegionVectors
) -> tuple[float, int]:
    """AP of "person" over true boxes and twice as many backgrounds of the same sizes (chance ⅓); number of boxes."""
    words = encoder.encode_texts(["person"])[0]
    draw = np.random.default_rng(0)
    scores, relevant = [], []
    for image, people in read_mot(folder, sequence.video, every=sequence.every):
        backgrounds = _backgrounds(people, count=2 * len(people), draw=draw)
        boxes = Boxes.concat([people, backgrounds])
        scores.append(regions([image], [boxes])[0] @ words)
        relevant.append(np.arange(len(boxes)) < len(people))
    truth = np.concatenate(relevant)
    return average_precision(np.concatenate(scores), truth), len(truth)


def read_mot(folder: Path, video: str, *, every: int) -> list[tuple[ImageArray, Boxes]]:
    """Every `every`-th frame that shows somebody, uint8 (H, W, 3) RGB, with its boxes. `gt.txt` counts frames from 1.

    Raises SourceError where the folder lacks the video or its ground truth.
    """
    if not (folder / video).is_file() or not (folder / "gt.txt").is_file():
        raise SourceError(f"{folder} needs {video} and gt.txt (MOT Challenge format)")
    rows = np.loadtxt(folder / "gt.txt", delimiter=",", usecols=range(7), ndmin=2)
    frames = []
    with av.open(str(folder / video)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            shown = rows[(rows[:, 0] == index + 1) & (rows[:, 6] > 0)]
            if index % every == 0 and len(shown):
                image = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
                corners = np.concatenate([shown[:, 2:4], shown[:, 2:4] + shown[:, 4:6]], axis=1)
                boxes = Boxes.from_pixels(corners, width_px=image.shape[1], height_px=image.shape[0])
                frames.append((image, boxes))
    return frames


def _backgrounds(people: Boxes, *, count: int, draw: np.random.Generator) -> Boxes:
    """`count` boxes as large as people are, of which people cover no more than a quarter."""
    size = np.repeat(people.xyxy[:, 2:] - people.xyxy[:, :2], 200, axis=0)
    size = draw.permutation(size)
    corner = draw.uniform(0, 1 - size)
    drawn = Boxes.clipped(np.concatenate([corner, corner + size], axis=1))
    covered = drawn.intersection(people).max(axis=1) / np.maximum(drawn.area(), 1e-9)
    return drawn[np.flatnonzero(covered <= 0.25)[:count]]
