"""Pictures on the device of a model: whole frames, maps and crops are all cut from one copy of their pixels."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray

from schemas.boxes import Boxes
from schemas.frames import ImageArray, require_image

Cuts = NDArray[np.int64]


def uploaded(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """The array on the device, copied from pinned memory.

    A copy from memory that is not pinned would wait for all earlier work of the device.
    """
    host = torch.from_numpy(np.require(array, requirements=("C", "W")))
    return host if device.type == "cpu" else host.pin_memory().to(device, non_blocking=True)


class DeviceFrames(Sequence[ImageArray]):
    """Pictures, and a copy of their pixels on the device.

    pixels: uint8 (P, 3) on the device, RGB, all pictures one after the other, row by row.
    first: int64 (N,), where each picture begins in `pixels`. heights, widths: int64 (N,).

    Cuts are rectangles of the pictures: int64 (M, 5), rows of (picture, x0, y0, x1, y1) in pixels, half-open.
    """

    def __init__(self, images: Iterable[ImageArray], *, device: torch.device) -> None:
        self._images = tuple(images)
        for image in self._images:
            require_image(image)
        self.heights = np.array([image.shape[0] for image in self._images], np.int64)
        self.widths = np.array([image.shape[1] for image in self._images], np.int64)
        ends = np.cumsum(self.heights * self.widths)
        self.first = np.concatenate([np.zeros(1, np.int64), ends])[: len(self._images)]
        self.pixels = torch.empty((int(ends[-1]) if len(ends) else 0, 3), dtype=torch.uint8, device=device)
        for image, start, stop in zip(self._images, self.first, ends, strict=True):
            self.pixels[start:stop] = uploaded(np.ascontiguousarray(image).reshape(-1, 3), device)

    def whole(self) -> Cuts:
        """One cut per picture, which covers all of it."""
        none = np.zeros_like(self.widths)
        return np.stack([np.arange(len(self)), none, none, self.widths, self.heights], axis=1)

    def boxes(self, boxes: Sequence[Boxes]) -> Cuts:
        """One cut per box, picture by picture. boxes: one `Boxes` per picture."""
        return np.concatenate(
            [
                np.zeros((0, 5), np.int64),
                *(
                    np.insert(part.to_pixels(width_px=int(width), height_px=int(height)), 0, i, axis=1)
                    for i, (part, width, height) in enumerate(zip(boxes, self.widths, self.heights, strict=True))
                ),
            ]
        ).astype(np.int64)

    @overload
    def __getitem__(self, index: int) -> ImageArray: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ImageArray, ...]: ...
    def __getitem__(self, index: int | slice) -> ImageArray | tuple[ImageArray, ...]:
        return self._images[index]

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[ImageArray]:
        return iter(self._images)
