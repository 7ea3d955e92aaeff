"""Zones: areas of the frame in which hits must lie, drawn as boxes or polygons."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from typing import cast

from schemas.errors import QueryError
from schemas.prompts import PointTuple

MOST_CORNERS = 256  # each side is compared with every box, and with every other side when the zone is made
_BoxTuple = tuple[float, float, float, float]
_Exact = tuple[Fraction, Fraction]
_Side = tuple[_Exact, _Exact]
_HOW = 'a box is written x0,y0,x1,y1, a polygon "x,y x,y x,y", and SOURCE= before either says for which sources it is'


@dataclass(frozen=True, slots=True, repr=False)
class Zone:
    """An area of the frame, and the sources for which it was drawn.

    corners: of a polygon without holes, in order around it, in either direction; `(x, y)`, fractions of the frame from
        its upper left corner. Corners that repeat the one before them, or the first at the end, are dropped.
    source: sources whose path, URL or name contains this, or matches it as a glob. source_ids: sources with these ids.
        With neither it is for all that are searched.
    Raises QueryError for fewer than 3 corners, a corner outside the frame, sides that meet, and a zone without an area.
    """

    corners: tuple[PointTuple, ...]
    source: str | None = None
    source_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        corners = tuple((float(x), float(y)) for x, y in self.corners)
        for x, y in corners:
            if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
                raise QueryError(
                    f"a corner of the zone is outside the frame, ({x:g}, {y:g}): x and y are shares of its width and "
                    "height, from 0 to 1"
                )
        kept = [corner for i, corner in enumerate(corners) if i == 0 or corner != corners[i - 1]]
        if len(kept) > 1 and kept[0] == kept[-1]:
            kept.pop()
        if not 3 <= len(kept) <= MOST_CORNERS:
            raise QueryError(f"a zone has 3 to {MOST_CORNERS} corners that differ, got {len(kept)}: {_HOW}")
        _require_simple(kept)
        if self.source is not None and not self.source:
            raise QueryError(f"the name of the zone's source is empty: {_HOW}")
        object.__setattr__(self, "corners", tuple(kept))
        object.__setattr__(self, "source_ids", tuple(self.source_ids))

    @classmethod
    def parse(cls, text: str) -> "Zone":
        """A zone as it is written on a command line: `0,0.2,0.4,1`, or `gate=0,0.5 0.4,0.5 0.4,1 0,1`.

        Four numbers without a space are a box. Raises QueryError.
        """
        source, named, shape = text.rpartition("=")
        try:
            rows = [tuple(map(float, row.split(","))) for row in shape.split()]
        except ValueError:
            raise QueryError(f"{text!r} is no zone: {_HOW}") from None
        name = source if named else None
        if len(rows) == 1 and len(rows[0]) == 4:
            return cls.of(rows[0], source=name)
        if not rows or any(len(row) != 2 for row in rows):
            raise QueryError(f"{text!r} is no zone: {_HOW}")
        return cls(cast(tuple[PointTuple, ...], tuple(rows)), name)

    @classmethod
    def of(cls, shape: "Zone | str | _BoxTuple | Sequence[PointTuple]", *, source: str | None = None) -> "Zone":
        """A zone from its text, a box `(x0, y0, x1, y1)`, or corners `((x, y), …)`; a zone is returned as it is."""
        if isinstance(shape, Zone):
            return shape
        if isinstance(shape, str):
            return cls.parse(shape)
        try:
            if len(shape) == 4 and all(isinstance(side, int | float) for side in shape):
                x0, y0, x1, y1 = cast(_BoxTuple, shape)
                if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
                    raise QueryError(
                        f"the box of a zone must lie in the frame and have an area, 0 <= x0 < x1 <= 1 and "
                        f"0 <= y0 < y1 <= 1, got {x0:g},{y0:g},{x1:g},{y1:g}"
                    )
                return cls(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), source)
            return cls(tuple((x, y) for x, y in cast(Sequence[PointTuple], shape)), source)
        except (TypeError, ValueError) as error:
            if isinstance(error, QueryError):
                raise
            raise QueryError(f"a zone is a box (x0, y0, x1, y1) or corners ((x, y), …), got {shape!r}") from None

    @property
    def bounds(self) -> _BoxTuple:
        """The smallest box around the zone."""
        xs, ys = zip(*self.corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def is_box(self) -> bool:
        x0, y0, x1, y1 = self.bounds
        return self.corners == ((x0, y0), (x1, y0), (x1, y1), (x0, y1))

    def __str__(self) -> str:
        shape = ",".join(f"{side:.12g}" for side in self.bounds)
        if not self.is_box:
            shape = " ".join(f"{x:.12g},{y:.12g}" for x, y in self.corners)
        return shape if self.source is None else f"{self.source}={shape}"

    def __repr__(self) -> str:
        """Depends on what the zone is alone, for ids of hits derive from it."""
        ids = f", source_ids={self.source_ids!r}" if self.source_ids else ""
        return f"Zone({self.corners!r}, source={self.source!r}{ids})"


def _require_simple(corners: Sequence[PointTuple]) -> None:
    """Raises QueryError for a polygon without an area, or whose sides meet elsewhere than at their common corners.

    Fractions are exact: rounding could find that a side meets the continuation of its neighbour.
    """
    points = [(Fraction(x), Fraction(y)) for x, y in corners]
    sides: list[_Side] = list(pairwise([*points, points[0]]))
    if all(_turn(points[0], points[1], point) == 0 for point in points):
        raise QueryError(f"the zone has no area: its {len(corners)} corners lie on one line")
    for (i, one), (j, other) in combinations(enumerate(sides), 2):
        if j - i == 1:
            meet = _folds(one[0], one[1], other[1])
        elif j - i == len(sides) - 1:
            meet = _folds(one[1], one[0], other[0])
        else:
            meet = _meet(one, other)
        if meet:
            raise QueryError(
                f"two sides of the zone meet, {_shown(one)} and {_shown(other)}: give its corners in order"
            )


def _folds(a: _Exact, corner: _Exact, b: _Exact) -> bool:
    """Whether two neighbours, from their common corner to a and to b, have more than that corner in common."""
    same_side = sum(((p - c) * (q - c) for p, q, c in zip(a, b, corner, strict=True)), Fraction(0)) > 0
    return same_side and _turn(corner, a, b) == 0


def _meet(one: _Side, other: _Side) -> bool:
    """Whether two sides have a point in common."""
    for axis in (0, 1):
        a, b = (sorted(point[axis] for point in side) for side in (one, other))
        if a[1] < b[0] or b[1] < a[0]:
            return False
    across = [_turn(*one, point) for point in other], [_turn(*other, point) for point in one]
    return all(min(turns) <= 0 <= max(turns) for turns in across)


def _turn(a: _Exact, b: _Exact, c: _Exact) -> Fraction:
    """Positive where the way from a by b to c turns to one side, negative to the other, 0 where it is straight."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _shown(side: _Side) -> str:
    return " to ".join(f"({float(x):g}, {float(y):g})" for x, y in side)
