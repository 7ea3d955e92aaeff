"""Region prompts: how a person points out a region of one picture."""

from dataclasses import dataclass

from schemas.boxes import Boxes
from schemas.errors import QueryError

PointTuple = tuple[float, float]
_BoxTuple = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class RegionPrompts:
    """Points, a box and words that together select one region of a picture.

    points, not_points: `(x, y)`, fractions of the picture, from its upper left corner. `points` lie inside the region,
    `not_points` outside it. box: a box around the region. text: what the region shows.
    Raises QueryError where nothing selects a region, or a point or box lies outside the picture.
    """

    points: tuple[PointTuple, ...] = ()
    not_points: tuple[PointTuple, ...] = ()
    box: _BoxTuple | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        if not self.points and self.box is None and self.text is None:
            alone = "points outside a region do not say where it is; " if self.not_points else ""
            raise QueryError(f"{alone}give a point inside the region, a box around it, or words for it")
        for x, y in (*self.points, *self.not_points):
            if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
                raise QueryError(f"point ({x}, {y}) is outside the picture: x and y are fractions of its sides")
        if self.box is not None and Boxes([self.box]).area()[0] <= 0:  # type: ignore[arg-type]
            raise QueryError(f"the box of a region must have an area, got {self.box}")
        if self.text is not None and not self.text.strip():
            raise QueryError("the words for a region are empty; write some or omit them")
