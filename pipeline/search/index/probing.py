"""Finds the regions of an index that a query compares: all that lie where it looks, or those that may be nearest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.ranking.fusion import fuse_with_prior, with_prior
from pipeline.search.filters import overlapping
from pipeline.search.index.region_index import REMEDY, IndexFilesError, RegionIndex
from pipeline.search.memory.rounded_vectors import RoundedVectors
from pipeline.search.scoring import Scorer
from pipeline.search.where import Where
from schemas.boxes import FloatArray
from schemas.query import Ranking
from schemas.vectors import VectorArray

_BINS = 4096  # of estimated distances: a histogram of the groups is enough, and sorting them would take 30 ms
_DEVIATIONS = 3.0  # 4 % of 894 clusters of 200 k regions then have .970 of the ten nearest of 46 texts, with none .943
_LOOKED_AT = 4.0  # boxes that are looked at for each vector that is read: a box is a seventh of the bytes
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a query reads of an index.

    where: None for anywhere. share: of the regions in cells that can lie where the query looks, those whose vectors are
    compared. nearest: number of regions that are returned.
    """

    vector: VectorArray
    where: Where | None
    ranking: Ranking
    share: float
    nearest: int


@dataclass(frozen=True, slots=True, eq=False)
class Probed:
    """rows: of the columns, ascending; the nearest by their codes. regions: those that were compared, which pass the
    filters. groups, bytes: how much was read."""

    rows: IndexArray
    groups: int
    regions: int
    bytes: int


def reachable_regions(index: RegionIndex, where: Where | None) -> int:
    """The number of regions of the index in cells that can have one where the query looks."""
    return int(_cell_sizes(index)[_reachable(index, where)].sum())


def expected_near(index: RegionIndex, where: Where) -> float:
    """About how many regions lie where the query looks, by the sampled boxes of each cell."""
    boxes = index.coarse.layout.boxes
    near = _in_bounds(tuple(boxes[..., axis] for axis in range(4)), where)
    known = ~np.isnan(boxes[..., 0])
    share = near.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return float(share @ _cell_sizes(index))


def places_near(index: RegionIndex, where: Where) -> tuple[IndexArray, int]:
    """The places in the index of all regions that overlap where the query looks, or the bounds of a zone; ascending.

    Also returns how many runs of the index were read for it.
    """
    starts, stops = _runs(index, np.flatnonzero(_reachable(index, where)))
    found = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        found.append(start + np.flatnonzero(_in_bounds(index.sides(slice(start, stop)), where)))
    return np.concatenate([np.zeros(0, np.intp), *found]), len(starts)


def rows_at(index: RegionIndex, places: IndexArray, *, rows: int) -> IndexArray:
    """The rows of columns of which these are. rows: how many columns have.

    Raises IndexFilesError where the index has a row that the columns lack.
    """
    found: IndexArray = index.columns["row"][places].astype(np.intp)
    if len(found) and int(found.max()) >= rows:
        raise IndexFilesError(f"the index has rows that the columns lack; {REMEDY}")
    return found


def codes_at(index: RegionIndex, places: IndexArray) -> RoundedVectors:
    """The rounded vectors at these places, with a bound of their errors: each component is off by half a step."""
    steps, step = index.columns["steps"][places], index.columns["step"][places]
    error = np.nextafter(step * np.float32(0.5001 * steps.shape[1] ** 0.5), np.float32(np.inf))
    return RoundedVectors(steps, step, error, _unread)


def probe(index: RegionIndex, asked: Probe, *, frame: NDArray[np.int64], frames: BoolArray, scorer: Scorer) -> Probed:
    """The nearest regions of the groups in which the nearest are to be expected.

    The fused distance of a group's nearest region is estimated by the product of the query with the centre of its
    cluster, and by the boxes and scores of some regions of its cell, with the same weights as the ranking's. Of the
    nearest groups the boxes are looked at, and the vectors of the regions whose boxes and clusters are nearest.
    frame: int64 (R,), the frame of each row of columns. frames: bool (F,), frames that pass the filters.
    Raises IndexFilesError where the index has a row that the columns lack.
    """
    semantic = _of_clusters(index, asked.vector.astype(np.float32))
    groups, wanted = _chosen(index, asked, semantic)
    starts, stops = index.coarse.offsets[groups], index.coarse.offsets[groups + 1]
    lengths = stops - starts
    places = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(int(lengths.sum()))
    if len(places) and int(places[-1]) >= len(index):
        raise IndexFilesError(f"the groups of the index are longer than its files; {REMEDY}")
    looked_at, where, ranking = len(places), asked.where, asked.ranking
    if where is not None:
        places = places[_in_bounds(index.sides(places), where)]
    rows = rows_at(index, places, rows=len(frame))
    passes = np.append(frames, False)[frame[rows]]
    places, rows = places[passes], rows[passes]
    added: FloatArray | None = None
    if where is not None:
        geometric = where.distance(np.stack(index.sides(places), axis=1), frame[rows])
        inside = where.is_inside(geometric, frame[rows])
        places, rows, geometric = places[inside], rows[inside], geometric[inside]
        score = index.columns["score"][places]
        of_cluster = semantic[index.columns["cluster"][places]]
        if len(places) > wanted:
            best = np.argpartition(fuse_with_prior(of_cluster, geometric, score, ranking=ranking), wanted)[:wanted]
            places, rows, geometric, score = places[best], rows[best], geometric[best], score[best]
        added = geometric
    distance = scorer.rounded_distances(codes_at(index, places), asked.vector)
    if added is not None:
        distance = fuse_with_prior(distance, added, score, ranking=ranking)
    compared = len(rows)
    if len(rows) > asked.nearest:
        rows = rows[np.argpartition(distance, asked.nearest - 1)[: asked.nearest]]
    read = looked_at * (0 if where is None else 16) + compared * (index.columns["steps"].shape[1] + 12)
    return Probed(np.unique(rows), len(groups), compared, read)


def _in_bounds(sides: tuple[FloatArray, ...], where: Where) -> BoolArray:
    """bool, of the shape of each side: boxes that overlap where the query looks, or the bounds of one of its zones."""
    found = np.zeros(sides[0].shape, np.bool_)
    for box in where.bounds:
        found |= overlapping(sides, box)
    return found


def _unread(rows: IndexArray) -> NDArray[np.float16]:
    raise NotImplementedError("an index has no stored vectors")


def _cell_sizes(index: RegionIndex) -> NDArray[np.int64]:
    """int64 (C,): regions of each cell."""
    sizes: NDArray[np.int64] = np.diff(index.coarse.offsets[:: index.coarse.layout.clusters])
    return sizes


def _runs(index: RegionIndex, cells: IndexArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where runs of neighbouring cells begin and end in the index."""
    first = np.flatnonzero(np.diff(cells, prepend=-2) != 1)
    last = np.append(first[1:], len(cells)) - 1 if len(cells) else first
    clusters = index.coarse.layout.clusters
    return index.coarse.offsets[cells[first] * clusters], index.coarse.offsets[(cells[last] + 1) * clusters]


def _reachable(index: RegionIndex, where: Where | None) -> BoolArray:
    """bool (C,): cells that can have a box where the query looks."""
    low, high = index.coarse.low, index.coarse.high
    if where is None:
        return np.ones(len(low), np.bool_)
    return _in_bounds((low[:, 0], low[:, 1], high[:, 2], high[:, 3]), where)


def _chosen(index: RegionIndex, asked: Probe, semantic: FloatArray) -> tuple[IndexArray, int]:
    """intp (G,): the nearest groups by estimate, ascending, and how many of their regions are compared.

    Anywhere, these groups hold the share; otherwise several times as many, since some lie elsewhere.
    """
    clusters = index.coarse.layout.clusters
    reachable = np.flatnonzero(_reachable(index, asked.where))
    counts = np.diff(index.coarse.offsets).reshape(-1, clusters)[reachable]
    total = int(counts.sum())
    wanted = max(1, int(np.ceil(asked.share * total)))
    if not total:
        return np.zeros(0, np.intp), wanted
    if asked.where is None:
        estimate = np.broadcast_to(semantic[None], counts.shape)
    else:
        w = np.float32(asked.ranking.semantic_weight)
        estimate = w * semantic[None] + _of_cells(index, asked.where, asked.ranking, reachable)[:, None]
    held = wanted if asked.where is None else min(total, _LOOKED_AT * wanted)
    low, high = float(estimate.min()), float(estimate.max())
    bins = ((estimate - low) * np.float32((_BINS - 1) / max(high - low, 1e-9))).astype(np.int32)
    until = np.cumsum(np.bincount(bins.ravel(), weights=counts.ravel(), minlength=_BINS))
    last = int(np.searchsorted(until, held))
    cell, cluster = np.nonzero((bins <= last) & (counts > 0))
    return np.asarray(reachable[cell] * clusters + cluster, np.intp), wanted


def _of_clusters(index: RegionIndex, vector: VectorArray) -> FloatArray:
    """float32 (L,): the semantic distance of the near regions of each cluster, some deviations from its centre."""
    layout = index.coarse.layout
    deviation = np.sqrt(max(0.0, float(vector @ layout.within @ vector)))
    near: FloatArray = np.float32(1) - layout.centres @ vector - np.float32(_DEVIATIONS * deviation) * layout.spread
    return near


def _of_cells(index: RegionIndex, where: Where, ranking: Ranking, cells: IndexArray) -> FloatArray:
    """float32 (len(cells),): the least of what place and score add to the distance of a cell's sampled regions."""
    boxes, scores = index.coarse.layout.boxes[cells], index.coarse.layout.scores[cells]
    known = ~np.isnan(boxes[..., 0])
    flat = np.where(known[..., None], boxes, np.array([0, 0, 1, 1], np.float32)).reshape(-1, 4)
    added = np.float32(1 - ranking.semantic_weight) * where.least_distance(flat)
    if ranking.prior:
        added = with_prior(added, scores.reshape(-1), prior=ranking.prior)
    found: FloatArray = np.where(known, added.reshape(known.shape), np.inf).min(axis=1).astype(np.float32)
    return found
