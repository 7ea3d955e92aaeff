"""Means of a feature map under boxes and under masks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes
from schemas.vectors import FeatureMap, VectorArray


def pool_boxes(feature_map: FeatureMap, boxes: Boxes) -> VectorArray:
    """float32 (N, C): mean of the cells under each box, weighted by how much of each cell the box covers.

    A box without area gets the mean of the cell or cells at its position.
    """
    rows, cols, channels = feature_map.features.shape
    weights = cell_weights(boxes, rows=rows, cols=cols, extent=feature_map.extent)
    cells = feature_map.features.reshape(rows * cols, channels)
    means = np.empty((len(boxes), channels), np.float32)
    for i, weight in enumerate(weights):
        # only covered cells, and no BLAS: its threads spin for 26 ms after a product, on cores that a model needs
        covered = np.flatnonzero(weight)
        means[i] = np.einsum("k,kc->c", weight[covered], cells[covered])
    return means


def pool_masks(feature_map: FeatureMap, masks: Sequence[NDArray[np.bool_]]) -> VectorArray:
    """float32 (N, C): mean of the cells under each mask, weighted by how many of its pixels lie in each cell.

    masks: bool (H, W) each, of the whole frame, none of them empty. A rectangular mask gives the vector of its box.
    """
    rows, cols, channels = feature_map.features.shape
    x0, y0, x1, y1 = feature_map.extent
    cells = feature_map.features.reshape(rows * cols, channels).astype(np.float64)
    means = np.zeros((len(masks), channels), np.float32)
    for i, mask in enumerate(masks):
        top, left = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        inner = mask[top[0] : top[-1] + 1, left[0] : left[-1] + 1].astype(np.float64)
        down = _pixel_cover(top[0], len(inner), mask.shape[0], start=y0, stop=y1, cells=rows)
        across = _pixel_cover(left[0], inner.shape[1], mask.shape[1], start=x0, stop=x1, cells=cols)
        weight = down.T @ inner @ across
        means[i] = weight.reshape(-1) @ cells / weight.sum()
    return means


def _pixel_cover(
    first: np.intp, count: int, pixels: int, *, start: float, stop: float, cells: int
) -> NDArray[np.float64]:
    """float64 (count, cells): the share of each pixel that lies in each cell, for `count` pixels from `first` on."""
    edges = ((first + np.arange(count + 1)) / pixels - start) / (stop - start) * cells
    return _cover(edges[:-1].astype(np.float32), edges[1:].astype(np.float32), cells)


def cell_weights(
    boxes: Boxes, *, rows: int, cols: int, extent: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
) -> NDArray[np.float64]:
    """float64 (N, rows * cols): the weight of each cell of a grid in the mean under each box; rows sum to 1."""
    x0, y0, x1, y1 = extent
    down = _cover((boxes.xyxy[:, 1] - y0) / (y1 - y0) * rows, (boxes.xyxy[:, 3] - y0) / (y1 - y0) * rows, rows)
    across = _cover((boxes.xyxy[:, 0] - x0) / (x1 - x0) * cols, (boxes.xyxy[:, 2] - x0) / (x1 - x0) * cols, cols)
    return (down[:, :, None] * across[:, None, :]).reshape(len(boxes), rows * cols)


def _cover(low: NDArray[np.float32], high: NDArray[np.float32], cells: int) -> NDArray[np.float64]:
    """float64 (N, cells): the share of the interval [low, high], in cells, that lies in each cell; rows sum to 1."""
    # the interval is at least a thousandth of a cell long, and inside the grid
    start = np.clip(low.astype(np.float64), 0, cells - 1e-3)
    stop = np.clip(high.astype(np.float64), start + 1e-3, cells)
    edges = np.arange(cells, dtype=np.float64)
    overlap = np.clip(np.minimum(stop[:, None], edges + 1) - np.maximum(start[:, None], edges), 0, None)
    share: NDArray[np.float64] = overlap / overlap.sum(axis=1, keepdims=True)
    return share
