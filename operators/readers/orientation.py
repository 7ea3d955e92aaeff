"""How a decoded picture must be rotated and mirrored to appear as it is shown."""

import struct
from dataclasses import dataclass
from typing import cast

import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight orientations of a picture: its axes are swapped first, then it is mirrored."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> "Orientation":
        """The orientation given by the frame's display matrix (ISO 14496-12, 8.5.3), rounded to multiples of 90°."""
        try:
            # PyAV's stub calls this a dict of motion vectors
            matrix = bytes(cast(SideDataContainer, frame.side_data)[Type.DISPLAYMATRIX])
        except KeyError:
            return cls()
        # shown x = a·x + c·y, shown y = b·x + d·y
        a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
        if abs(b) > abs(a):
            return cls(True, c < 0, b < 0)
        return cls(False, a < 0, d < 0)

    def size(self, width_px: int, height_px: int) -> tuple[int, int]:
        """(width, height) at which a decoded picture of the given size is shown."""
        return (height_px, width_px) if self.transposed else (width_px, height_px)

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 (H, W, 3) as decoded → as shown, contiguous; the same array if nothing changes."""
        if self == Orientation():
            return image
        shown = image.transpose(1, 0, 2) if self.transposed else image
        return np.ascontiguousarray(shown[:: -1 if self.mirrored_y else 1, :: -1 if self.mirrored_x else 1])
