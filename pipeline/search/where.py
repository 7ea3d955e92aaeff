"""Where in the frame a query looks: at a box, exactly, or somewhere in zones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.ranking.geometry import geometric_distance
from operators.ranking.zones import share_inside
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.filters import overlapping, zone_is_for
from schemas.boxes import Boxes, FloatArray
from schemas.query import BoxTuple, Geometry, Query
from schemas.zones import Zone

BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Where:
    """Which of a frame's regions a query compares, and how far each is from where the query looks.

    With a box these are the regions that overlap it, at the distance of `geometry`. With zones these are the regions of
    which at least `min_inside` lies in one of the source's zones, at 1 − that share, the largest of several. Whole
    frames are none of them, and static windows only in frames without other regions. In frames of a source for which no
    zone was drawn, all regions are compared and the whole frame too, at the distance 0, as if it was the zone.

    areas: sets of zones. area: intp (F,), the index of the set of each frame's source, −1 where it has none; one set
        of no zones for a query with a box.
    with_others: whether frames without a zone are compared at all.
    """

    box: BoxTuple | None
    geometry: Geometry
    areas: Sequence[Sequence[Zone]]
    area: IndexArray
    min_inside: float
    with_others: bool

    @property
    def bounds(self) -> tuple[BoxTuple, ...]:
        """Boxes of which a region overlaps one at least, if it is compared in a frame for which there is a zone."""
        if self.box is not None:
            return (self.box,)
        return tuple(zone.bounds for zones in self.areas for zone in zones)

    def least_distance(self, boxes: FloatArray) -> FloatArray:
        """float32 (N,): the distance of boxes, float32 (N, 4), in whatever frames they would be nearest."""
        if self.box is not None:
            return geometric_distance(Boxes(boxes), Boxes(np.array([self.box])), geometry=self.geometry)
        shares = [_share(Boxes(boxes), zones) for zones in self.areas]
        return np.float32(1) - np.max(shares, axis=0, initial=0.0)  # type: ignore[no-any-return]

    def is_inside(self, distance: FloatArray, frame: IndexArray) -> BoolArray:
        """bool (N,): whether regions at these distances, in the frames of these rows, lie in a zone of theirs by
        `min_inside` at least; all of them for a box."""
        if self.box is not None:
            return np.ones(len(distance), np.bool_)
        share = np.float32(1) - distance
        found: BoolArray = (self.area[frame] >= 0) & (share > 0) & (share >= np.float32(self.min_inside))
        return found

    def passing(self, vectors: BoxedVectors) -> BoolArray:
        """bool (N,): the vectors that are compared, among those that are alive."""
        area = np.append(self.area, -1)[vectors.frame]  # row −1 is that of a vector whose frame was removed
        passes = (area >= 0) & (not vectors.whole) & _without_stand_ins(vectors, frames=len(self.area))
        if self.box is not None:
            passes &= overlapping(vectors.boxes, self.box)
        for number, zones in enumerate(self.areas):
            if zones:
                near = np.zeros(len(vectors), np.bool_)
                for zone in zones:
                    near |= overlapping(vectors.boxes, zone.bounds)
                of_area = area == number
                rows = np.flatnonzero(passes & of_area & near)
                passes &= ~of_area
                share = _share(Boxes(_boxes(vectors, rows)), zones)
                passes[rows] = (share > 0) & (share >= np.float32(self.min_inside))
        return passes | (area < 0) if self.with_others else passes

    def distance(self, boxes: FloatArray, frame: IndexArray) -> FloatArray:
        """float32 (N,), in [0, 1]: the distance of boxes, float32 (N, 4), in the frames of these rows."""
        if self.box is not None:
            return geometric_distance(Boxes(boxes), Boxes(np.array([self.box])), geometry=self.geometry)
        area = self.area[frame]
        distance = np.zeros(len(boxes), np.float32)
        for number, zones in enumerate(self.areas):
            rows = np.flatnonzero(area == number)
            distance[rows] = np.float32(1) - _share(Boxes(boxes[rows]), zones)
        return distance

    def compares(self, frame: int) -> bool:
        """Whether the distance of a region of this frame says anything: not where no zone was drawn for its source."""
        return bool(self.area[frame] >= 0)


def where_of(query: Query, *, uris: Sequence[str], ids: Sequence[str], source: IndexArray) -> Where | None:
    """Where the query looks; None for a query without a box and without zones.

    uris, ids: of all sources. source: int (F,), index of each frame's source.
    """
    zones = query.areas
    if not zones:
        if query.box is None:
            return None
        return Where(query.box, query.geometry, [()], np.zeros(len(source), np.intp), 0.0, with_others=False)
    areas: list[tuple[Zone, ...]] = []
    numbers: dict[tuple[object, ...], int] = {}  # sources with equal zones, such as the recordings of a feed, share one
    of_source = np.full(len(uris) + 1, -1, np.intp)
    for place, (uri, id) in enumerate(zip(uris, ids, strict=True)):
        own = tuple(zone for zone in zones if zone_is_for(zone, uri, id))
        if own:
            number = numbers.setdefault(tuple(zone.corners for zone in own), len(areas))
            of_source[place] = number
            if number == len(areas):
                areas.append(own)
    return Where(None, "inside", areas, of_source[source], query.min_inside, with_others=query.by_meaning)


def _without_stand_ins(vectors: BoxedVectors, *, frames: int) -> BoolArray:
    """bool (N,): the vectors without static windows in frames that have other regions."""
    if vectors.static is None or not vectors.static.any():
        return np.ones(len(vectors), np.bool_)
    has_others = np.zeros(frames + 1, np.bool_)
    has_others[vectors.frame[vectors.alive & ~vectors.static]] = True
    kept: BoolArray = ~(vectors.static & has_others[vectors.frame])
    return kept


def _share(boxes: Boxes, zones: Sequence[Zone]) -> FloatArray:
    share = np.zeros(len(boxes), np.float32)
    for zone in zones:
        np.maximum(share, share_inside(boxes, zone), out=share)
    return share


def _boxes(vectors: BoxedVectors, rows: IndexArray) -> FloatArray:
    return np.stack([side[rows] for side in vectors.boxes], axis=1)
