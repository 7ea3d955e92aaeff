"""Measures masks by their logits at the size of the frame: stability, area and the tightest box."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class MaskMeasures:
    """Measures of K masks of one frame.

    stability: float32 (K,), in [0, 1]; 0 for an empty mask.
    area_px: int64 (K,).
    boxes_px: int64 (K, 4), the tightest half-open boxes `(x0, y0, x1, y1)`; (0, 0, 0, 0) for an empty mask.
    """

    stability: NDArray[np.float32]
    area_px: NDArray[np.int64]
    boxes_px: NDArray[np.int64]

    def take(self, index: NDArray[np.intp]) -> "MaskMeasures":
        """The measures of the masks at `index`, in that order."""
        return MaskMeasures(self.stability[index], self.area_px[index], self.boxes_px[index])


def measure(logits: torch.Tensor, *, offset: float) -> MaskMeasures:
    """Measures K masks. logits: float (K, H, W), of the frame's size; values above 0 are the region.

    Stability is the IoU of the masks above `offset` and above `-offset` (Segment Anything, arXiv 2304.02643, §5). As
    the first lies within the second, it is the ratio of their areas.
    """
    inner = _count(logits > offset)
    outer = _count(logits > -offset)
    masks = logits > 0
    stability = torch.where(outer > 0, inner / outer.clamp(min=1), 0.0).float()
    return MaskMeasures(
        stability.cpu().numpy(),
        _count(masks).cpu().numpy(),
        _tight_boxes(masks).cpu().numpy(),
    )


def _count(masks: torch.Tensor) -> torch.Tensor:
    return masks.sum(dim=(1, 2), dtype=torch.int64)


def _tight_boxes(masks: torch.Tensor) -> torch.Tensor:
    """bool (K, H, W) → int64 (K, 4)."""
    sides = []
    for dim in (1, 2):  # over the rows: which columns the mask touches; over the columns: which rows
        touched = masks.any(dim=dim).to(torch.uint8)
        first = touched.argmax(dim=1)
        last = touched.shape[1] - touched.flip(1).argmax(dim=1)
        empty = ~touched.bool().any(dim=1)
        sides.append((first.masked_fill(empty, 0), last.masked_fill(empty, 0)))
    (x0, x1), (y0, y1) = sides
    return torch.stack([x0, y0, x1, y1], dim=1)
