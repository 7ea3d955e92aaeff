"""Answers from the index: exact ones where a query looks at little, and almost exact ones where it would take long."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.filters import overlapping
from pipeline.search.index.probing import (
    Probe,
    codes_at,
    expected_near,
    places_near,
    probe,
    reachable_regions,
    rows_at,
)
from pipeline.search.index.pruning import may_be_hits
from pipeline.search.index.region_index import IndexFilesError, RegionIndex, stamp
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.rounded_vectors import RoundedVectors, rounded
from pipeline.search.methods.method import RankingRequest
from pipeline.search.scoring import Scorer
from pipeline.search.where import Where
from schemas.regions import is_static

EXACT_WITHIN_MS = 250.0  # an exact answer that is expected within this time is given
MOST_HITS = 100  # for which the recall is measured
MOST_NEAR = 2**19  # regions that lie where a query looks and are all compared, in about 0.1 s
_MOST_SHARE = 0.5  # of the index: reading more costs what an exact answer costs
_NEAREST = 64  # regions by code for each hit, of which several can be of one frame
_LEAST_NEAREST = 1024
_NO_INDEX = "no index: regionlake upkeep --tune builds one"


@dataclass(frozen=True, slots=True)
class Choice:
    """How a query is answered.

    by: "all", every region that passes the filters; "near", those that the index finds where the query looks, which is
        exact too; "share", those that may be nearest by the index.
    share: of the index that is read, by "share". why: a sentence. passing: number of regions in the frames that pass
        the filters.
    """

    by: str
    why: str
    passing: int
    share: float = 0.0
    recall_target: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """What the index found for a query.

    regions: those that are to be ranked exactly. fresh: number of them that are not in the index yet. blocks, compared,
    bytes: what was read of it. too_far: number of candidates that cannot be hits by their boxes and clusters alone.
    """

    regions: BoxedVectors
    fresh: int
    blocks: int
    compared: int
    bytes: int
    too_far: int = 0


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
        """Whether the index answers, and how, by what an exact answer would cost."""
        if self._columns.kept is None:
            return Choice("all", "an index is for columns on disk", self._passing(request))
        if math.isinf(self._exact_within_ms):
            return Choice("all", "an exact answer was requested", self._passing(request))
        index = self.look()
        passing = self._passing(request)
        if len(request.standing):
            return Choice("all", "regions of earlier frames that still stand are compared, too", passing)
        if index is None or index.tuning is None:
            return Choice("all", self._trouble or self._of_others() or _NO_INDEX, passing)
        if why := self._unsupported(request, proposers):
            return Choice("all", why, passing)
        if request.where is not None and self.is_near(request.where):
            near = expected_near(index, request.where)
            why = f"about {near:,.0f} regions lie where the query looks, and all that can be hits are compared"
            return Choice("near", why, passing)
        total = max(1, int(self._regions_of_frame.sum()))
        reachable = reachable_regions(index, request.where) / max(1, len(index))
        exact_ms = index.tuning.exact_ns * passing * reachable / 1e6
        if exact_ms <= self._exact_within_ms:
            return Choice("all", f"an exact answer is expected within {exact_ms:.0f} ms", passing)
        if why := _needs_all(request):
            return Choice("all", why, passing)
        share = index.tuning.share(request.where, k=_depth(request))
        if share is None:
            return Choice("all", "no share of the index that was measured reaches the recall", passing)
        # a filter thins every cluster out: as many regions that pass are compared as without it
        share *= total / max(1, passing)
        if share > _MOST_SHARE:
            return Choice("all", "so few frames pass the filters that the index saves nothing", passing)
        why = f"an exact answer is expected after {exact_ms:.0f} ms; {share:.2%} of the index are compared"
        return Choice("share", why, passing, share, index.tuning.recall_target)

    def is_near(self, where: Where) -> bool:
        """Whether few enough regions lie there that all are compared."""
        index = self.look()
        return index is not None and expected_near(index, where) <= MOST_NEAR

    def near(self, request: RankingRequest) -> Nearest:
        """All regions that lie where the query looks: what is ranked is all that an exact answer compares.

        Raises IndexFilesError where the index is damaged; it is then not used any more.
        """
        index, columns, where = self._required(), self._columns, request.where
        assert where is not None
        try:
            places, runs = places_near(index, where)
            rows = rows_at(index, places, rows=len(columns.frame))
        except (IndexFilesError, IndexError) as error:
            raise self._damaged(error) from error
        compared = self._compared(request, rows)
        places, rows = places[compared], rows[compared]
        seen = len(places)
        places, rows, dropped = self._not_too_far(index, request, where, places, rows)
        fresh = self._fresh(index, request)
        by_codes = request.target.vector is not None and request.query.ranking.normalisation == "raw"
        codes = None
        if by_codes:
            codes = _joined(codes_at(index, places), self._codes_of(fresh))
        rows = np.concatenate([rows, fresh])
        read = 24 * seen + len(rows) * columns.dimension * (1 if by_codes else 2)
        regions = BoxedVectors.of_some_regions(columns, rows, codes=codes)
        return Nearest(regions, len(fresh), runs, len(rows), read, dropped)

    def _not_too_far(
        self,
        index: RegionIndex,
        request: RankingRequest,
        where: Where,
        places: NDArray[np.intp],
        rows: NDArray[np.intp],
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
        """The places and rows that may be hits, and how many others are candidates."""
        query, vector = request.query, request.target.vector
        # a normalisation needs all of them, and a least confidence hits that have it
        if vector is None or query.ranking.normalisation != "raw" or query.min_confidence is not None:
            return places, rows, 0
        sides = index.sides(places)
        frame = self._columns.frame[rows]
        geometric = where.distance(np.stack(sides, axis=1), frame)
        there = where.is_inside(geometric, frame)
        if where.box is not None:
            there &= overlapping(sides, where.box)
        places, rows, frame, geometric = places[there], rows[there], frame[there], geometric[there]
        kept = may_be_hits(
            index, places, vector, geometric, frame, ranking=query.ranking, k=query.k, scorer=self._scorer
        )
        return places[kept], rows[kept], int(len(kept) - kept.sum())

    def nearest(self, request: RankingRequest, *, share: float) -> Nearest:
        """The regions to be ranked exactly: the nearest by the index, and all that it does not have yet.

        Raises IndexFilesError where the index is damaged; it is then not used any more.
        """
        index, columns = self._required(), self._columns
        assert request.target.vector is not None
        asked = Probe(
            vector=request.target.vector,
            where=request.where,
            ranking=request.query.ranking,
            share=share,
            nearest=max(_LEAST_NEAREST, _NEAREST * _depth(request)),
        )
        try:
            found = probe(index, asked, frame=columns.frame, frames=request.frames, scorer=self._scorer)
        except (IndexFilesError, IndexError) as error:
            raise self._damaged(error) from error
        fresh = self._fresh(index, request)
        rows = np.concatenate([found.rows[self._compared(request, found.rows)], fresh])
        read = found.bytes + len(rows) * 2 * columns.dimension
        regions = BoxedVectors.of_some_regions(columns, rows)
        return Nearest(regions, len(fresh), found.groups, found.regions + len(fresh), read)

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

    def _required(self) -> RegionIndex:
        """The index. Raises IndexFilesError where it was found damaged, or replaced, since a query was to be answered
        from it: several are chosen for it before the first is."""
        index = self.look()
        if index is None:
            raise IndexFilesError(self._trouble or self._of_others() or _NO_INDEX)
        return index

    def _damaged(self, error: Exception) -> IndexFilesError:
        self._index, self._trouble = None, str(error)
        return IndexFilesError(str(error))

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

    def _compared(self, request: RankingRequest, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """bool (N,): the regions of these rows that are alive, in frames that pass the filters, and no stand-ins."""
        columns = self._columns
        found: NDArray[np.bool_] = np.append(request.frames, False)[columns.frame[rows]]
        found &= columns.alive_at(rows)
        if request.where is not None:
            found &= ~self._stands_in(rows)
        return found

    def _fresh(self, index: RegionIndex, request: RankingRequest) -> NDArray[np.intp]:
        """Rows that the index does not have yet and that are compared, wherever the query looks."""
        rows = np.arange(index.covered, len(self._columns.frame))
        return rows[self._compared(request, rows)]

    def _codes_of(self, rows: NDArray[np.intp]) -> RoundedVectors:
        stored = self._columns.region_vectors
        assert isinstance(stored, np.ndarray)
        return RoundedVectors(*rounded(stored[rows]), lambda some: stored[rows[some]])

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

    def _unsupported(self, request: RankingRequest, proposers: frozenset[str] | None) -> str:
        """Why the index cannot answer such a query in any way; empty where it can."""
        query, where = request.query, request.where
        if proposers is not None:
            return "proposers are chosen"
        if where is None and request.target.vector is None:
            return "every frame is a hit"
        if where is not None and where.with_others and bool((where.area[request.frames] < 0).any()):
            return "sources without a zone are answered by meaning alone"
        if where is None and query.k > MOST_HITS:
            return f"more than {MOST_HITS} hits are answered exactly"
        return ""


def _needs_all(request: RankingRequest) -> str:
    """Why an answer from a share of the index would not do; empty where it would."""
    query, where = request.query, request.where
    if request.target.vector is None:
        return "many regions lie there, and a query by a place alone is answered exactly"
    if where is not None and query.ranking.normalisation != "raw":
        return "a normalisation needs all distances"
    if query.k > MOST_HITS:
        return f"more than {MOST_HITS} hits are answered exactly"
    return ""


def _depth(request: RankingRequest) -> int:
    """The number of nearest frames that an answer from a share must have: with a least confidence the hits lie deeper,
    at most as deep as the recall is measured."""
    return request.query.k if request.query.min_confidence is None else MOST_HITS


def _joined(a: RoundedVectors, b: RoundedVectors) -> RoundedVectors:
    if not len(b):
        return a
    return RoundedVectors(
        np.concatenate([a.steps, b.steps]),
        np.concatenate([a.step, b.step]),
        np.concatenate([a.error, b.error]),
        b.read,
    )
