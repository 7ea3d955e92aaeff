"""Finds regions that show what an earlier region still shows: the same box, over pixels that have not changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from operators.motion.unchanged import Luma, Unchanged
from schemas.boxes import Boxes

LEAST_IOU = 0.6  # at which overlapping boxes of one keyframe are suppressed: two things of a keyframe overlap less

IndexArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class KeyframeRegions:
    """The N regions of a keyframe.

    pts: of the keyframe. border: PTS at which the validity of what is seen here ends at the latest. part: a number that
    changes where nothing continues, such as with a shot. boxes: N. kind: int (N,), equal for regions that may be the
    same thing. fixed: bool (N,), regions that are kept whatever they repeat.
    """

    pts: int
    border: int
    part: int
    boxes: Boxes
    kind: NDArray[np.int64]
    fixed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Open:
    """A region that is still valid. row: its number. seen: the number of its keyframe."""

    row: int
    seen: int
    box: NDArray[np.float32]
    kind: int


class StandingRegions:
    """Decides, keyframe by keyframe in the order of PTS, which regions are repeats, and how long the others are valid.

    A region is valid until the first keyframe in which a pixel under its box has changed since its own keyframe, or
    until its border. A later region is its repeat if both may be the same thing, their IoU is at least 0.6, and nothing
    has changed under either; of several, the one that overlaps most. Pixels are compared with those of the region's own
    keyframe and not with the last one's, so that a slow change is seen.

    Regions are numbered in the order in which they are given. The result depends on the keyframes alone.
    """

    def __init__(self) -> None:
        self._open: list[_Open] = []  # in the order of keyframes
        self._lumas: dict[int, Luma] = {}
        self._last: tuple[int, int] | None = None  # border and part of the last keyframe
        self._frames = 0
        self._until: list[int] = []
        self._border: list[int] = []
        self._repeats: list[bool] = []

    def add(self, keyframe: KeyframeRegions, luma: Callable[[], Luma]) -> None:
        """luma: returns the keyframe's picture; it is called only where it is needed."""
        place, first = (keyframe.border, keyframe.part), len(self._until)
        if place != self._last:
            self._end(self._open, keyframe.pts)
            self._open = []
        self._last = place
        picture = luma() if self._open or len(keyframe.boxes) else None
        matched = {} if picture is None else self._compare(keyframe, picture)
        for number in range(len(keyframe.boxes)):
            self._repeats.append(number in matched)
            self._until.append(keyframe.pts)
            self._border.append(keyframe.border)
            if number not in matched:
                box, kind = keyframe.boxes.xyxy[number], int(keyframe.kind[number])
                self._open.append(_Open(first + number, self._frames, box, kind))
        used = {each.seen for each in self._open}
        self._lumas = {seen: known for seen, known in self._lumas.items() if seen in used}
        if picture is not None and self._frames in used:
            self._lumas[self._frames] = picture
        self._frames += 1

    def finish(self, stop: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """int64 (R,): PTS up to which each region is valid, exclusive; that of its keyframe for a repeat. bool (R,):
        which regions are repeats. stop: where the source ends."""
        self._end(self._open, stop)
        self._open = []
        return np.array(self._until, np.int64), np.array(self._repeats, np.bool_)

    def _end(self, regions: Sequence[_Open], pts: int) -> None:
        for each in regions:
            self._until[each.row] = min(pts, self._border[each.row])

    def _compare(self, keyframe: KeyframeRegions, picture: Luma) -> dict[int, int]:
        """Ends the regions whose pixels have changed. Returns for each repeat its place in `_open`."""
        kept: list[_Open] = []
        pairs: list[tuple[float, int, int]] = []
        for seen, group in groupby(self._open, key=lambda each: each.seen):
            regions = list(group)
            same = Unchanged(self._lumas[seen], picture)
            holds = same(np.stack([each.box for each in regions]))
            self._end([each for each, held in zip(regions, holds, strict=True) if not held], keyframe.pts)
            regions = [each for each, held in zip(regions, holds, strict=True) if held]
            if regions and len(keyframe.boxes):
                iou = Boxes(np.stack([each.box for each in regions])).iou(keyframe.boxes)
                fits = np.array([each.kind for each in regions])[:, None] == keyframe.kind[None]
                fits &= (iou >= LEAST_IOU) & (same(keyframe.boxes.xyxy) & ~keyframe.fixed)[None]
                pairs += [(-float(iou[a, b]), len(kept) + int(a), int(b)) for a, b in np.argwhere(fits)]
            kept += regions
        self._open = kept
        matched: dict[int, int] = {}
        taken: set[int] = set()
        for _, place, number in sorted(pairs):
            if place not in taken and number not in matched:
                taken.add(place)
                matched[number] = place
        return matched
