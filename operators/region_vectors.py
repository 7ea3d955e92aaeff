"""Vectors of regions: each box of a frame as a vector of the encoder's space, by crops or from one map."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from operators.encoders.encoder import Encoder
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray

RegionMode = Literal["crop", "pool"]


@dataclass(frozen=True, slots=True)
class RegionVectorsConfig:
    """How a box becomes a vector.

    mode: "crop" encodes every box by itself; "pool" encodes the frame once and means the cells under each box.
    context: in "crop", the box is grown about its centre by this factor.
    """

    mode: RegionMode = "crop"
    context: float = 1.2

    def __post_init__(self) -> None:
        if self.mode not in ("crop", "pool"):
            raise InvalidValueError(f'mode must be "crop" or "pool", got {self.mode!r}')
        if self.context < 1.0:
            raise InvalidValueError(f"context must be at least 1, got {self.context}")


class RegionVectors:
    """frames and their boxes → one L2-normalised float32 vector a box, in the order of the boxes."""

    def __init__(self, config: RegionVectorsConfig, encoder: Encoder) -> None:
        self._config = config
        self._encoder = encoder

    def __call__(self, images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> list[VectorArray]:
        """images: uint8 (H, W, 3) RGB each; boxes: one `Boxes` an image. Returns float32 (len(boxes[i]), D) each.

        A vector depends on its own frame and box alone.
        """
        if len(images) != len(boxes):
            raise InvalidValueError(f"one Boxes an image: got {len(images)} images and {len(boxes)} boxes")
        if self._config.mode == "pool":
            maps = self._encoder.feature_maps(images)
            features = [pool_boxes(m, b) for m, b in zip(maps, boxes, strict=True)]
            vectors = self._encoder.project(np.concatenate(features)) if features else np.zeros((0, 0), np.float32)
        else:
            crops = [crop for i, b in zip(images, boxes, strict=True) for crop in cropped(i, b, self._config.context)]
            vectors = self._encoder.encode_images(crops)
        ends = np.cumsum([len(b) for b in boxes])
        return np.split(vectors, ends[:-1]) if len(boxes) else []


def cropped(image: ImageArray, boxes: Boxes, context: float) -> list[ImageArray]:
    """Views of `image`, one a box: the box grown by `context`, in whole pixels, at least 1×1 px."""
    height, width, _ = image.shape
    corners = grown(boxes, context).to_pixels(width_px=width, height_px=height)
    return [image[y0:y1, x0:x1] for x0, y0, x1, y1 in corners.tolist()]


def grown(boxes: Boxes, factor: float) -> Boxes:
    """Boxes grown about their centre by `factor` a side, cut to the frame."""
    centre = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2
    half = (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]) / 2 * np.float32(factor)
    return Boxes.clipped(np.concatenate([centre - half, centre + half], axis=1))


def pool_boxes(feature_map: FeatureMap, boxes: Boxes) -> VectorArray:
    """float32 (N, C): mean of the cells under each box, weighted by how much of each cell the box covers.

    A box without area takes the cell (or the neighbours) at its place.
    """
    rows, cols, channels = feature_map.features.shape
    x0, y0, x1, y1 = feature_map.extent
    down = _cover((boxes.xyxy[:, 1] - y0) / (y1 - y0) * rows, (boxes.xyxy[:, 3] - y0) / (y1 - y0) * rows, rows)
    across = _cover((boxes.xyxy[:, 0] - x0) / (x1 - x0) * cols, (boxes.xyxy[:, 2] - x0) / (x1 - x0) * cols, cols)
    weight = (down[:, :, None] * across[:, None, :]).reshape(len(boxes), rows * cols)
    cells = feature_map.features.reshape(rows * cols, channels).astype(np.float64)
    return (weight @ cells).astype(np.float32)


def _cover(low: NDArray[np.float32], high: NDArray[np.float32], cells: int) -> NDArray[np.float64]:
    """float64 (N, cells): the share of [low, high], in cells, that lies in each; rows sum to 1."""
    # at least a thousandth of a cell, and inside the grid
    start = np.clip(low.astype(np.float64), 0, cells - 1e-3)
    stop = np.clip(high.astype(np.float64), start + 1e-3, cells)
    edges = np.arange(cells, dtype=np.float64)
    overlap = np.clip(np.minimum(stop[:, None], edges + 1) - np.maximum(start[:, None], edges), 0, None)
    share: NDArray[np.float64] = overlap / overlap.sum(axis=1, keepdims=True)
    return share
