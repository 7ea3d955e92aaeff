"""Makes small galleries with objects at given places."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.lab.datasets.dataset import Flag, LabelledFrame, Objects
from pipeline.lab.evaluation.retrieval.gallery import Gallery
from schemas.boxes import Boxes

SIDE_PX = 200
Thing = tuple[int, tuple[float, float, float, float]] | tuple[int, tuple[float, float, float, float], Flag]


def frame_of(
    number: int, things: Sequence[Thing], *, absent: frozenset[int] | None = None, captions: tuple[str, ...] = ()
) -> LabelledFrame:
    """things: label and box, and a flag if any; each is somebody else, by its order."""
    objects = Objects.of(
        Boxes(np.array([thing[1] for thing in things], np.float32).reshape(-1, 4)),
        labels=[thing[0] for thing in things],
        width_px=SIDE_PX,
        height_px=SIDE_PX,
        flags=[thing[2] if len(thing) > 2 else Flag.NONE for thing in things],
        identities=np.arange(len(things)),
    )
    return LabelledFrame(Path(f"/{number}.png"), None, SIDE_PX, SIDE_PX, objects, captions, absent)


def gallery_of(*frames: LabelledFrame) -> Gallery:
    """Source ids are the numbers of the frames: "0", "1", …"""
    return Gallery(tuple(frames), {(str(n), 0): n for n in range(len(frames))}, copies=0)
