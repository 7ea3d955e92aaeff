"""Resizes many cuts of pictures at once, antialiased, as Pillow and torch do: one direction after the other, rounded to
whole levels after each.

Two implementations give the same pixels: on a CPU torch's kernel for bytes, which is the fastest for one crop at a
time; on other devices products with matrices of filter weights, which resize all crops of a batch in a few launches.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from numpy.typing import NDArray

from operators.encoders.checkpoint.device_frames import Cuts, DeviceFrames, uploaded
from schemas.errors import InvalidValueError

Filter = Literal["bilinear", "bicubic"]
_RADIUS: dict[Filter, float] = {"bilinear": 1.0, "bicubic": 2.0}
_CHUNK_PX = 2**22  # pixels that `by_matrices` gathers at once: 60 MB of indices and half floats


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where each cut is drawn on a canvas of its own.

    height_px, width_px: size of every canvas. spots: int64 (N, 4), rows of (top, left, rows, cols) on it, in pixels.
    """

    height_px: int
    width_px: int
    spots: NDArray[np.int64]

    @classmethod
    def filling(cls, count: int, *, height_px: int, width_px: int) -> "Places":
        """Every cut stretched over its canvas."""
        return cls(height_px, width_px, np.tile(np.array([0, 0, height_px, width_px], np.int64), (count, 1)))

    @classmethod
    def inside(cls, cuts: Cuts, *, side_px: int) -> "Places":
        """Every cut centred in a square with its shape kept; its longer side is as long as the square's."""
        sides = np.stack([cuts[:, 4] - cuts[:, 2], cuts[:, 3] - cuts[:, 1]], axis=1)
        size = np.maximum(1, np.rint(sides * (side_px / sides.max(axis=1, keepdims=True)))).astype(np.int64)
        return cls(side_px, side_px, np.concatenate([(side_px - size) // 2, size], axis=1))

    def __post_init__(self) -> None:
        if self.spots.ndim != 2 or self.spots.shape[1] != 4:
            raise InvalidValueError(f"spots must be (N, 4), got {self.spots.shape}")

    @property
    def padded(self) -> bool:
        """Whether any canvas is not fully covered by its cut."""
        return bool((self.spots[:, 2:] < [self.height_px, self.width_px]).any())

    def outside(self, device: torch.device) -> torch.Tensor:
        """bool (N, 1, H, W): true where a canvas is not covered by its cut."""
        top, left, rows, cols = uploaded(self.spots, device).T[:, :, None]
        down = torch.arange(self.height_px, device=device)
        across = torch.arange(self.width_px, device=device)
        filled_down = (down >= top) & (down < top + rows)
        filled_across = (across >= left) & (across < left + cols)
        filled: torch.Tensor = filled_down[:, None, :, None] & filled_across[:, None, None, :]
        return ~filled


def by_interpolation(frames: DeviceFrames, cuts: Cuts, places: Places, *, kernel: Filter) -> torch.Tensor:
    """uint8 (N, 3, H, W); 0 where a canvas is not covered. Cuts of the same size and target are resized together."""
    out = torch.zeros((len(cuts), places.height_px, places.width_px, 3), dtype=torch.uint8, device=frames.pixels.device)
    alike: dict[tuple[int, ...], list[int]] = {}
    shapes = np.concatenate([cuts[:, 3:] - cuts[:, 1:3], places.spots], axis=1)
    for i, shape in enumerate(map(tuple, shapes.tolist())):
        alike.setdefault(shape, []).append(i)
    for (_, _, top, left, rows, cols), members in alike.items():
        # contiguous: torch's kernel takes ten times as long for a view of a larger picture
        pixels = torch.stack([_cut(frames, cuts[i]) for i in members]).permute(0, 3, 1, 2)
        if pixels.shape[2:] != (rows, cols):
            pixels = F.interpolate(pixels, (rows, cols), mode=kernel, antialias=True, align_corners=False)
        out[members, top : top + rows, left : left + cols] = pixels.permute(0, 2, 3, 1)
    return out.permute(0, 3, 1, 2)


def by_matrices(
    frames: DeviceFrames, cuts: Cuts, places: Places, *, kernel: Filter, dtype: torch.dtype
) -> torch.Tensor:
    """dtype (N, 3, H, W), whole levels; 0 where a canvas is not covered.

    dtype: the type of the products. Half floats represent every level exactly, and the weights to 1/4096.
    """
    device = frames.pixels.device
    out = torch.empty((len(cuts), 3, places.height_px, places.width_px), dtype=dtype, device=device)
    heights, widths = cuts[:, 4] - cuts[:, 2], cuts[:, 3] - cuts[:, 1]
    # one row per cut: its first pixel, the length of its picture's rows, its size, its spot; uploaded together
    start = frames.first[cuts[:, 0]] + cuts[:, 2] * frames.widths[cuts[:, 0]] + cuts[:, 1]
    rows = np.stack([np.arange(len(cuts)), start, frames.widths[cuts[:, 0]], heights, widths, *places.spots.T], axis=1)
    # cuts of about the same size form a chunk, in which smaller ones are padded to the largest
    doubling = np.ceil(np.log2(np.stack([heights, widths], axis=1))).astype(np.int64)
    order = np.lexsort((heights, doubling[:, 0], doubling[:, 1]))
    on_device = uploaded(rows[order], device)
    done = 0
    while done < len(order):
        stop = _chunk(doubling[order], heights[order], widths[order], done)
        members = order[done:stop]
        height, width = int(heights[members].max()), int(widths[members].max())
        index, first, stride, h, w, top, left, tall, wide = on_device[done:stop].T
        down = torch.arange(height, device=device).minimum(h[:, None] - 1)
        across = torch.arange(width, device=device).minimum(w[:, None] - 1)
        at = first[:, None, None] + down[:, :, None] * stride[:, None, None] + across[:, None, :]
        levels = frames.pixels[at].permute(0, 1, 3, 2).to(dtype).reshape(len(members), height * 3, width)
        weights = _weights(w, wide, left, places.width_px, width, kernel=kernel).to(dtype)
        levels = _whole_levels(levels @ weights.transpose(1, 2))
        weights = _weights(h, tall, top, places.height_px, height, kernel=kernel).to(dtype)
        levels = _whole_levels(weights @ levels.reshape(len(members), height, 3 * places.width_px))
        out[index] = levels.reshape(len(members), places.height_px, 3, places.width_px).transpose(1, 2)
        done = stop
    return out


def _cut(frames: DeviceFrames, cut: NDArray[np.int64]) -> torch.Tensor:
    i, x0, y0, x1, y1 = cut.tolist()
    height, width, first = int(frames.heights[i]), int(frames.widths[i]), int(frames.first[i])
    return frames.pixels[first : first + height * width].view(height, width, 3)[y0:y1, x0:x1]


def _chunk(doubling: NDArray[np.int64], heights: NDArray[np.int64], widths: NDArray[np.int64], begin: int) -> int:
    """The end of the chunk of cuts that starts at `begin`."""
    alike = (doubling[begin:] == doubling[begin]).all(axis=1)
    count = len(alike) if alike.all() else int(alike.argmin())
    largest = np.maximum.accumulate(heights[begin : begin + count]) * np.maximum.accumulate(
        widths[begin : begin + count]
    )
    fitting = np.arange(1, count + 1) * largest <= _CHUNK_PX
    return begin + max(1, count if fitting.all() else int(fitting.argmin()))


def _weights(
    size: torch.Tensor, onto: torch.Tensor, begin: torch.Tensor, length: int, size_max: int, *, kernel: Filter
) -> torch.Tensor:
    """float32 (N, length, size_max): the weight of each source pixel of a line in each pixel of the canvas.

    size, onto, begin: int64 (N,), in pixels: the length of the line, its length when resized, and where that begins on
    the canvas. The filter is stretched where the line shrinks, truncated at the ends of the line and normalised to sum
    to 1 (Pillow's Resample.c).
    """
    size, onto, begin = (x[:, None] for x in (size, onto, begin))
    target = torch.arange(length, device=size.device) - begin
    scale = size / onto
    wide = scale.clamp(min=1.0)
    centre = (target + 0.5) * scale
    reach = _RADIUS[kernel] * wide
    low = (centre - reach + 0.5).floor().clamp(min=0)[:, :, None]
    high = (centre + reach + 0.5).floor().minimum(size)[:, :, None]
    source = torch.arange(size_max, device=size.device)
    x = ((source - centre[:, :, None] + 0.5) / wide[:, :, None]).abs()
    if kernel == "bilinear":
        weight = (1 - x).clamp(min=0)
    else:  # Keys' cubic with a = -0.5
        near = (1.5 * x - 2.5) * x * x + 1
        far = ((-0.5 * x + 2.5) * x - 4) * x + 2
        weight = torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
    on_canvas = ((target >= 0) & (target < onto))[:, :, None]
    weight = torch.where((source >= low) & (source < high) & on_canvas, weight, 0.0)
    return weight / weight.sum(dim=2, keepdim=True).where(on_canvas, 1.0)


def _whole_levels(levels: torch.Tensor) -> torch.Tensor:
    # bicubic overshoots; halves are rounded up, as in fixed-point arithmetic
    return levels.add_(0.5).floor_().clamp_(0, 255)
