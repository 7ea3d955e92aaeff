"""Measures whether region vectors find a person again, among the true boxes of other moments (re-identification).

A question is one true box of a person. The gallery is every true box of the frames that are at least `apart_s` away, as
the same person a moment later is nearly the same picture. Relevant are the boxes of the same person; questions without
one are dropped. Source of the measures: Zheng et al., "Scalable Person Re-identification: A Benchmark", 2015, §5.1.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from operators.encoders.catalogue import load_encoder
from operators.encoders.region_vectors import RegionVectors
from pipeline.lab.datasets.mot import MotSequence, read_sequence
from pipeline.lab.evaluation.metrics import Estimate, average_precision_at, bootstrapped, recall_at
from pipeline.plan.plan import Plan
from schemas import require
from schemas.boxes import Boxes
from schemas.errors import SourceError
from schemas.frames import ImageArray
from schemas.vectors import VectorArray

_TIMED = 5  # keyframes


@dataclass(frozen=True, slots=True)
class IdentitiesEvaluation:
    """every: every n-th frame is used. apart_s: least time between a box and those that may be its answers.

    seed: of the bootstrap.
    """

    every: int = 10
    apart_s: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        require.at_least(1, every=self.every)
        require.at_least(0, apart_s=self.apart_s)


@dataclass(frozen=True, slots=True)
class IdentitiesRow:
    """The figures of one kind of region vectors.

    first: share of questions whose nearest box is of the same person (P@1). precision: mAP over whole rankings.
    gain: mAP minus that of the first row, question by question; None for the first row itself.
    cpu_ms: median CPU time, of all threads, in which the vectors of a keyframe are made.
    """

    vectors: str
    model: str
    first: Estimate
    precision: Estimate
    gain: Estimate | None
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class IdentitiesTable:
    """frames: number of frames that show a person. boxes, people: true boxes and identities in them.

    regions: number of regions of the keyframes for which CPU time was measured.
    """

    video: str
    frames: int
    boxes: int
    people: int
    questions: int
    regions: int
    rows: tuple[IdentitiesRow, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """The rankings of all questions, in the order of their boxes.

    found: bool arrays, one per question: whether each box of its gallery shows the same person, nearest first.
    """

    found: tuple[NDArray[np.bool_], ...]

    def first(self) -> list[float]:
        """Precision at the first rank, of each question."""
        return [recall_at(found, relevant=int(found.sum()), k=1) for found in self.found]

    def precision(self) -> list[float]:
        """Average precision, of each question."""
        return [average_precision_at(found, relevant=int(found.sum())) for found in self.found]


def evaluate_identities(
    folder: Path,
    plans: Mapping[str, Plan],
    evaluation: IdentitiesEvaluation,
    *,
    on_progress: Callable[[str], None] = lambda _: None,
) -> IdentitiesTable:
    """Makes the vectors of all true boxes of the video in `folder` (MOT Challenge format) as each plan does.

    plans: name of a row → the plan whose model and region vectors it has; the first is the baseline.
    Raises SourceError if the folder holds no such data, or no person is seen again.
    """
    sequence = read_sequence(folder)
    encoders = {model: load_encoder(model, class_paths=True) for model in {plan.model for plan in plans.values()}}
    try:
        makers = {name: RegionVectors(plan.regions, encoders[plan.model]) for name, plan in plans.items()}
        made: dict[str, list[VectorArray]] = {name: [] for name in makers}
        shown: list[int] = []
        timed: list[tuple[ImageArray, Boxes]] = []
        for pts, image in sequence.images(every=evaluation.every):
            on_progress(f"frame {len(shown) + 1}")
            boxes = sequence.boxes[pts]
            shown.append(pts)
            if len(timed) < _TIMED:
                timed.append((image, boxes))
            for name, vectors in makers.items():
                made[name] += vectors([image], [boxes])
        on_progress("CPU time")
        regions = next(iter(plans.values())).proposals.refine.limit
        cpu_ms = {name: _cpu_ms(vectors, timed, regions=regions) for name, vectors in makers.items()}
    finally:
        for encoder in encoders.values():
            encoder.close()
    people, at = _people(sequence, shown)
    apart = np.abs(at[:, None] - at) >= max(1, sequence.source.clock.ticks(evaluation.apart_s))
    found = {name: rankings(np.concatenate(vectors), people, apart) for name, vectors in made.items() if vectors}
    if not any(ranked.found for ranked in found.values()):
        raise SourceError(
            f"{folder}: no person is seen again after {evaluation.apart_s:g} s in every {evaluation.every}th frame"
        )
    return IdentitiesTable(
        video=Path(sequence.source.uri).name,
        frames=len(shown),
        boxes=len(people),
        people=len(np.unique(people)),
        questions=len(next(iter(found.values())).found),
        regions=regions,
        rows=_rows(found, plans, cpu_ms, seed=evaluation.seed),
    )


def rankings(vectors: VectorArray, people: NDArray[np.int64], apart: NDArray[np.bool_]) -> Ranked:
    """Ranks the gallery of each box by cosine; of equals, the earlier box is first.

    vectors: float32 (N, D), L2-normalised. people: int64 (N,), identities.
    apart: bool (N, N), whether a box is in the gallery of another.
    """
    similarity = vectors @ vectors.T
    found = []
    for box, own in enumerate(people):
        gallery = np.flatnonzero(apart[box])
        order = np.argsort(-similarity[box, gallery], kind="stable")
        same = people[gallery[order]] == own
        if same.any():
            found.append(same)
    return Ranked(tuple(found))


def _people(sequence: MotSequence, shown: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The identity and the PTS of every true box of these frames: int64 (N,) each."""
    people = [np.zeros(0, np.int64), *(sequence.identities[pts] for pts in shown)]
    return np.concatenate(people), np.repeat(np.array(shown, np.int64), [len(sequence.boxes[pts]) for pts in shown])


def _cpu_ms(vectors: RegionVectors, frames: Sequence[tuple[ImageArray, Boxes]], *, regions: int) -> float:
    """Median CPU time of a frame with `regions` boxes: its true ones, repeated."""
    took = []
    for image, boxes in frames:
        many = boxes[np.arange(regions) % len(boxes)]
        started = time.process_time()
        vectors([image], [many])
        took.append(1e3 * (time.process_time() - started))
    return median(took) if took else 0.0


def _rows(
    found: Mapping[str, Ranked], plans: Mapping[str, Plan], cpu_ms: Mapping[str, float], *, seed: int
) -> tuple[IdentitiesRow, ...]:
    baseline: list[float] | None = None
    rows = []
    for name, ranked in found.items():
        precision = ranked.precision()
        gain = None if baseline is None else bootstrapped(np.subtract(precision, baseline), seed=seed)
        baseline = precision if baseline is None else baseline
        first = bootstrapped(ranked.first(), seed=seed)
        own = plans[name].model
        rows.append(IdentitiesRow(name, own, first, bootstrapped(precision, seed=seed), gain, cpu_ms[name]))
    return tuple(rows)
