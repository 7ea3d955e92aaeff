"""Measures the confidences of hits: whether as many hits are right as they say, and whether one cut-off fits all names.

`regionlake lab eval confidence --data DIR --train DIR`: the pictures of `data` are ingested and searched as usual.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.encoders.calibration import Calibration, QueryKind, calibration_of
from operators.encoders.catalogue import load_encoder
from operators.encoders.encoder import Encoder
from operators.encoders.region_vectors import RegionVectors
from operators.proposals.models.coco_classes import COCO_CLASSES
from operators.readers.picture import read_picture
from pipeline.ingest.progress import Progress
from pipeline.ingest.run import ingest
from pipeline.lab.datasets.coco_pictures import read_coco_pictures
from pipeline.lab.datasets.dataset import Dataset, LabelledFrame
from pipeline.lab.datasets.drawn_frames import drawn_frames
from pipeline.lab.datasets.shown import classes_in, shown_classes
from pipeline.lab.evaluation.retrieval.gallery import Gallery, source_ids
from pipeline.lab.training.confidence.train import kept_vectors, noun_vectors, require_sibling, sibling_encoder
from pipeline.lab.training.confidence.vectors import VectorConfig, large_objects
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan
from pipeline.search.searcher import Searcher
from schemas import require
from schemas.boxes import Boxes
from schemas.errors import ModelError, SourceError
from schemas.query import BoxTuple, Hit, Query
from schemas.vectors import VectorArray

Doubles = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
_CLASSES = len(COCO_CLASSES)
_CUTS = 200  # cut-offs that are tried, at quantiles of the scores of right answers
_BINS = 10


@dataclass(frozen=True, slots=True)
class ConfidenceEvaluation:
    """data: a folder of labelled pictures that nothing was fitted to. train: folders from which cut-offs are chosen.

    plan: makes the lake, and its vectors are measured. lakes: folder for the lake. pictures: the most of `train`.
    sibling: as for `train_confidence`; cut-offs are chosen from its vectors where the model itself knows `train`.
    k: hits for each query. queries: number of objects, and of whole pictures, that are queries. seed: of their choice.
    """

    data: Path
    train: tuple[Path, ...]
    plan: Plan
    lakes: Path
    cache_dir: Path
    pictures: int = 1500
    sibling: Path | None = None
    k: int = 50
    queries: int = 100
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        require.at_least(1, pictures=self.pictures, k=self.k, queries=self.queries)
        require_sibling(self.sibling, model=self.plan.model)


@dataclass(frozen=True, slots=True)
class Bin:
    """Hits of like confidence: their mean confidence, and the share of them that are right."""

    confidence: float
    right: float
    hits: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """How well confidences of hits say how many are right.

    base: share of all hits that are right. error: expected calibration error over `bins` of equal mass (Naeini et al.,
    AAAI 2015). skill: 1 − Brier score ÷ that of `base` for every hit (Brier, 1950).
    """

    queries: str
    number: int
    hits: int
    base: float
    error: float
    skill: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class CutOffs:
    """Macro F1 over classes on true boxes, with cut-offs chosen on other pictures: one for all classes, or own ones."""

    score: str
    one: float
    own: float
    classes: int
    boxes: int


@dataclass(frozen=True, slots=True)
class ConfidenceTable:
    model: str
    plan: str
    pictures: int
    training: int
    cut_offs: tuple[CutOffs, ...]
    reliability: tuple[Reliability, ...]


def evaluate_confidence(
    config: ConfidenceEvaluation,
    *,
    on_ingest: Callable[[Progress], None] = lambda _: None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> ConfidenceTable:
    """Ingests the pictures, searches them for every name, and judges the hits.

    Raises ModelError for a model without calibration, SourceError for a folder that cannot be read.
    """
    dataset = read_coco_pictures(config.data)
    encoder = load_encoder(config.plan.model, threads=config.threads, class_paths=True)
    try:
        if calibration_of(encoder) is None:
            raise ModelError(
                f"{encoder.space.model}@{encoder.space.revision} has no calibration; "
                "fit one with: regionlake lab train confidence"
            )
        cut_offs, training = _cut_offs(config, dataset, encoder, on_progress)
        uri = str(config.lakes / f"{dataset.name}-{config.plan.hash}")
        report = ingest([str(path) for path in dataset.files], uri, config.plan, on_progress=on_ingest)
        if not report.ok:
            raise SourceError("; ".join(each.error for each in (*report.quarantined, *report.failed)))
        lake = Lake.open(uri)
        gallery = Gallery.of(dataset, source_ids(dataset), lake)
        searcher = Searcher(lake, encoder, regions=config.plan.regions)
        try:
            rows = []
            for kind, asked in _questions(gallery, config):
                on_progress(f"searching by {kind}")
                rows.append(_judged(_SHOWN[kind], asked, searcher, gallery))
        finally:
            searcher.close()
    finally:
        encoder.close()
    model = f"{encoder.space.model}@{encoder.space.revision}"
    return ConfidenceTable(model, config.plan.hash, len(gallery), training, cut_offs, tuple(rows))


_SHOWN: dict[QueryKind, str] = {"words": "names", "part": "objects of pictures", "picture": "whole pictures"}


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """query: what is searched for. classes: bool (C,), of which a hit must show one to be right."""

    query: Query
    classes: BoolArray


def _questions(gallery: Gallery, config: ConfidenceEvaluation) -> Iterator[tuple[QueryKind, list[_Question]]]:
    eye = np.eye(_CLASSES, dtype=np.bool_)
    yield "words", [_Question(Query(text=name, k=config.k), eye[i]) for i, name in enumerate(COCO_CLASSES)]
    rng = np.random.default_rng(config.seed)
    objects = [
        (number, place, label) for number, frame in enumerate(gallery.frames) for place, label in _objects(frame)
    ]
    counts = np.bincount([label for _, _, label in objects], minlength=_CLASSES)
    # classes are drawn evenly: otherwise most queries would be persons
    p = np.array([1.0 / counts[label] for _, _, label in objects])
    chosen = rng.choice(len(objects), min(config.queries, len(objects)), replace=False, p=p / p.sum())
    yield (
        "part",
        [
            _Question(_like(gallery, number, k=config.k, roi=place), eye[label])
            for number, place, label in (objects[i] for i in sorted(chosen.tolist()))
        ],
    )
    shown = [number for number, frame in enumerate(gallery.frames) if len(frame.objects)]
    some = rng.choice(shown, min(config.queries, len(shown)), replace=False)
    yield (
        "picture",
        [
            _Question(_like(gallery, n, k=config.k), classes_in(gallery.frames[n].objects, classes=_CLASSES))
            for n in sorted(some.tolist())
        ],
    )


def _objects(frame: LabelledFrame) -> Iterator[tuple[BoxTuple, int]]:
    objects = frame.objects.where(large_objects(frame))
    for box, label in zip(objects.boxes.xyxy.tolist(), objects.labels.tolist(), strict=True):
        x0, y0, x1, y1 = box
        yield (x0, y0, x1, y1), label


def _like(gallery: Gallery, number: int, *, k: int, roi: BoxTuple | None = None) -> Query:
    return Query(image=str(gallery.frames[number].path), roi=roi, not_frames=(gallery.frame_id(number),), k=k)


def _judged(name: str, questions: Sequence[_Question], searcher: Searcher, gallery: Gallery) -> Reliability:
    found: list[tuple[float, bool]] = []
    for question in questions:
        for hit in searcher.search(question.query).hits:
            number = gallery.number(hit)
            if number is not None and hit.confidence is not None:
                found.append((hit.confidence, bool((_shown(hit, gallery.frames[number]) & question.classes).any())))
    confidence, right = (np.array(column) for column in zip(*found, strict=True))
    return reliability(name, confidence, right, queries=len(questions))


def _shown(hit: Hit, frame: LabelledFrame) -> BoolArray:
    if hit.place.region_id is None:
        return classes_in(frame.objects, classes=_CLASSES)
    shown: BoolArray = shown_classes(Boxes(np.array([hit.place.box])), frame.objects, classes=_CLASSES)[0]
    return shown


def reliability(name: str, confidence: Doubles, right: BoolArray, *, queries: int) -> Reliability:
    """Compares confidences with outcomes. confidence: float64 (N,). right: bool (N,). queries: their number.

    skill is 0 where all outcomes are equal and so is every confidence to them, and −inf where they are not.
    """
    order = np.argsort(confidence, kind="stable")
    bins = tuple(
        Bin(float(confidence[some].mean()), float(right[some].mean()), len(some))
        for some in np.array_split(order, _BINS)
        if len(some)
    )
    base = float(right.mean())
    brier, plain = float(np.mean((confidence - right) ** 2)), base * (1 - base)
    skill = 1 - brier / plain if plain else (0.0 if brier == 0 else -np.inf)
    error = sum(abs(each.confidence - each.right) * each.hits for each in bins) / len(right)
    return Reliability(name, queries, len(right), base, error, skill, bins)


# -- cut-offs ------------------------------------------------------------------------------------


def _cut_offs(
    config: ConfidenceEvaluation, dataset: Dataset, encoder: Encoder, on_progress: Callable[[str], None]
) -> tuple[tuple[CutOffs, ...], int]:
    """The rows of the cosine and of the confidence, and the number of pictures from which cut-offs are chosen."""
    frames, _ = drawn_frames(config.train, most=config.pictures)
    calibration = calibration_of(encoder)
    assert calibration is not None
    if config.sibling is None:
        chosen_on, train = _scores_of_objects(config, frames, encoder, calibration, on_progress)
    else:
        sibling = sibling_encoder(config.sibling, threads=config.threads)
        own_nouns = replace(calibration, nouns=noun_vectors(sibling)[0])
        try:
            chosen_on, train = _scores_of_objects(config, frames, sibling, own_nouns, on_progress)
        finally:
            sibling.close()
    on_progress("embedding true boxes")
    boxes = [frame.objects.boxes[large_objects(frame)] for frame in dataset.frames]
    embed = RegionVectors(config.plan.regions, encoder)
    parts = [
        embed([read_picture(str(frame.path))], [own])[0]
        for frame, own in zip(dataset.frames, boxes, strict=True)
        if len(own)
    ]
    labels = np.concatenate([frame.objects.labels[large_objects(frame)] for frame in dataset.frames])
    measured_on, truth = np.concatenate(parts), labels[:, None] == np.arange(_CLASSES)
    rows = []
    names = encoder.encode_texts(COCO_CLASSES)
    tests = (cosines(measured_on, names), log_odds(measured_on, names, calibration))
    for score, of_train, of_test in zip(("cosine", "confidence"), train, tests, strict=True):
        one, own = best_cut(of_train, chosen_on), best_cuts(of_train, chosen_on)
        shown = int(truth.any(axis=0).sum())
        rows.append(CutOffs(score, macro_f1(of_test, truth, one), macro_f1(of_test, truth, own), shown, len(truth)))
    return tuple(rows), len(frames)


def _scores_of_objects(
    config: ConfidenceEvaluation,
    frames: Sequence[LabelledFrame],
    encoder: Encoder,
    calibration: Calibration,
    on_progress: Callable[[str], None],
) -> tuple[BoolArray, tuple[Doubles, Doubles]]:
    """What true boxes show, bool (N, C), and their cosines and log-odds, float64 (N, C) each."""
    objects = kept_vectors(
        frames,
        encoder,
        VectorConfig(config.plan.proposals, config.plan.regions),
        cache_dir=config.cache_dir,
        on_progress=lambda done, total: on_progress(f"embedding picture {done} of {total}"),
    ).objects
    names = encoder.encode_texts(COCO_CLASSES)
    return objects.shows, (cosines(objects.vectors, names), log_odds(objects.vectors, names, calibration))


def cosines(vectors: VectorArray, names: VectorArray) -> Doubles:
    """float64 (N, Q)."""
    products: Doubles = vectors.astype(np.float64) @ names.T.astype(np.float64)
    return products


def log_odds(vectors: VectorArray, names: VectorArray, calibration: Calibration) -> Doubles:
    """float64 (N, Q): the log-odds of confidences, which order and cut as these do."""
    of_regions = calibration.log_partition(vectors)
    evidence = [calibration.evidence(name, "words") for name in names]
    products = cosines(vectors, names)
    return np.stack(
        [each.log_odds(products[:, i], of_regions, kind="region") for i, each in enumerate(evidence)], axis=1
    )


def macro_f1(scores: Doubles, truth: BoolArray, cut: float | Doubles) -> float:
    """The mean F1 of the classes that are shown. scores, truth: (N, C). cut: one for all classes, or (C,)."""
    found = scores >= cut
    both = (found & truth).sum(axis=0)
    f1 = 2 * both / np.maximum(1, found.sum(axis=0) + truth.sum(axis=0))
    return float(f1[truth.any(axis=0)].mean())


def best_cut(scores: Doubles, truth: BoolArray) -> float:
    """The cut-off with the largest macro F1, of those at quantiles of the scores of right answers."""
    tried = np.quantile(scores[truth], np.linspace(0, 1, _CUTS))
    return float(tried[int(np.argmax([macro_f1(scores, truth, cut) for cut in tried]))])


def best_cuts(scores: Doubles, truth: BoolArray) -> Doubles:
    """float64 (C,): each class's cut-off with the largest F1; inf for a class that is not shown."""
    cuts = np.full(truth.shape[1], np.inf)
    for label in np.flatnonzero(truth.any(axis=0)):
        order = np.argsort(-scores[:, label], kind="stable")
        found = np.cumsum(truth[order, label])
        f1 = 2 * found / (np.arange(1, len(order) + 1) + truth[:, label].sum())
        cuts[label] = scores[order[int(np.argmax(f1))], label]
    return cuts
