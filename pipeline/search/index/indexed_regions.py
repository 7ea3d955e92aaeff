"""Answers from the index, where an exact answer would take too long; what it cannot answer stays exact."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.filters import overlapping
from pipeline.search.index.probing import Probe, overlapping_regions, probe
from pipeline.search.index.region_index import IndexFilesError, RegionIndex, stamp
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.methods.method import RankingRequest
from pipeline.search.scoring import Scorer
from schemas.regions import is_static

EXACT_WITHIN_MS = 250.0  # an exact answer that is expected within this time is given
MOST_HITS = 100  # for which the recall is measured
_MOST_SHARE = 0.5  # of the index: reading more costs what an exact answer costs
_NEAREST = 64  # regions by code for each hit, of which several can be of one frame
_LEAST_NEAREST = 1024
_NO_INDEX = "no index: regionlake upkeep --tune builds one"


@dataclass(frozen=True, slots=True)
class Choice:
    """How a query is answered.

    share: of the index that is read; None for an exact answer. why: a sentence. passing: number of regions in the
    frames that pass the filters.
    """

    share: float | None
    why: str
    passing: int
    recall_target: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """What the index found for a query.

    regions: those that are to be ranked exactly. fresh: number of them that are not in the index yet. blocks, compared,
    bytes: what was read of it.
    """

    regions: BoxedVectors
    fresh: int
    blocks: int
    compared: int
    bytes: int


class IndexedRegions:
    """The index of the columns on disk, if there is one. It is looked for whenever its record changes.

    exact_within_ms: an exact answer that is expected to take longer is answered from the index; infinite for never.
    """

    def __init__(self, columns: LakeCache, scorer: Scorer, *, exact_within_ms: float) -> None:
        self._columns = columns
        self._scorer = scorer
        self._exact_within_ms = exact_within_ms
        self._stamp = (0, 0)
        self._index: RegionIndex | None = None
        self._trouble = ""
        self._generation = -1
        self._regions_of_frame = np.zeros(0, np.int64)
        self._others: NDArray[np.bool_] | None = None

    def choose(self, request: RankingRequest, *, proposers: frozenset[str] | None) -> Choice:
        """Whether the index answers, by what an exact answer would cost."""
        if self._columns.kept is None:
            return Choice(None, "an index is for columns on disk", self._passing(request))
        if math.isinf(self._exact_within_ms):
            return Choice(None, "an exact answer was requested", self._passing(request))
        index = self.look()
        passing = self._passing(request)
        if index is None or index.tuning is None:
            return Choice(None, self._trouble or self._of_others() or _NO_INDEX, passing)
        if why := _unsupported(request, proposers):
            return Choice(None, why, passing)
        total = max(1, int(self._regions_of_frame.sum()))
        box = None if request.where is None else request.where.box
        reachable = overlapping_regions(index, box) / max(1, len(index))
        exact_ms = index.tuning.exact_ns * passing * reachable / 1e6
        if exact_ms <= self._exact_within_ms:
            return Choice(None, f"an exact answer is expected within {exact_ms:.0f} ms", passing)
        share = index.tuning.share(box, k=request.query.k)
        if share is None:
            return Choice(None, "no share of the index that was measured reaches the recall", passing)
        # a filter thins every cluster out: as many regions that pass are compared as without it
        share *= total / max(1, passing)
        if share > _MOST_SHARE:
            return Choice(None, "so few frames pass the filters that the index saves nothing", passing)
        why = f"an exact answer is expected after {exact_ms:.0f} ms; {share:.2%} of the index are compared"
        return Choice(share, why, passing, index.tuning.recall_target)

    def nearest(self, request: RankingRequest, *, share: float) -> Nearest:
        """The regions to be ranked exactly: the nearest by the index, and all that it does not have yet.

        Raises IndexFilesError where the index is damaged; it is then not used any more.
        """
        index, columns, where = self._index, self._columns, request.where
        assert index is not None
        assert request.target.vector is not None
        box = None if where is None else where.box
        asked = Probe(
            vector=request.target.vector,
            box=box,
            geometry="iou" if where is None else where.geometry,
            ranking=request.query.ranking,
            share=share,
            nearest=max(_LEAST_NEAREST, _NEAREST * request.query.k),
        )
        try:
            found = probe(index, asked, frame=columns.frame, frames=request.frames, scorer=self._scorer)
        except (IndexFilesError, IndexError) as error:
            self._index, self._trouble = None, str(error)
            raise IndexFilesError(str(error)) from error
        new = np.arange(index.covered, len(columns.frame))
        new = new[np.append(request.frames, False)[columns.frame[new]]]
        rows = np.concatenate([found.rows, new])
        rows = rows[columns.alive_at(rows)]
        if box is not None:
            rows = rows[overlapping(tuple(side[rows] for side in columns.boxes), box)]
            rows = rows[~self._stands_in(rows)]
        fresh = int((rows >= index.covered).sum())
        read = found.bytes + len(rows) * 2 * columns.dimension
        return Nearest(BoxedVectors.of_some_regions(columns, rows), fresh, found.groups, found.regions + len(new), read)

    def look(self) -> RegionIndex | None:
        """The index, if it is of the columns as they are now.

        Another one stays open: another process may have built it of columns that this one takes over next.
        """
        kept = self._columns.kept
        if kept is None:
            return None
        if (seen := stamp(kept.folder)) != self._stamp:
            self._stamp, self._index, self._trouble = seen, None, ""
            try:
                self._index = RegionIndex.open(kept.folder, dimension=self._columns.dimension)
            except IndexFilesError as error:
                self._trouble = str(error)
        return None if self._of_others() else self._index

    def _of_others(self) -> str:
        """Why the index is not of the columns as this process has them; empty where it is, or where there is none."""
        index = self._index
        if index is None:
            return ""
        if index.generation != self._columns.kept_generation:
            return "the index is of other columns; regionlake upkeep --tune builds it again"
        if index.covered > len(self._columns.frame):
            return "the index has rows that this process has not read yet"
        return ""

    def _passing(self, request: RankingRequest) -> int:
        """The number of regions in the frames that pass the filters."""
        columns = self._columns
        if self._generation != columns.generation:
            self._generation, self._others = columns.generation, None
            known = columns.frame[columns.frame >= 0]
            self._regions_of_frame = np.bincount(known, minlength=len(columns.visible))
        return int(self._regions_of_frame[request.frames].sum())

    def _stands_in(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """bool (N,): static windows in frames that have other regions, which a query with a place does not compare."""
        columns = self._columns
        static = np.array([*map(is_static, columns.proposers), False])
        if not static.any():
            return np.zeros(len(rows), np.bool_)
        if self._others is None:
            self._others = np.zeros(len(columns.visible) + 1, np.bool_)
            self._others[columns.frame[columns.region_alive & ~static[columns.proposer]]] = True
            self._others[-1] = False
        found: NDArray[np.bool_] = static[columns.proposer[rows]] & self._others[columns.frame[rows]]
        return found


def _unsupported(request: RankingRequest, proposers: frozenset[str] | None) -> str:
    """Why the index cannot answer such a query; empty where it can."""
    query, where = request.query, request.where
    if request.target.vector is None:
        return "a query by a box alone is answered exactly"
    if where is not None and where.box is None:
        return "zones are answered exactly"
    if where is not None and query.ranking.normalisation != "raw":
        return "a normalisation needs all distances"
    if query.min_confidence is not None or proposers is not None:
        return "a confidence that hits must have is answered exactly" if proposers is None else "proposers are chosen"
    if query.k > MOST_HITS:
        return f"more than {MOST_HITS} hits are answered exactly"
    return ""
