"""The order of the regions of an index: clusters of their vectors and cells of their boxes, found from a sample."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.search.index.clusters import Cells, k_means, nearest_centre
from pipeline.search.memory.lake_cache import LakeCache
from schemas.boxes import FloatArray
from schemas.vectors import VectorArray

_SEED = 20
_SAMPLE = 2**17
_OF_CLUSTER = 64  # regions of the sample for each cluster, at least
_OF_GROUP = 3  # regions of a cluster and a cell, about: cells must be small to show how near their boxes are
_MOST_CELLS = 256
_SAMPLED_BOXES = 32


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """L clusters and C cells, with S sampled regions of each cell.

    centres: float32 (L, D). spread: float32 (L,), the root mean square distance of a cluster's vectors from its
    centre, divided by that of all. within: float32 (D, D), the covariance of vectors about their centres.
    axis, threshold: of the tree of cells, see Cells. boxes: float32 (C, S, 4). scores: float32 (C, S), NaN for
    proposers with other scores. Cells with fewer regions in the sample have NaN in both.
    """

    centres: VectorArray
    spread: FloatArray
    within: FloatArray
    axis: NDArray[np.int64]
    threshold: FloatArray
    boxes: FloatArray
    scores: FloatArray

    @property
    def clusters(self) -> int:
        return len(self.centres)

    @property
    def cells(self) -> int:
        return len(self.boxes)

    @property
    def groups(self) -> int:
        """Number of groups: the regions of one cell and one cluster, those of the first cell first."""
        return self.cells * self.clusters

    def group_of(self, vectors: NDArray[np.float16], features: NDArray[np.float32]) -> NDArray[np.int32]:
        """int32 (N,): the group of each region. vectors: float16 (N, D). features: float32 (N, 5), see features_of."""
        cell = Cells(self.axis, self.threshold).assign(features)
        return cell * np.int32(self.clusters) + nearest_centre(vectors.astype(np.float32), self.centres)

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, **{name: getattr(self, name) for name in Layout.__dataclass_fields__})

    @classmethod
    def load(cls, path: Path) -> "Layout":
        """Raises OSError, KeyError or ValueError where the file is not one that `save` wrote."""
        with np.load(path, allow_pickle=False) as found:
            return cls(**{name: found[name] for name in cls.__dataclass_fields__})


def find_layout(columns: LakeCache) -> Layout:
    """Finds clusters and cells from a sample of the regions that are alive."""
    vectors = columns.region_vectors
    assert isinstance(vectors, np.ndarray)
    alive = np.flatnonzero(columns.region_alive)
    rng = np.random.default_rng(_SEED)
    sampled = np.sort(rng.choice(alive, min(_SAMPLE, len(alive)), replace=False))
    wide = vectors[sampled].astype(np.float32)
    clusters, depth = _sizes(len(alive))
    centres = k_means(wide, clusters=clusters, seed=_SEED)
    spread, within = _within(wide, centres)
    cells = Cells.of(features_of(columns, sampled), depth=depth)
    boxes, scores = _sampled(columns, cells, sampled)
    return Layout(centres, spread, within, cells.axis, cells.threshold, boxes, scores)


def features_of(columns: LakeCache, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """float32 (N, 5): x0, y0, x1, y1 and the score, that of a typical region where it is not comparable."""
    score = np.nan_to_num(columns.one_scale_score(rows), nan=0.3)
    return np.stack([*(side[rows] for side in columns.boxes), score], axis=1)


def _within(sample: FloatArray, centres: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The spread of each cluster and the covariance within clusters; see Layout."""
    nearest = nearest_centre(sample, centres)
    apart = sample - centres[nearest]
    counts = np.bincount(nearest, minlength=len(centres))
    squares = np.bincount(nearest, weights=(apart**2).sum(axis=1), minlength=len(centres))
    mean = squares.sum() / len(sample)
    spread = np.sqrt(squares / np.maximum(counts, 1) / max(mean, 1e-12)).astype(np.float32)
    return spread, (apart.T @ apart / np.float32(len(sample))).astype(np.float32)


def _sizes(regions: int) -> tuple[int, int]:
    """The number of clusters, and the depth of the tree of cells."""
    sample = min(_SAMPLE, regions)
    clusters = max(1, min(int(2 * regions**0.5), sample // _OF_CLUSTER))
    cells = min(_MOST_CELLS, max(1, regions // (clusters * _OF_GROUP)))
    return clusters, cells.bit_length() - 1


def _sampled(columns: LakeCache, cells: Cells, sampled: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
    """Boxes, float32 (C, S, 4), and scores, float32 (C, S), of a few regions of each cell; NaN where it has fewer."""
    boxes = np.full((len(cells), _SAMPLED_BOXES, 4), np.nan, np.float32)
    scores = np.full((len(cells), _SAMPLED_BOXES), np.nan, np.float32)
    features = features_of(columns, sampled)
    of_cell = cells.assign(features)
    comparable = columns.one_scale_score(sampled)
    for cell in range(len(cells)):
        some = np.flatnonzero(of_cell == cell)
        some = some[:: max(1, len(some) // _SAMPLED_BOXES)][:_SAMPLED_BOXES]
        boxes[cell, : len(some)] = features[some, :4]
        scores[cell, : len(some)] = comparable[some]
    return boxes, scores
