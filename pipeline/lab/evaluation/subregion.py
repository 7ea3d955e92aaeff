"""Measures sub-region search: a class name and a box query for other frames that show the class at that place.

Source: methods of sub-region search, methods.md §1.5. A query is a class name and a true box of one indexed frame;
relevant are the other indexed frames with a true box at IoU ≥ 0.5 with it. Queries with no relevant frame, or with
more than 40 % of the frames relevant, are dropped.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from operators.encoders.encoder import Encoder
from operators.proposals.config import ProposalConfig
from operators.proposals.windows.grid import GridConfig
from operators.ranking.fusion import fuse
from operators.ranking.geometry import geometric_distance
from pipeline.ingest.progress import Progress
from pipeline.ingest.run import ingest
from pipeline.lab.datasets.mot import MotSequence, read_sequence
from pipeline.lab.evaluation.metrics import recall_at, reciprocal_rank
from pipeline.lab.evaluation.plans import with_every_nth_frame
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan
from pipeline.search.filters import overlapping
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.rounded_vectors import RoundedVectors
from pipeline.search.scoring import Scorer
from schemas.boxes import Boxes, FloatArray
from schemas.query import Geometry, Normalisation, Ranking
from schemas.vectors import VectorArray

RECALL_AT = (1, 5, 10, 50)
DEFAULT = Ranking()
_IOU = 0.5
_MOST_RELEVANT = 0.4
IndexArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SubregionEvaluation:
    """text: the class of all boxes. every: every n-th frame is indexed.

    queries: maximum number of queries, drawn by `seed`.
    weights: shares of the semantic distance that are tried.
    shifts, scales: errors of the query box that are tried: a shift in any direction, as a share of its width and
        height; a factor of its area.
    """

    text: str = "person"
    every: int = 5
    queries: int = 200
    seed: int = 0
    weights: tuple[float, ...] = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
    shifts: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    scales: tuple[float, ...] = (0.25, 0.5, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class SubregionRow:
    """The figures of one ranking, as means over the queries.

    ranking: None for the semantic distance alone. recall: recall at each k of RECALL_AT, out of min(k, relevant).
    """

    candidates: str
    ranking: Ranking | None
    recall: tuple[float, ...]
    reciprocal_rank: float


@dataclass(frozen=True, slots=True)
class SubregionTable:
    """The figures of all rankings. noise: error of the query box → recall@10 with the default ranking."""

    video: str
    frames: int
    queries: int
    rows: tuple[SubregionRow, ...]
    noise: dict[str, float]


def plans(evaluation: SubregionEvaluation, *, frame_rate: float, base: Plan) -> dict[str, Plan]:
    """Name of the candidates → the plan that makes them: keyframes are every n-th frame, whatever it shows."""
    dense = with_every_nth_frame(base, every=evaluation.every, frame_rate=frame_rate)
    refine = replace(base.proposals.refine, limit=4 * 4 + 8 * 8)
    grid = ProposalConfig.of(GridConfig(cells=(4, 8)), refine=refine)
    return {"proposals": dense, "grid 4+8": replace(dense, proposals=grid)}


def evaluate_subregion(
    folder: Path,
    evaluation: SubregionEvaluation,
    *,
    encoder: Encoder,
    lakes: Path,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> SubregionTable:
    """Measures every ranking on the video of a folder in MOT Challenge format.

    lakes: folder that keeps the ingested lakes, so that measuring again takes seconds.
    """
    sequence = read_sequence(folder)
    text = encoder.encode_texts([evaluation.text])[0]
    candidates: dict[str, _Candidates] = {}
    for name, plan in plans(evaluation, frame_rate=sequence.source.frame_rate, base=Plan()).items():
        uri = str(lakes / sequence.source.id / plan.hash)
        ingest([sequence.source.uri], uri, plan, engine="local", on_progress=on_progress)
        columns = LakeCache(Lake.open(uri))
        columns.refresh()
        frames, regions = _Candidates.frames(columns, text), _Candidates.regions(columns, text)
        candidates |= {"whole image": frames, name: regions, f"{name} and frames": regions.and_(frames)}
    queries = Queries.drawn(sequence, np.sort(columns.pts), evaluation)
    fused = [
        Ranking(semantic_weight=w, geometry=g, normalisation=n)
        for g, n, w in product(get_args(Geometry), get_args(Normalisation), evaluation.weights)
    ]
    rows: list[SubregionRow] = []
    for name, some in candidates.items():
        rankings = [None] if name == "whole image" else [None, *fused]
        figures = some.measured(queries, queries.boxes, rankings).tolist()
        rows += [SubregionRow(name, r, tuple(f[:-1]), f[-1]) for r, f in zip(rankings, figures, strict=True)]
    at_10 = RECALL_AT.index(10)
    noise = {
        error: float(candidates["proposals and frames"].measured(queries, boxes, [DEFAULT])[0, at_10])
        for error, boxes in _with_errors(queries.boxes, evaluation)
    }
    video = Path(sequence.source.uri).name
    return SubregionTable(video, queries.relevant.shape[1], len(queries.boxes), tuple(rows), noise)


def _with_errors(boxes: Boxes, evaluation: SubregionEvaluation) -> Iterator[tuple[str, Boxes]]:
    """Yields the query boxes shifted or resized, clipped to the frame."""
    size = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
    angle = np.random.default_rng(evaluation.seed).uniform(0, 2 * np.pi, len(boxes))
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    yield "exact", boxes
    for shift in evaluation.shifts:
        yield f"shift {shift:g}", Boxes.clipped(boxes.xyxy + np.tile(shift * direction * size, 2))
    for scale in evaluation.scales:
        grown = size * (np.sqrt(scale) - 1) / 2
        yield f"area x{scale:g}", Boxes.clipped(boxes.xyxy + np.concatenate([-grown, grown], axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """boxes: (Q, 4). own: intp (Q,), number of the frame of each box. relevant: bool (Q, F)."""

    boxes: Boxes
    own: IndexArray
    relevant: NDArray[np.bool_]

    @classmethod
    def drawn(cls, sequence: MotSequence, pts: NDArray[np.int64], evaluation: SubregionEvaluation) -> "Queries":
        """Draws queries from the true boxes. pts: int64 (F,), PTS of the indexed frames in the order of time."""
        shown = [sequence.boxes[p] for p in pts.tolist()]
        boxes = Boxes.concat(shown)
        own = np.repeat(np.arange(len(shown)), [len(b) for b in shown])
        near = boxes.iou(boxes) >= _IOU
        relevant = np.zeros((len(boxes), len(shown)), np.bool_)
        for frame in range(len(shown)):
            relevant[:, frame] = near[:, own == frame].any(axis=1)
        relevant[np.arange(len(boxes)), own] = False
        count = relevant.sum(axis=1)
        usable = np.flatnonzero((count > 0) & (count <= _MOST_RELEVANT * len(shown)))
        draw = np.random.default_rng(evaluation.seed)
        usable = np.sort(draw.permutation(usable)[: evaluation.queries])
        return cls(boxes[usable], own[usable], relevant[usable])


class _Candidates:
    """Regions or frames with their distances from the text. frame: intp (N,), number of each one's frame by time."""

    def __init__(self, semantic: FloatArray, boxes: FloatArray, frame: IndexArray) -> None:
        self._semantic, self._boxes, self._frame = semantic, boxes, frame

    @classmethod
    def frames(cls, columns: LakeCache, text: VectorArray) -> "_Candidates":
        semantic = Scorer().distances(columns.frame_vectors, text)
        return cls(semantic, np.tile(np.array([0, 0, 1, 1], np.float32), (len(semantic), 1)), _by_time(columns.pts))

    @classmethod
    def regions(cls, columns: LakeCache, text: VectorArray) -> "_Candidates":
        vectors = columns.region_vectors
        assert not isinstance(vectors, RoundedVectors)  # they are held as they are stored
        semantic = Scorer().distances(vectors, text)
        return cls(semantic, np.stack(columns.boxes, axis=1), _by_time(columns.pts)[columns.frame])

    def and_(self, other: "_Candidates") -> "_Candidates":
        return _Candidates(
            np.concatenate([self._semantic, other._semantic]),
            np.concatenate([self._boxes, other._boxes]),
            np.concatenate([self._frame, other._frame]),
        )

    def measured(self, queries: Queries, boxes: Boxes, rankings: Sequence[Ranking | None]) -> NDArray[np.float64]:
        """float64 (rankings, recalls + 1): recall at each k, then the reciprocal rank of the first relevant frame.

        boxes: the query boxes, one per query.
        """
        sums = np.zeros((len(rankings), len(RECALL_AT) + 1))
        columns = tuple(self._boxes.T)
        for q, box in enumerate(boxes.xyxy):
            x0, y0, x1, y1 = box.tolist()
            near = overlapping(columns, (x0, y0, x1, y1)) & (self._frame != queries.own[q])
            semantic, frame = self._semantic[near], self._frame[near]
            near_boxes = Boxes(self._boxes[near])
            geometric: dict[Geometry, FloatArray] = {}
            for i, ranking in enumerate(rankings):
                distance = semantic
                if ranking is not None:
                    g = ranking.geometry
                    if g not in geometric:
                        geometric[g] = geometric_distance(near_boxes, boxes[q : q + 1], geometry=g)
                    distance = fuse(semantic, geometric[g], ranking=ranking)
                sums[i] += _figures(distance, frame, queries.relevant[q])
        return sums / max(1, len(boxes))


def _figures(distance: FloatArray, frame: IndexArray, relevant: NDArray[np.bool_]) -> list[float]:
    """The figures of one query: recall at each k of RECALL_AT, and the reciprocal rank."""
    best = np.full(len(relevant), np.inf, np.float32)
    np.minimum.at(best, frame, distance)
    # frames at the same distance are shuffled, as in the order of time neighbours look alike
    order = np.lexsort((np.random.default_rng(0).permutation(len(best)), best))
    found = relevant[order] & np.isfinite(best[order])
    recall = [recall_at(found, relevant=int(relevant.sum()), k=k) for k in RECALL_AT]
    return [*recall, reciprocal_rank(found)]


def _by_time(pts: NDArray[np.int64]) -> IndexArray:
    """The number of each frame in the order of time; all frames are from one source."""
    return np.searchsorted(np.sort(pts), pts)
