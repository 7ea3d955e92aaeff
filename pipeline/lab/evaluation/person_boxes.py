"""Measures how well "person" distinguishes people from backgrounds in a video in MOT Challenge format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from operators.encoders.encoder import Encoder
from operators.encoders.region_vectors import RegionVectors
from pipeline.lab.datasets.mot import read_sequence
from pipeline.lab.evaluation.metrics import average_precision
from schemas.boxes import Boxes


@dataclass(frozen=True, slots=True)
class PersonSequence:
    """folder: subfolder of the data. every: every n-th frame is used. trial: the AP of an earlier trial."""

    folder: str
    every: int
    trial: float


SEQUENCES: tuple[PersonSequence, ...] = (
    PersonSequence("pets09-s2l1", 25, 0.93),
    PersonSequence("tud-stadtmitte", 9, 0.95),
)


def person_average_precision(
    folder: Path, sequence: PersonSequence, encoder: Encoder, *, regions: RegionVectors
) -> tuple[float, int]:
    """AP of "person" over true boxes and twice as many backgrounds of the same sizes (chance ⅓); number of boxes."""
    words = encoder.encode_texts(["person"])[0]
    draw = np.random.default_rng(0)
    scores, relevant = [], []
    for image, people in read_sequence(folder).peopled_frames(every=sequence.every):
        backgrounds = _backgrounds(people, count=2 * len(people), draw=draw)
        boxes = Boxes.concat([people, backgrounds])
        scores.append(regions([image], [boxes])[0] @ words)
        relevant.append(np.arange(len(boxes)) < len(people))
    truth = np.concatenate(relevant)
    return average_precision(np.concatenate(scores), truth), len(truth)


def _backgrounds(people: Boxes, *, count: int, draw: np.random.Generator) -> Boxes:
    """`count` boxes of the sizes of people, at most a quarter of which is covered by people."""
    size = np.repeat(people.xyxy[:, 2:] - people.xyxy[:, :2], 200, axis=0)
    size = draw.permutation(size)
    corner = draw.uniform(0, 1 - size)
    drawn = Boxes.clipped(np.concatenate([corner, corner + size], axis=1))
    covered = drawn.intersection(people).max(axis=1) / np.maximum(drawn.area(), 1e-9)
    return drawn[np.flatnonzero(covered <= 0.25)[:count]]
