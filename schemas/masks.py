"""Masks: which pixels of a frame a region covers, as COCO's compressed run lengths."""

from dataclasses import dataclass

from schemas.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class Mask:
    """The pixels of one region, run-length encoded as COCO does it (`operators/masks/rle.py` reads and writes it).

    height_px, width_px: size of the keyframe in which the mask was found.
    counts: COCO's compressed `counts`, ASCII: run lengths of background and region in turn, column by column.
    area_px: number of pixels of the region.
    """

    height_px: int
    width_px: int
    counts: bytes
    area_px: int

    def __post_init__(self) -> None:
        if self.height_px < 1 or self.width_px < 1 or not 0 <= self.area_px <= self.height_px * self.width_px:
            raise InvalidValueError(
                f"a mask needs a size, and an area that fits into it, got {self.area_px} px of "
                f"{self.width_px}x{self.height_px} px"
            )

    @property
    def area(self) -> float:
        """Share of the frame, in [0, 1]."""
        return self.area_px / (self.height_px * self.width_px)

    def __repr__(self) -> str:
        return f"Mask({self.area_px} of {self.width_px}x{self.height_px} px)"
