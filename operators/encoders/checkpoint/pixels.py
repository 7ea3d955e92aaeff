"""Prepares pictures for a checkpoint: resizes, scales and normalises them in torch, on the device of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL.Image import Resampling

from operators.encoders.checkpoint.device_frames import Cuts, DeviceFrames
from operators.encoders.checkpoint.resizing import Filter, Places, by_interpolation, by_matrices
from schemas.errors import ModelError
from schemas.frames import ImageArray
from schemas.vectors import VectorArray

_FILTERS: dict[int, Filter] = {Resampling.BILINEAR: "bilinear", Resampling.BICUBIC: "bicubic"}


@dataclass(frozen=True, slots=True)
class PixelConfig:
    """What a checkpoint's own image processor does to a picture, except its centre crop, which would cut regions off.

    side_px: side of the square input that the model was trained on. scale: a pixel's value is multiplied by it; then
    `mean` is subtracted and the result is divided by `std`, channel by channel (RGB).
    """

    side_px: int
    filter: Filter
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, side_px: int) -> "PixelConfig":
        """Reads the settings of an image processor, as in a `preprocessor_config.json`.

        Raises ModelError if the settings do not determine how pictures are prepared.
        """
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
    """Makes `pixel_values` of pictures: float (N, 3, H, W), computed on one device.

    On a square picture, values differ from those of the checkpoint's own processor by at most 2 levels of 255, and at
    most one value in fifty differs: the filters are the same (antialiased), but not the last bits of their weights.
    """

    def __init__(self, config: PixelConfig, *, device: torch.device, dtype: torch.dtype) -> None:
        self.config = config
        self.device = device
        self._dtype = dtype
        self._mean = torch.tensor(config.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(config.std, device=device).view(1, 3, 1, 1)

    def frames(self, images: Sequence[ImageArray]) -> DeviceFrames:
        """The pictures on the device; pictures that are already there are not copied again."""
        return images if isinstance(images, DeviceFrames) else DeviceFrames(images, device=self.device)

    def squares(self, images: Sequence[ImageArray], cuts: Cuts | None = None) -> torch.Tensor:
        """Each picture centred in a square of the mean colour, then resized: nothing is distorted or cut off.

        images: uint8 (H, W, 3) RGB, of any sizes. cuts: rectangles of these pictures, used in place of whole pictures.
        """
        frames = self.frames(images)
        chosen = frames.whole() if cuts is None else cuts
        return self._resized(frames, chosen, Places.inside(chosen, side_px=self.config.side_px))

    def stretched(self, frames: DeviceFrames, cuts: Cuts, *, height_px: int, width_px: int) -> torch.Tensor:
        """Each cut resized to the given size: (N, 3, height_px, width_px)."""
        return self._resized(frames, cuts, Places.filling(len(cuts), height_px=height_px, width_px=width_px))

    def tensor(self, features: VectorArray) -> torch.Tensor:
        """float32 (N, C) → the same on the device, in the dtype in which the model computes."""
        return self.as_computed(torch.from_numpy(features).to(self.device))

    def as_computed(self, features: torch.Tensor) -> torch.Tensor:
        """The same values in the dtype in which the model computes."""
        return features.to(self._dtype)

    def _resized(self, frames: DeviceFrames, cuts: Cuts, places: Places) -> torch.Tensor:
        if self.device.type == "cpu":
            levels = by_interpolation(frames, cuts, places, kernel=self.config.filter)
        else:
            levels = by_matrices(frames, cuts, places, kernel=self.config.filter, dtype=torch.float16)
        pixels = levels.to(torch.float32, memory_format=torch.contiguous_format)
        pixels.mul_(self.config.scale).sub_(self._mean).div_(self._std)
        if places.padded:
            pixels.masked_fill_(places.outside(self.device), 0.0)  # the mean colour
        return pixels.to(self._dtype)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(v) for v in values)
    return red, green, blue
