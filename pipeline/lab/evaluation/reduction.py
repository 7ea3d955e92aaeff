"""Measures what short vectors lose: class names against regions of pictures to which the reduction was not fitted."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.encoders.catalogue import load_encoder, model_card
from operators.encoders.encoder import Encoder
from operators.encoders.reduction import principal_directions
from operators.encoders.region_vectors import RegionVectors, RegionVectorsConfig
from operators.proposals.models.coco_classes import COCO_CLASSES
from operators.readers.picture import read_picture
from pipeline.lab.datasets.coco_pictures import read_coco_pictures
from pipeline.lab.datasets.dataset import LabelledFrame
from pipeline.lab.evaluation.metrics import mean_average_precision
from pipeline.lab.training.reduction import picture_vectors
from pipeline.search.scoring import Scorer
from schemas import require
from schemas.errors import SourceError
from schemas.vectors import VectorArray, normalise

NEAREST = 10
TIMED = 100_000  # vectors whose products with a query are timed
_REPEATS = 15
_LEAST_SIDE_PX = 32.0


@dataclass(frozen=True, slots=True)
class ReductionEvaluation:
    """data: COCO or YOLO folders of COCO's classes. dimensions: the lengths to compare with the full one, of which
    those are omitted that are not shorter.

    pictures: number to measure on, drawn by `seed`; as many others are used for fitting.
    """

    data: tuple[Path, ...]
    model: str
    dimensions: tuple[int, ...] = (256, 128, 64)
    pictures: int = 300
    threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        require.at_least(1, dimensions=self.dimensions, pictures=self.pictures)


@dataclass(frozen=True, slots=True)
class ReductionRow:
    """The figures of one length.

    fit: "none" for the full vectors, "pca" for a reduction as it is written, "centred" with the mean of the vectors of
    pictures subtracted from pictures and words first, "first" for the first dimensions of the model itself.
    classes: mAP of the class names among all regions. nearest: share of the ten regions nearest to a name by the full
    vectors that are among its ten nearest.
    bytes_each: of a stored vector. ms: of CPU, to compute the distances of a query to 100,000 vectors in memory.
    """

    dimensions: int
    fit: str
    kept: float
    classes: float
    nearest: float
    bytes_each: int
    ms: float


@dataclass(frozen=True, slots=True)
class ReductionTable:
    model: str
    pictures: int
    regions: int
    fitted: int
    rows: tuple[ReductionRow, ...]


def evaluate_reduction(
    config: ReductionEvaluation, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> ReductionTable:
    """Fits reductions to the vectors of some pictures, and measures them on others.

    on_progress: called with (encoded pictures, total number of pictures). Raises SourceError for folders without enough
    pictures.
    """
    frames = [frame for folder in config.data for frame in read_coco_pictures(folder).frames]
    order = np.random.default_rng(config.seed).permutation(len(frames))
    measured = [frames[i] for i in order[: config.pictures]]
    others = [frames[i].path for i in order[config.pictures : 2 * config.pictures]]
    if not others:
        raise SourceError(f"{len(frames)} pictures leave none to fit to: measure fewer than that (--pictures)")
    total = len(measured) + len(others)
    encoder = load_encoder(config.model, threads=config.threads, class_paths=True)
    try:
        words = encoder.encode_texts(COCO_CLASSES)
        held = picture_vectors(others, encoder, on_progress=lambda done, _: on_progress(done, total))
        regions, labels = _regions(measured, encoder, lambda done: on_progress(len(others) + done, total))
    finally:
        encoder.close()
    judge = _Judge(words, regions, labels, np.concatenate(held))
    nested = model_card(config.model, class_paths=True).nested
    rows = [judge.full()]
    for dimensions in (each for each in config.dimensions if each < words.shape[1]):
        rows += [judge.pca(dimensions), judge.centred(dimensions)]
        rows += [judge.first(dimensions)] if nested else []
    space = encoder.space
    return ReductionTable(f"{space.model}@{space.revision}", len(measured), len(regions), len(others), rows=tuple(rows))


class _Judge:
    """words: float32 (80, D). regions: float32 (R, D) with labels intp (R,). fitted: float32 (N, D), of others."""

    def __init__(self, words: VectorArray, regions: VectorArray, labels: NDArray[np.intp], fitted: VectorArray) -> None:
        self._words, self._regions, self._fitted = words, regions, fitted
        self._is_class = labels[:, None] == np.arange(len(words))
        self._own = _nearest(regions @ words.T)

    def full(self) -> ReductionRow:
        return self._row("none", self._words, self._regions, kept=1.0)

    def pca(self, dimensions: int) -> ReductionRow:
        matrix, share = principal_directions(self._fitted, dimensions=dimensions)
        words, regions = (normalise(each @ matrix) for each in (self._words, self._regions))
        return self._row("pca", words, regions, kept=float(share.sum()))

    def centred(self, dimensions: int) -> ReductionRow:
        mean = self._fitted.mean(axis=0)
        matrix, share = principal_directions(self._fitted - mean, dimensions=dimensions)
        words, regions = ((each - mean) @ matrix for each in (self._words, self._regions))
        return self._row("centred", normalise(words), normalise(regions), kept=float(share.sum()))

    def first(self, dimensions: int) -> ReductionRow:
        words, regions = (normalise(each[:, :dimensions]) for each in (self._words, self._regions))
        kept = float(np.sum(self._fitted[:, :dimensions] ** 2) / np.sum(self._fitted**2))
        return self._row("first", words, regions, kept=kept)

    def _row(self, fit: str, words: VectorArray, regions: VectorArray, *, kept: float) -> ReductionRow:
        dimensions = words.shape[1]
        stored = regions.astype(np.float16)
        scores = stored.astype(np.float32) @ words.T
        shared = [len(own & now) / len(own) for own, now in zip(self._own, _nearest(scores), strict=True)]
        return ReductionRow(
            dimensions,
            fit,
            float(kept),
            mean_average_precision(scores, self._is_class),
            float(np.mean(shared)),
            stored.itemsize * dimensions,
            _timed(stored, words[0]),
        )


def _nearest(scores: NDArray[np.float32]) -> list[set[int]]:
    return [set(column.tolist()) for column in np.argsort(-scores, axis=0, kind="stable")[:NEAREST].T]


def _timed(stored: NDArray[np.float16], query: VectorArray) -> float:
    """Milliseconds of CPU, of the fastest of some calls: other work on the machine only adds time."""
    many = np.ascontiguousarray(np.resize(stored, (TIMED, stored.shape[1])))
    scorer = Scorer()
    took = []
    for _ in range(_REPEATS):
        start = time.process_time()
        scorer.distances(many, query, exact=False)
        took.append(time.process_time() - start)
    scorer.close()
    return min(took) * 1000


def _regions(
    frames: Sequence[LabelledFrame], encoder: Encoder, on_picture: Callable[[int], None]
) -> tuple[VectorArray, NDArray[np.intp]]:
    """The vectors of the objects that are large enough to be queries, and their classes."""
    make = RegionVectors(RegionVectorsConfig(mode="pool"), encoder)
    vectors, labels = [np.zeros((0, encoder.space.dimension), np.float32)], [np.zeros(0, np.intp)]
    for number, frame in enumerate(frames, start=1):
        large = frame.sides_px().min(axis=1, initial=np.inf) >= _LEAST_SIDE_PX
        if large.any():
            vectors += make([read_picture(str(frame.path))], [frame.objects.boxes[large]])
            labels.append(frame.objects.labels[large])
        on_picture(number)
    return np.concatenate(vectors), np.concatenate(labels)
