"""Pictures as a checkpoint wants its pixels: resized, scaled and normalised in torch, where the model runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # the name everyone knows it by
from PIL.Image import Resampling

from schemas.errors import ModelError
from schemas.frames import ImageArray, require_image
from schemas.vectors import VectorArray

Filter = Literal["bilinear", "bicubic"]
_FILTERS: dict[int, Filter] = {Resampling.BILINEAR: "bilinear", Resampling.BICUBIC: "bicubic"}


@dataclass(frozen=True, slots=True)
class PixelConfig:
    """What a checkpoint's own image processor does to a picture, but for its centre crop, which would cut regions off.

    side_px: of the square input that the model was trained on. scale: a pixel's value is multiplied by it, then `mean`
    is subtracted and the rest divided by `std`, channel by channel (RGB).
    """

    side_px: int
    filter: Filter
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, side_px: int) -> "PixelConfig":
        """settings: of a checkpoint's image processor, as its `preprocessor_config.json` has them. Raises ModelError
        where they do not tell how pictures are prepared."""
        resample = settings.get("resample")
        if resample not in _FILTERS:
            raise ModelError(f"pictures would be resized by filter {resample!r}; known are {list(_FILTERS)}")
        normalised = settings.get("do_normalize", True)
        try:
            return cls(
                side_px=side_px,
                filter=_FILTERS[resample],
                scale=float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0,
                mean=_three(settings["image_mean"] if normalised else (0.0, 0.0, 0.0)),
                std=_three(settings["image_std"] if normalised else (1.0, 1.0, 1.0)),
            )
        except KeyError as error:
            raise ModelError(f"the settings of its image processor lack {error}") from error


class Pixels:
    """Pictures in, `pixel_values` out: float (N, 3, H, W) on one device.

    Equal to the checkpoint's own processor on a square picture within 1.5 levels of 255: the filters are the same
    (antialiased), the arithmetic is float32 here and fixed-point there.
    """

    def __init__(self, config: PixelConfig, *, device: torch.device, dtype: torch.dtype) -> None:
        self.config = config
        self._device = device
        self._dtype = dtype
        self._mean = torch.tensor(config.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(config.std, device=device).view(1, 3, 1, 1)

    def squares(self, images: Sequence[ImageArray]) -> torch.Tensor:
        """Each picture padded to a square about its middle with the mean colour, then resized: nothing is distorted
        and nothing cut off. images: uint8 (H, W, 3) RGB, of any sizes."""
        side = self.config.side_px
        out = torch.empty((len(images), 3, side, side), device=self._device, dtype=self._dtype)
        for i, image in enumerate(images):
            height, width, _ = image.shape
            scale = side / max(height, width)
            rows, cols = max(1, round(height * scale)), max(1, round(width * scale))
            top, left = (side - rows) // 2, (side - cols) // 2
            out[i] = 0.0  # the mean colour, once normalised
            out[i, :, top : top + rows, left : left + cols] = self.stretched(image, height_px=rows, width_px=cols)
        return out

    def tensor(self, features: VectorArray) -> torch.Tensor:
        """float32 (N, C) → the same on the device, as the model computes."""
        return torch.from_numpy(features).to(self._device, self._dtype)

    def stretched(self, image: ImageArray, *, height_px: int, width_px: int) -> torch.Tensor:
        """One picture at that size: (3, height_px, width_px)."""
        require_image(image)
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self._device).permute(2, 0, 1)[None].float()
        for size in ((image.shape[0], width_px), (height_px, width_px)):
            if pixels.shape[2:] != size:
                pixels = F.interpolate(pixels, size, mode=self.config.filter, antialias=True, align_corners=False)
                pixels = pixels.clamp(0, 255).round()  # after each pass, as Pillow stores them: bicubic overshoots
        return ((pixels * self.config.scale - self._mean) / self._std)[0].to(self._dtype)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(v) for v in values)
    return red, green, blue
