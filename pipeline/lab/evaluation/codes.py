"""Compares codes with float vectors: which of three methods for 256 bits preserves neighbours and classes best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.codes.coder import largest_regions
from operators.codes.config import CodesConfig
from operators.codes.features import RegionFeatures, RegionFeaturesConfig
from operators.codes.hamming import CodeArray, hamming_distances
from operators.codes.model import CodeMethod
from operators.codes.projection import Projection
from operators.encoders.encoder import Encoder
from operators.proposals.classical.segments import Segments, SegmentsConfig
from operators.readers.picture import read_picture
from pipeline.lab.datasets.dataset import Dataset, LabelledFrame
from pipeline.lab.datasets.read import read_dataset
from pipeline.lab.evaluation.metrics import Estimate, average_precision_at, bootstrapped
from pipeline.lab.training.codes.fit import CodeTraining, train_codes
from pipeline.lab.training.codes.itq import itq
from pipeline.lab.training.codes.random_projection import random_projection
from schemas.errors import SourceError
from schemas.frames import Keyframe
from schemas.ids import digest
from schemas.regions import Proposals
from schemas.vectors import VectorArray, normalise

NEIGHBOURS = 50
RERANKED = 100
_QUERIES = 1000  # number of queries for neighbours; for classes every object is one
_LEAST_SIDE_PX = 24


@dataclass(frozen=True, slots=True, eq=False)
class CodedRegions:
    """Features x of N regions, float32 (N, 2 D). picture: intp (N,). label: N names of classes, None for segments."""

    x: VectorArray
    picture: NDArray[np.intp]
    label: NDArray[np.object_]

    def where(self, keep: NDArray[np.bool_]) -> "CodedRegions":
        return CodedRegions(self.x[keep], self.picture[keep], self.label[keep])


@dataclass(frozen=True, slots=True)
class CodesRow:
    """The figures of one method of choosing 256 bits, or of the float vectors themselves.

    neighbours: mAP of the 50 nearest by the cosine of x, in the order of Hamming distance.
    classes: mAP of the regions that show a query's class, among all regions of other pictures. reranked: the same with
    the first 100 re-ranked by their float vectors; share: this as a share of the mAP of the float vectors.
    """

    name: str
    neighbours: Estimate | None
    classes: Estimate
    reranked: Estimate | None
    share: float


@dataclass(frozen=True, slots=True)
class CodesTable:
    """The figures of all methods.

    trained, tested: numbers of regions of two thirds of the pictures, and of the rest. gain: the mAP of neighbours by
        learnt codes minus that by ITQ, query by query.
    """

    pictures: int
    trained: int
    tested: int
    objects: int
    rows: tuple[CodesRow, ...]
    gain: Estimate


def evaluate_codes(
    folders: Sequence[Path],
    encoder: Encoder,
    *,
    training: CodeTraining = CodeTraining(),  # noqa: B008  # frozen
    on_progress: Callable[[str], None] = lambda _: None,
) -> CodesTable:
    """Trains and tests codes on the 25 largest segments of each picture, and its true objects of at least 24 px a side.

    No label is used in training. A third of the pictures, by a hash of their names, is held out of training.

    Raises SourceError if the folders have no annotated objects.
    """
    regions = _regions([read_dataset(folder, masks=True) for folder in folders], encoder, on_progress)
    kept_out = _kept_out(regions.picture)
    train, test = regions.where(~kept_out), regions.where(kept_out)
    return compared(train, test, training=training, on_progress=on_progress)


def compared(
    train: CodedRegions, test: CodedRegions, *, training: CodeTraining, on_progress: Callable[[str], None]
) -> CodesTable:
    """Compares the three methods, trained on one set of regions and tested on another."""
    if not any(label is not None for label in test.label):
        raise SourceError("no object is annotated in the pictures held out of training, so there are no queries")
    methods: dict[CodeMethod, Callable[[], Projection]] = {
        "random": lambda: random_projection(train.x, seed=training.seed),
        "itq": lambda: itq(train.x, seed=training.seed, rounds=training.itq_rounds),
        "learnt": lambda: train_codes(train.x, training).projection,
    }
    pooled, crop = np.split(test.x, 2, axis=1)
    vectors = normalise(pooled + crop)
    float_precision = _class_precisions(test, lambda i, others: _by_cosine(vectors, i, others))
    float_map = float(np.mean(float_precision))
    rows = [CodesRow("float vectors", None, bootstrapped(float_precision), None, 1.0)]
    neighbours: dict[CodeMethod, list[float]] = {}
    for method, make in methods.items():
        on_progress(f"codes: {method}")
        codes = make()(test.x)
        neighbours[method] = _neighbour_precisions(test, codes)
        alone = _class_precisions(test, lambda i, others, c=codes: _by_hamming(c, i, others))  # type: ignore[misc]
        both = _class_precisions(
            test,
            lambda i, others, c=codes: _reranked(_by_hamming(c, i, others), vectors, i, others),  # type: ignore[misc]
        )
        estimate = bootstrapped(both)
        share = estimate.value / float_map
        rows.append(CodesRow(method, bootstrapped(neighbours[method]), bootstrapped(alone), estimate, share))
    gain = bootstrapped(np.array(neighbours["learnt"]) - np.array(neighbours["itq"]))
    pictures = len(np.unique(np.concatenate([train.picture, test.picture])))
    return CodesTable(pictures, len(train.x), len(test.x), len(float_precision), tuple(rows), gain)


def _regions(datasets: Sequence[Dataset], encoder: Encoder, on_progress: Callable[[str], None]) -> CodedRegions:
    make = RegionFeatures(RegionFeaturesConfig(), encoder)
    segments = Segments(SegmentsConfig())
    frames = [(dataset, frame) for dataset in datasets for frame in dataset.frames if frame.pts is None]
    parts, pictures = [], []
    labels: list[str | None] = []
    for number, (dataset, frame) in enumerate(frames):
        on_progress(f"features of picture {number + 1} of {len(frames)}")
        image = read_picture(str(frame.path))
        found = segments(Keyframe(0, image, None, "picture"))
        found = found.take(largest_regions(found, CodesConfig().regions_per_frame))
        objects, names = _objects(dataset, frame)
        (x,) = make([image], [Proposals.concat([found, objects])])
        parts.append(x)
        pictures.append(np.full(len(x), int(digest(frame.path.name)[:15], 16)))
        labels += [None] * len(found)
        labels += names
    if not parts:
        raise SourceError("the folders hold no pictures")
    return CodedRegions(np.concatenate(parts), np.concatenate(pictures), np.array(labels, dtype=object))


def _objects(dataset: Dataset, frame: LabelledFrame) -> tuple[Proposals, list[str]]:
    objects = frame.objects
    large = np.flatnonzero(objects.counted & (frame.sides_px().min(axis=1, initial=np.inf) >= _LEAST_SIDE_PX))
    masks = [objects.masks[i] for i in large]
    found = Proposals.of(objects.boxes[large], score=1.0, proposer="truth", mask=masks)
    return found, [dataset.classes[objects.labels[i]].name for i in large]


def _kept_out(picture: NDArray[np.intp]) -> NDArray[np.bool_]:
    kept_out: NDArray[np.bool_] = picture % 3 == 0
    return kept_out


def _neighbour_precisions(test: CodedRegions, codes: CodeArray) -> list[float]:
    """AP of each of a sample of regions: how early its float neighbours appear in the order of codes."""
    precisions = []
    for i in np.random.default_rng(0).permutation(len(test.x))[:_QUERIES].tolist():
        others = np.flatnonzero(test.picture != test.picture[i])
        near = np.zeros(len(others), np.bool_)
        near[_by_cosine(test.x, i, others)[:NEIGHBOURS]] = True
        precisions.append(average_precision_at(near[_by_hamming(codes, i, others)], relevant=int(near.sum())))
    return precisions


def _class_precisions(test: CodedRegions, order: Callable[[int, NDArray[np.intp]], NDArray[np.intp]]) -> list[float]:
    """AP of each object: how early the objects of its class in other pictures appear."""
    precisions = []
    for i in range(len(test.x)):
        if test.label[i] is None:
            continue
        others = np.flatnonzero(test.picture != test.picture[i])
        same = test.label[others] == test.label[i]
        if same.any():
            precisions.append(average_precision_at(same[order(i, others)], relevant=int(same.sum())))
    return precisions


def _by_cosine(vectors: VectorArray, query: int, others: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.argsort(-(vectors[others] @ vectors[query]), kind="stable")


def _by_hamming(codes: CodeArray, query: int, others: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.argsort(hamming_distances(codes[others], codes[query]), kind="stable")


def _reranked(order: NDArray[np.intp], vectors: VectorArray, query: int, others: NDArray[np.intp]) -> NDArray[np.intp]:
    first, rest = order[:RERANKED], order[RERANKED:]
    return np.concatenate([first[_by_cosine(vectors, query, others[first])], rest])
