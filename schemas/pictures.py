"""The picture of a query, as a value: RGB pixels."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from schemas.errors import InvalidValueError
from schemas.frames import ImageArray, require_image
from schemas.ids import digest


class HasPixels(Protocol):
    """Arrays of NumPy, images of Pillow, and whatever else NumPy can read as an array."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """RGB pixels of a query. pixels: uint8 (H, W, 3), RGB."""

    pixels: ImageArray

    @classmethod
    def of(cls, image: HasPixels) -> "Picture":
        """A copy of the pixels. Raises InvalidValueError unless they are RGB."""
        if isinstance(image, Picture):
            return image
        pixels = np.array(image)
        try:
            require_image(pixels, name="the picture of a query")
        except InvalidValueError as error:
            raise InvalidValueError(f"{error}; convert a Pillow image with image.convert('RGB')") from None
        return cls(pixels)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self.pixels.__array_interface__

    @property
    def id(self) -> str:
        """A digest of the pixels: equal pictures have equal ids."""
        return digest("picture", str(self.pixels.shape), self.pixels.tobytes())

    def __repr__(self) -> str:
        height_px, width_px, _ = self.pixels.shape
        return f"Picture({width_px}x{height_px} px, {self.id[:8]})"
