"""Prepares frames for a detector: resizes them like the checkpoint's own image processor, in torch, on the device."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from transformers.image_transforms import get_size_with_aspect_ratio
from transformers.image_utils import get_image_size_for_max_height_width

from operators.encoders.checkpoint.pixels import PixelConfig, Pixels
from schemas.errors import ModelError
from schemas.frames import ImageArray, require_image

Resize = Literal["pillow", "interpolated", "padded square"]  # see FramePixels


class FramePixels:
    """Makes `pixel_values` of frames: float32 (N, 3, H, W) on one device.

    processor: the model's image processor in `transformers`, without torchvision; only its settings are read.
    resize: how the processor resizes.
        "pillow": to a size, or within longest and shortest sides, with Pillow's antialiased filters, on 8 bits.
        "interpolated": to the same sizes, by bilinear interpolation without antialiasing, on floats (RF-DETR).
        "padded square": padded with black at the right and the bottom to a square, blurred in proportion to how much it
            shrinks, then interpolated (OWLv2).

    Values differ from the processor's own by at most 2 levels of 255, which Pillow rounds; with "padded square" by at
    most 0.01, except for the outermost pixels of an enlarged frame, where SciPy mirrors and torch repeats the last
    pixel. Raises ModelError for settings that do not determine how a frame is resized.
    """

    def __init__(self, processor: Any, *, resize: Resize, device: torch.device) -> None:
        self.resize = resize
        self._device = device
        self._size = dict(processor.size)
        if getattr(processor, "pad_size", None) or not processor.do_resize:
            raise ModelError("its image processor pads to a fixed size or resizes nothing; detectors here do neither")
        settings = {
            name: getattr(processor, name)
            for name in ("resample", "do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
        }
        self._size_px(1, 1)  # raises for an unknown form of size
        self._config = PixelConfig.of(settings, side_px=1)
        self._pillow = Pixels(self._config, device=device, dtype=torch.float32)

    def size_of(self, image: ImageArray) -> tuple[int, int]:
        """(height, width) of the model's input for that frame."""
        require_image(image)
        return self._size_px(*image.shape[:2])

    def _size_px(self, height_px: int, width_px: int) -> tuple[int, int]:
        match {key: int(value) for key, value in self._size.items() if value}:
            case {"height": height, "width": width}:
                return height, width
            case {"shortest_edge": shortest, "longest_edge": longest}:
                height, width = get_size_with_aspect_ratio((height_px, width_px), shortest, longest)
                return max(1, height), max(1, width)  # a frame one pixel high would vanish
            case {"max_height": highest, "max_width": widest}:
                height, width = get_image_size_for_max_height_width((height_px, width_px), highest, widest)
                return max(1, height), max(1, width)
        raise ModelError(
            f"its image processor resizes to {self._size}; known are height and width, both edges, both max"
        )

    def __call__(self, images: Sequence[ImageArray]) -> torch.Tensor:
        """images: uint8 (H, W, 3) RGB, for which `size_of` returns one size."""
        ((height, width),) = {self.size_of(image) for image in images}
        if self.resize == "pillow":
            frames = self._pillow.frames(images)
            return self._pillow.stretched(frames, frames.whole(), height_px=height, width_px=width)
        resized = torch.empty((len(images), 3, height, width), device=self._device)
        for i, image in enumerate(images):
            levels = torch.from_numpy(np.ascontiguousarray(image)).to(self._device).permute(2, 0, 1)[None].float()
            if self.resize == "padded square":
                side = max(image.shape[:2])
                levels = F.pad(levels, (0, side - image.shape[1], 0, side - image.shape[0]))
                levels = _blurred(_blurred(levels, side / height), side / width, across=True)
            resized[i] = F.interpolate(levels, (height, width), mode="bilinear", align_corners=False)[0]
        mean, std = (
            torch.tensor(v, device=self._device).view(1, 3, 1, 1) for v in (self._config.mean, self._config.std)
        )
        return (resized * self._config.scale - mean) / std


def _blurred(levels: torch.Tensor, shrink: float, *, across: bool = False) -> torch.Tensor:
    """Blurs along one axis (down, or across) as scikit-image does before it shrinks a picture.

    The filter is a Gaussian with sigma = (shrink − 1) / 2, truncated at four sigmas, mirrored at the border.
    """
    sigma = (shrink - 1) / 2
    radius = int(4 * sigma + 0.5)
    if sigma <= 0 or radius == 0:
        return levels
    steps = torch.arange(-radius, radius + 1, device=levels.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view((1, 1, 1, -1) if across else (1, 1, -1, 1)).expand(3, -1, -1, -1)
    border = (radius, radius, 0, 0) if across else (0, 0, radius, radius)
    return F.conv2d(F.pad(levels, border, mode="reflect"), kernel, groups=3)
