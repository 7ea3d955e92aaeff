"""Draws labelled pictures by their bytes, so that two commands draw the same ones."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.lab.datasets.coco_pictures import read_coco_pictures
from pipeline.lab.datasets.dataset import LabelledFrame
from schemas.ids import digest


def drawn_frames(
    data: Sequence[Path], *, most: int, split: str | None = None
) -> tuple[list[LabelledFrame], dict[str, int]]:
    """At most `most` pictures of the folders by a hash of their bytes, copies once; and how many of each folder."""
    found = {
        picture_key(frame): (frame, dataset.name)
        for dataset in (read_coco_pictures(folder, split=split) for folder in data)
        for frame in dataset.frames
    }
    chosen = [found[key] for key in sorted(found)[:most]]
    return [frame for frame, _ in chosen], dict(Counter(name for _, name in chosen))


def picture_key(frame: LabelledFrame) -> str:
    """A hash of the bytes of a picture's file; copies have the same."""
    return digest("picture", frame.path.read_bytes())
