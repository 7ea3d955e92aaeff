"""Means of a feature map under boxes and under masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.runtime.blas_threads import one_blas_thread
from schemas.boxes import Boxes
from schemas.vectors import FeatureMap, VectorArray


def pool_boxes(feature_map: FeatureMap, boxes: Boxes) -> VectorArray:
    """float32 (N, C): mean of the cells under each box, weighted by how much of each cell the box covers.

    C is the sum of the channels of the map's levels. A box without area gets the cells at its position.
    """
    return np.concatenate([_pooled(level, boxes, feature_map) for level in feature_map.levels], axis=1)


def _pooled(level: VectorArray, boxes: Boxes, feature_map: FeatureMap) -> VectorArray:
    rows, cols, channels = level.shape
    means = np.empty((len(boxes), channels), np.float32)
    if feature_map.least_cells < 1:
        # lakes have vectors of these sums, to the bit
        weights = cell_weights(boxes, rows=rows, cols=cols, extent=feature_map.extent)
        cells = level.reshape(rows * cols, channels)
        for i, weight in enumerate(weights):
            covered = np.flatnonzero(weight)
            means[i] = np.einsum("k,kc->c", weight[covered], cells[covered])
        return means
    down, across = _box_cover(boxes, rows=rows, cols=cols, extent=feature_map.extent, least=feature_map.least_cells)
    for i, (of_rows, of_cols) in enumerate(zip(down.astype(np.float32), across.astype(np.float32), strict=True)):
        # only covered cells, and no BLAS: its threads spin for 26 ms after a product, on cores that a model needs
        r, c = _covered(of_rows), _covered(of_cols)
        means[i] = np.einsum("c,ck->k", of_cols[c], np.einsum("r,rck->ck", of_rows[r], level[r, c]))
    return means


def _covered(shares: VectorArray) -> slice:
    places = np.flatnonzero(shares)
    return slice(int(places[0]), int(places[-1]) + 1)


def cell_features(feature_map: FeatureMap) -> VectorArray:
    """float32 (rows, cols, C): the features of every patch, each what `pool_boxes` gives for the box of the patch."""
    rows, cols, _ = feature_map.shape
    joined = []
    for level in feature_map.levels:
        if level.shape[:2] == (rows, cols):
            joined.append(level)
            continue
        down, across = (
            _cover(edges[:-1], edges[1:], cells, least=feature_map.least_cells).astype(np.float32)
            for edges, cells in (
                (np.linspace(0, level.shape[0], rows + 1), level.shape[0]),
                (np.linspace(0, level.shape[1], cols + 1), level.shape[1]),
            )
        )
        by_row = np.stack([np.einsum("r,rck->ck", shares[r], level[r]) for shares in down for r in [_covered(shares)]])
        by_cell = [np.einsum("c,nck->nk", shares[c], by_row[:, c]) for shares in across for c in [_covered(shares)]]
        joined.append(np.stack(by_cell, axis=1))
    return np.concatenate(joined, axis=2)


@one_blas_thread()  # beside a model two threads take fifty times as long
def pool_masks(feature_map: FeatureMap, masks: Sequence[NDArray[np.bool_]]) -> VectorArray:
    """float32 (N, C): mean of the cells under each mask, weighted by how many of its pixels lie in each cell.

    masks: bool (H, W) each, of the whole frame, none of them empty. A rectangular mask gives the vector of its box,
    unless the box is narrower than a cell.
    """
    extent = feature_map.extent
    return np.concatenate([_pooled_masks(level, masks, extent=extent) for level in feature_map.levels], axis=1)


def _pooled_masks(
    level: VectorArray, masks: Sequence[NDArray[np.bool_]], *, extent: tuple[float, float, float, float]
) -> VectorArray:
    rows, cols, channels = level.shape
    x0, y0, x1, y1 = extent
    cells = level.reshape(rows * cols, channels).astype(np.float64)
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
    down, across = _box_cover(boxes, rows=rows, cols=cols, extent=extent, least=1e-3)
    return (down[:, :, None] * across[:, None, :]).reshape(len(boxes), rows * cols)


def _box_cover(
    boxes: Boxes, *, rows: int, cols: int, extent: tuple[float, float, float, float], least: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """float64 (N, rows) and (N, cols): see `_cover`."""
    x0, y0, x1, y1 = extent
    top, bottom = ((boxes.xyxy[:, side] - y0) / (y1 - y0) * rows for side in (1, 3))
    left, right = ((boxes.xyxy[:, side] - x0) / (x1 - x0) * cols for side in (0, 2))
    return _cover(top, bottom, rows, least=least), _cover(left, right, cols, least=least)


def _cover(low: NDArray[Any], high: NDArray[Any], cells: int, *, least: float = 1e-3) -> NDArray[np.float64]:
    """float64 (N, cells): the share of the interval [low, high], in cells, that lies in each cell; rows sum to 1.

    least: length, in cells, to which a shorter interval is widened within the grid: about its middle, or upwards where
        it is less than a cell.
    """
    least = min(least, cells)
    start, stop = low.astype(np.float64), high.astype(np.float64)
    if least >= 1:
        start = np.minimum(start, (start + stop) / 2 - least / 2)
    start = np.clip(start, 0, cells - least)
    stop = np.clip(np.maximum(stop, start + least), None, cells)
    edges = np.arange(cells, dtype=np.float64)
    overlap = np.clip(np.minimum(stop[:, None], edges + 1) - np.maximum(start[:, None], edges), 0, None)
    share: NDArray[np.float64] = overlap / overlap.sum(axis=1, keepdims=True)
    return share
