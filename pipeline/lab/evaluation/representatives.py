"""Compares search by representatives with search by all patches, for class names among pictures.

`regionlake lab eval representatives --data DIR`. The embedded model's head was trained on these pictures, so each is
scored by a head that was trained without it, as in `eval everyday`. Source: Cluster-CLIP; methods.md §4.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.encoders.everyday.backbone import Backbone
from operators.encoders.everyday.encoder import EverydayEncoder
from operators.encoders.everyday.names import classifier_names
from operators.encoders.everyday.sentences import SentenceEncoder
from operators.encoders.patch_grids import patch_grids
from operators.proposals.config import ProposalConfig
from operators.proposals.frame_proposer import FrameProposer
from operators.proposals.models.coco_classes import COCO_CLASSES
from operators.readers.picture import read_picture
from operators.representatives.build import build_representatives
from operators.representatives.config import RepresentativesConfig
from pipeline.lab.datasets.coco_pictures import read_coco_pictures
from pipeline.lab.datasets.dataset import LabelledFrame
from pipeline.lab.evaluation.metrics import Estimate, average_precision_at, bootstrapped
from pipeline.lab.training.everyday.fit import FitConfig, fit_head
from pipeline.lab.training.everyday.prompts import everyday_prompts
from pipeline.lab.training.everyday.views import ViewConfig, training_views
from schemas.boxes import FloatArray
from schemas.frames import Keyframe

MEDIUM_PX = 96.0**2  # COCO's: objects of a smaller area are small or medium
_RETRIEVED = 50

METHODS: dict[str, RepresentativesConfig] = {
    "all patches": RepresentativesConfig(method="all"),
    "K.M., 10": RepresentativesConfig(method="kmeans", count=10),
    "K.M., 50": RepresentativesConfig(method="kmeans", count=50),
    "AG-F, 10": RepresentativesConfig(method="agglomerative-count", count=10),
    "AG-F, 50": RepresentativesConfig(method="agglomerative-count", count=50),
    "AG-T, 0.4": RepresentativesConfig(method="agglomerative-threshold", threshold=0.4),
    "R.P., 50": RepresentativesConfig(method="regions", count=50),
}
GLOBAL = "whole frame"


@dataclass(frozen=True, slots=True)
class RepresentativesEvaluation:
    """Settings of the evaluation.

    data: COCO or YOLO folders of COCO's classes. threads: number of threads of the backbone and of the training.
    limit: maximum number of pictures.
    """

    data: tuple[Path, ...]
    cache_dir: Path
    folds: int = 5
    threads: int = 2
    limit: int | None = None
    views: ViewConfig = field(default_factory=ViewConfig)
    fit: FitConfig = field(default_factory=FitConfig)


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one representation.

    vectors, bytes: means per picture. all: mAP@50 over the classes. small: the same without pictures that show the
        class by an object larger than medium. gain: `small` minus that of the whole frame.
    """

    method: str
    vectors: float
    bytes: float
    all: Estimate
    small: Estimate
    gain: Estimate | None


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """For each method: float32 (80,), the cosine of the nearest vector with each class name; and number of vectors."""

    scores: dict[str, FloatArray]
    vectors: dict[str, int]


def evaluate_representatives(
    config: RepresentativesEvaluation, *, on_progress: Callable[[str], None] = lambda _: None
) -> list[Row]:
    """Trains one head per fold. Raises SourceError if a folder of `config.data` is not a COCO folder."""
    pictures = [frame for folder in config.data for frame in read_coco_pictures(folder).frames][: config.limit]
    backbone = Backbone(threads=config.threads)
    prompts = everyday_prompts(SentenceEncoder(), nouns=classifier_names())
    encoder = EverydayEncoder(threads=config.threads)
    views = training_views(
        pictures,
        backbone,
        config=config.views,
        seed=config.fit.seed,
        cache_dir=config.cache_dir,
        on_progress=lambda done, total: on_progress(f"features of picture {done} of {total}"),
    )
    propose = FrameProposer(ProposalConfig())
    fold_of = np.random.default_rng(0).permutation(len(pictures)) % config.folds
    scored: dict[int, _Scored] = {}
    for fold in range(config.folds):
        on_progress(f"fold {fold + 1} of {config.folds}")
        head = fit_head(views.where(fold_of[views.pictures] != fold), prompts, None, backbone, config=config.fit)
        unseeing = encoder.with_head(head)
        words = unseeing.encode_texts(COCO_CLASSES)
        for index in np.flatnonzero(fold_of == fold).tolist():
            on_progress(f"picture {len(scored) + 1} of {len(pictures)}")
            scored[index] = _score(pictures[index], unseeing, words, propose)
    return _rows(pictures, [scored[i] for i in range(len(pictures))], dimension=encoder.space.dimension)


def _score(picture: LabelledFrame, encoder: EverydayEncoder, words: FloatArray, propose: FrameProposer) -> _Scored:
    image = read_picture(str(picture.path))
    (grid,) = patch_grids(encoder, [image])
    (proposals,) = propose([Keyframe(0, image, None, "shot")])
    made = {name: build_representatives(method)(grid, proposals.boxes).vectors for name, method in METHODS.items()}
    vectors = {GLOBAL: encoder.encode_images([image]), **made}
    return _Scored(
        {name: (of @ words.T).max(axis=0) for name, of in vectors.items()}, {n: len(of) for n, of in vectors.items()}
    )


def _rows(pictures: Sequence[LabelledFrame], scored: Sequence[_Scored], *, dimension: int) -> list[Row]:
    largest = np.zeros((len(pictures), len(COCO_CLASSES)))  # px² of the largest object of each class
    for number, picture in enumerate(pictures):
        np.maximum.at(largest[number], picture.objects.labels, picture.sides_px().prod(axis=1))
    rows: list[Row] = []
    whole: list[float] = []
    for name in (GLOBAL, *METHODS):
        scores = np.stack([s.scores[name] for s in scored])
        count = float(np.mean([s.vectors[name] for s in scored]))
        shown, small = largest > 0, (largest > 0) & (largest < MEDIUM_PX)
        of_small = _precisions(scores, small, judged=~shown | small)
        whole = of_small if name == GLOBAL else whole
        gain = None if name == GLOBAL else bootstrapped(np.subtract(of_small, whole))
        all_of_them = bootstrapped(_precisions(scores, shown, judged=np.ones_like(shown)))
        rows.append(Row(name, count, count * 2 * dimension, all_of_them, bootstrapped(of_small), gain))
    return rows


def _precisions(scores: FloatArray, relevant: NDArray[np.bool_], *, judged: NDArray[np.bool_]) -> list[float]:
    """AP@50 of every class with a relevant picture, among the pictures that are judged for it."""
    values = []
    for column in np.flatnonzero(relevant.any(axis=0)):
        rows = np.flatnonzero(judged[:, column])
        order = rows[np.argsort(-scores[rows, column], kind="stable")]
        found = relevant[order, column]
        values.append(average_precision_at(found, relevant=int(found.sum()), k=_RETRIEVED))
    return values
