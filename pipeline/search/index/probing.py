"""Chooses the regions of an index that a query compares, and the nearest of them by their codes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.ranking.fusion import fuse, with_prior
from operators.ranking.geometry import geometric_distance
from pipeline.search.index.region_index import BOX_STEPS, REMEDY, IndexFilesError, RegionIndex
from pipeline.search.memory.rounded_vectors import RoundedVectors
from pipeline.search.scoring import Scorer
from schemas.boxes import Boxes, FloatArray
from schemas.query import BoxTuple, Geometry, Ranking
from schemas.vectors import VectorArray

_BINS = 4096  # of estimated distances: a histogram of the groups is enough, and sorting them would take 30 ms
_DEVIATIONS = 3.0  # 4 % of 894 clusters of 200 k regions then have .970 of the ten nearest of 46 texts, with none .943
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a query reads of an index.

    share: of the regions in groups that can overlap the box, those that are compared. nearest: number of regions that
    are returned.
    """

    vector: VectorArray
    box: BoxTuple | None
    geometry: Geometry
    ranking: Ranking
    share: float
    nearest: int


@dataclass(frozen=True, slots=True, eq=False)
class Probed:
    """rows: of the columns, ascending; the nearest by their codes. regions: those that were compared, which pass the
    filters. groups, bytes: how much was read."""

    rows: NDArray[np.intp]
    groups: int
    regions: int
    bytes: int


def overlapping_regions(index: RegionIndex, box: BoxTuple | None) -> int:
    """The number of regions of the index in cells that can overlap the box."""
    return int(_counts(index)[:, _reachable(index, box)].sum())


def probe(index: RegionIndex, asked: Probe, *, frame: NDArray[np.int64], frames: BoolArray, scorer: Scorer) -> Probed:
    """The nearest regions of the groups in which the nearest are to be expected.

    The fused distance of a group's nearest region is estimated by the product of the query with the centre of its
    cluster, and by the boxes and scores of some regions of its cell, with the same weights as the ranking's.
    frame: int64 (R,), the frame of each row of columns. frames: bool (F,), frames that pass the filters.
    Raises IndexFilesError where the index has a row that the columns lack.
    """
    groups = _chosen(index, asked)
    starts, stops = index.coarse.offsets[groups], index.coarse.offsets[groups + 1]
    lengths = stops - starts
    places = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(int(lengths.sum()))
    read = len(places)
    if len(places) and int(places[-1]) >= len(index):
        raise IndexFilesError(f"the groups of the index are longer than its files; {REMEDY}")
    rows = index.columns["row"][places].astype(np.intp)
    if len(rows) and int(rows.max()) >= len(frame):
        raise IndexFilesError(f"the index has rows that the columns lack; {REMEDY}")
    passes = np.append(frames, False)[frame[rows]]
    boxes = None
    if asked.box is not None:
        boxes = index.columns["box"][places]
        x0, y0, x1, y1 = (np.float64(side) * BOX_STEPS for side in asked.box)
        passes &= (boxes[:, 0] < x1) & (boxes[:, 2] > x0) & (boxes[:, 1] < y1) & (boxes[:, 3] > y0)
        boxes = boxes[passes]
    places, rows = places[passes], rows[passes]
    compared = len(rows)
    codes = RoundedVectors(index.columns["steps"], index.columns["step"], index.columns["step"], _unread)
    distance = scorer.rounded_distances(codes, asked.vector, places)
    if boxes is not None:
        assert asked.box is not None
        wide = (boxes / np.float32(BOX_STEPS)).astype(np.float32)
        geometric = geometric_distance(Boxes(wide), Boxes(np.array([asked.box])), geometry=asked.geometry)
        distance = fuse(distance, geometric, ranking=asked.ranking)
        if asked.ranking.prior:
            score = index.columns["score"][places].astype(np.float32)
            distance = with_prior(distance, score, prior=asked.ranking.prior)
    if len(rows) > asked.nearest:
        rows = rows[np.argpartition(distance, asked.nearest - 1)[: asked.nearest]]
    a_row = sum(each.nbytes for each in index.columns.values()) // max(1, len(index))
    return Probed(np.unique(rows), len(groups), compared, read * a_row)


def _unread(rows: NDArray[np.intp]) -> NDArray[np.float16]:
    raise NotImplementedError("an index has no stored vectors")


def _counts(index: RegionIndex) -> NDArray[np.int64]:
    """int64 (L, C): regions of each group."""
    counts: NDArray[np.int64] = np.diff(index.coarse.offsets).reshape(len(index.coarse.centres), -1)
    return counts


def _reachable(index: RegionIndex, box: BoxTuple | None) -> BoolArray:
    """bool (C,): cells that have a box which can overlap this one."""
    low, high = index.coarse.low, index.coarse.high
    if box is None:
        return np.ones(len(low), np.bool_)
    x0, y0, x1, y1 = np.array(box, np.float32)
    found: BoolArray = (low[:, 0] < x1) & (high[:, 2] > x0) & (low[:, 1] < y1) & (high[:, 3] > y0)
    return found


def _chosen(index: RegionIndex, asked: Probe) -> NDArray[np.intp]:
    """intp (G,): the groups that are read, ascending: the nearest by estimate that hold the share."""
    counts = _counts(index)
    semantic = _of_clusters(index, asked.vector.astype(np.float32))
    reachable = np.flatnonzero(_reachable(index, asked.box))
    if not len(reachable):
        return np.zeros(0, np.intp)
    if asked.box is None:
        estimate = np.broadcast_to(semantic[:, None], counts.shape)
    else:
        w = np.float32(asked.ranking.semantic_weight)
        estimate = w * semantic[:, None] + _of_cells(index, asked, reachable)[None]
    counts = counts[:, reachable]
    wanted = asked.share * counts.sum()
    low, high = float(estimate.min()), float(estimate.max())
    bins = ((estimate - low) * np.float32((_BINS - 1) / max(high - low, 1e-9))).astype(np.int32)
    held = np.cumsum(np.bincount(bins.ravel(), weights=counts.ravel(), minlength=_BINS))
    last = int(np.searchsorted(held, wanted))
    cluster, cell = np.nonzero((bins <= last) & (counts > 0))
    return np.asarray(cluster * len(index.coarse.low) + reachable[cell], np.intp)


def _of_clusters(index: RegionIndex, vector: VectorArray) -> FloatArray:
    """float32 (L,): the semantic distance of the near regions of each cluster, some deviations from its centre."""
    coarse = index.coarse
    deviation = np.sqrt(max(0.0, float(vector @ coarse.within @ vector)))
    near: FloatArray = np.float32(1) - coarse.centres @ vector - np.float32(_DEVIATIONS * deviation) * coarse.spread
    return near


def _of_cells(index: RegionIndex, asked: Probe, cells: NDArray[np.intp]) -> FloatArray:
    """float32 (len(cells),): the least of what place and score add to the distance of a cell's sampled regions."""
    assert asked.box is not None
    boxes, scores = index.coarse.boxes[cells], index.coarse.scores[cells]
    known = ~np.isnan(boxes[..., 0])
    flat = np.where(known[..., None], boxes, np.array([0, 0, 1, 1], np.float32)).reshape(-1, 4)
    geometric = geometric_distance(Boxes(flat), Boxes(np.array([asked.box])), geometry=asked.geometry)
    added = np.float32(1 - asked.ranking.semantic_weight) * geometric
    if asked.ranking.prior:
        added = with_prior(added, scores.reshape(-1), prior=asked.ranking.prior)
    return np.where(known, added.reshape(known.shape), np.inf).min(axis=1).astype(np.float32)  # type: ignore[no-any-return]
