"""All settings of redaction."""

from dataclasses import dataclass
from typing import Literal

from schemas import require

CoverStyle = Literal["blur", "black"]


@dataclass(frozen=True, slots=True)
class CarryConfig:
    """How far a cover reaches beyond the box or mask of a region.

    margin_sides: on every side, in sides of the region (square root of its area).
    growth_sides_per_s: what is added for each second to the nearest keyframe in which the region was seen.
    open_growth_sides_per_s: the same before the first and after the last keyframe of all, where no other keyframe
        bounds how far the thing moved: a person walks one to two sides in a second.
    most_growth_sides: the most that is added.
    hold_s: a thing is covered for so long before it was seen first, and after it was seen last, and always up to the
        keyframe before and after: nobody knows that it was not there in between.
    """

    margin_sides: float = 0.25
    growth_sides_per_s: float = 0.5
    open_growth_sides_per_s: float = 1.5
    most_growth_sides: float = 1.0
    hold_s: float = 1.0

    def __post_init__(self) -> None:
        require.at_least(0, margin_sides=self.margin_sides, growth_sides_per_s=self.growth_sides_per_s)
        require.at_least(0, open_growth_sides_per_s=self.open_growth_sides_per_s)
        require.at_least(0, most_growth_sides=self.most_growth_sides, hold_s=self.hold_s)
