"""Measures the `everyday` model on pictures that its head was not trained on, and on two videos.

`regionlake lab eval everyday --data DIR`. The shipped head may have been trained on these pictures, so every picture
is scored by a head that was trained without it (folds by picture); the videos are scored by the shipped head.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.encoders.everyday.backbone import Backbone
from operators.encoders.everyday.encoder import WEIGHTS, EverydayEncoder
from operators.encoders.everyday.head import Head
from operators.encoders.everyday.names import classifier_names
from operators.encoders.everyday.sentences import SentenceEncoder
from operators.encoders.region_vectors import RegionVectors, RegionVectorsConfig
from operators.proposals.models.coco_classes import COCO_CLASSES
from operators.readers.picture import read_picture
from pipeline.lab.datasets.coco_pictures import read_coco_pictures
from pipeline.lab.datasets.dataset import LabelledFrame
from pipeline.lab.evaluation.metrics import mean_average_precision, ranks_of_truth
from pipeline.lab.evaluation.person_boxes import SEQUENCES, person_average_precision
from pipeline.lab.training.everyday.fit import FitConfig, fit_head
from pipeline.lab.training.everyday.prompts import Prompts, everyday_prompts
from pipeline.lab.training.everyday.views import ViewConfig, Views, training_views
from schemas.boxes import Boxes
from schemas.vectors import VectorArray

# Classes that the second head never sees: every fourth, so that no kind of object is entirely missing.
UNSEEN: tuple[int, ...] = tuple(range(2, len(COCO_CLASSES), 4))
_LEAST_SIDE_PX = 32.0
# share of the frame below which an object is small; it gives the same chance level as in the trial
_SMALL_SHARE = 0.05
_CAPTION_GALLERY = 159


@dataclass(frozen=True, slots=True)
class EverydayEvaluation:
    """Settings of the evaluation.

    data: COCO or YOLO folders of COCO's classes. videos: folder that may hold the two videos.
    threads: number of threads of the backbone.
    """

    data: tuple[Path, ...]
    videos: Path
    cache_dir: Path
    folds: int = 10
    threads: int = 2
    weights: Path = WEIGHTS
    views: ViewConfig = field(default_factory=ViewConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    # the model's full input size; plans use a smaller one by default, to save time
    regions: RegionVectorsConfig = field(default_factory=lambda: RegionVectorsConfig(crop_px=288))


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. trial: the result of an earlier trial on other pictures; chance: that of a random guess."""

    measure: str
    value: float
    trial: float | None
    chance: float | None
    count: int


@dataclass(frozen=True, slots=True)
class EverydayTable:
    """The figures of the model. revision: that of the shipped weights, which the person rows measure."""

    rows: tuple[Row, ...]
    pictures: int
    revision: str


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """Cosines of parts of one picture with the 80 class names, by heads that were trained without the picture.

    regions, unseen: float32 (large boxes, 80). frame, dense: float32 (80,). pointed: bool (classes shown,), whether the
    best cell of the map is in a box; covered: (classes shown,), share of cells in a box; small: (classes shown,).
    """

    regions: VectorArray
    unseen: VectorArray
    frame: VectorArray
    dense: VectorArray
    pointed: NDArray[np.bool_]
    covered: VectorArray
    small: NDArray[np.bool_]


def evaluate_everyday(config: EverydayEvaluation, *, on_progress: Callable[[str], None] | None = None) -> EverydayTable:
    """Trains the heads it needs (a quarter of an hour on two cores) and fills the table.

    Raises SourceError if a folder of `config.data` is not a COCO folder.
    """
    say = on_progress or (lambda _: None)
    pictures = [frame for folder in config.data for frame in read_coco_pictures(folder).frames]
    backbone = Backbone(threads=config.threads)
    prompts = everyday_prompts(SentenceEncoder(), nouns=classifier_names())
    encoder = EverydayEncoder(threads=config.threads, weights=config.weights)
    views = training_views(
        pictures,
        backbone,
        config=config.views,
        seed=config.fit.seed,
        cache_dir=config.cache_dir,
        on_progress=lambda done, total: say(f"features of picture {done} of {total}"),
    )
    fold_of = np.random.default_rng(0).permutation(len(pictures)) % config.folds
    scored: dict[int, _Scored] = {}
    for fold in range(config.folds):
        say(f"fold {fold + 1} of {config.folds}")
        others = views.where(fold_of[views.pictures] != fold)
        head = fit_head(others, prompts, backbone, config=config.fit)
        half = fit_head(others.where(~np.isin(others.labels, UNSEEN)), prompts, backbone, config=config.fit)
        seen_by, blind = encoder.with_head(head), encoder.with_head(half)
        judges = tuple((model, model.encode_texts(COCO_CLASSES)) for model in (seen_by, blind))
        for index in np.flatnonzero(fold_of == fold):
            scored[int(index)] = _score(pictures[index], judges, regions=config.regions)
    rows = [*_region_rows(pictures, scored), *_pointing_rows(scored), *_picture_rows(pictures, scored)]
    rows += _person_rows(config, encoder, say)
    rows += _caption_rows(pictures, views, prompts, backbone, encoder, config, say)
    return EverydayTable(tuple(rows), len(pictures), encoder.space.revision)


def _score(
    picture: LabelledFrame, judges: tuple[tuple[EverydayEncoder, VectorArray], ...], *, regions: RegionVectorsConfig
) -> _Scored:
    """judges: the model trained on all classes, and the one trained on some; each with the vectors of class names."""
    (encoder, words), (blind, blind_words) = judges
    image, objects = read_picture(str(picture.path)), picture.objects
    boxes = objects.boxes[_large(picture)]
    feature_map = encoder.feature_maps([image])[0].features
    rows, cols, channels = feature_map.shape
    cells = encoder.project(feature_map.reshape(-1, channels)) @ words.T
    shown = np.unique(objects.labels)
    centres = np.stack(np.meshgrid((np.arange(cols) + 0.5) / cols, (np.arange(rows) + 0.5) / rows), axis=-1).reshape(
        -1, 2
    )
    inside = [_inside(centres, objects.boxes[objects.labels == label]) for label in shown]
    return _Scored(
        regions=RegionVectors(regions, encoder)([image], [boxes])[0] @ words.T,
        unseen=RegionVectors(regions, blind)([image], [boxes])[0] @ blind_words.T,
        frame=(encoder.encode_images([image]) @ words.T)[0],
        dense=cells.max(axis=0),
        pointed=np.array([hit[cells[:, label].argmax()] for hit, label in zip(inside, shown, strict=True)], bool),
        covered=np.array([hit.mean() for hit in inside], np.float32),
        small=np.array([objects.boxes[objects.labels == c].area().max() < _SMALL_SHARE for c in shown], bool),
    )


def _large(picture: LabelledFrame) -> NDArray[np.bool_]:
    """bool (N,): which objects are large enough to be queries."""
    large: NDArray[np.bool_] = picture.sides_px().min(axis=1, initial=np.inf) >= _LEAST_SIDE_PX
    return large


def _inside(points: NDArray[np.float64], boxes: Boxes) -> NDArray[np.bool_]:
    """bool (N,): whether each point `(x, y)` is in any box."""
    x, y = points[:, 0, None], points[:, 1, None]
    x0, y0, x1, y1 = boxes.xyxy.T
    hit: NDArray[np.bool_] = ((x >= x0) & (x < x1) & (y >= y0) & (y < y1)).any(axis=1)
    return hit


def _region_rows(pictures: Sequence[LabelledFrame], scored: dict[int, _Scored]) -> list[Row]:
    truth = np.concatenate([pictures[i].objects.labels[_large(pictures[i])] for i in scored])
    scores = np.concatenate([s.regions for s in scored.values()])
    unseen = np.concatenate([s.unseen for s in scored.values()])
    ranks = ranks_of_truth(scores, truth)
    is_class = truth[:, None] == np.arange(len(COCO_CLASSES))
    return [
        Row("crop, top-1 of 80 classes", float(np.mean(ranks == 0)), 0.632, 1 / 80, len(truth)),
        Row("crop, top-5 of 80 classes", float(np.mean(ranks < 5)), 0.878, 5 / 80, len(truth)),
        Row("class → regions, mAP", mean_average_precision(scores, is_class), 0.563, None, len(truth)),
        Row(
            "20 classes trained without boxes, mAP",
            mean_average_precision(unseen[:, list(UNSEEN)], is_class[:, list(UNSEEN)]),
            0.25,
            None,
            int(np.isin(truth, UNSEEN).sum()),
        ),
    ]


def _pointing_rows(scored: dict[int, _Scored]) -> list[Row]:
    pointed = np.concatenate([s.pointed for s in scored.values()])
    covered = np.concatenate([s.covered for s in scored.values()])
    small = np.concatenate([s.small for s in scored.values()])
    return [
        Row("pointing at 448 px", float(pointed.mean()), 0.44, float(covered.mean()), len(pointed)),
        Row(
            "pointing at 448 px, small objects",
            float(pointed[small].mean()),
            0.16,
            float(covered[small].mean()),
            int(small.sum()),
        ),
    ]


def _picture_rows(pictures: Sequence[LabelledFrame], scored: dict[int, _Scored]) -> list[Row]:
    shows = np.zeros((len(scored), len(COCO_CLASSES)), bool)
    for row, index in enumerate(scored):
        shows[row, pictures[index].objects.labels] = True
    frame = np.stack([s.frame for s in scored.values()])
    dense = np.stack([s.dense for s in scored.values()])
    return [
        Row("class → pictures, mAP, frame's vector", mean_average_precision(frame, shows), 0.44, None, len(frame)),
        Row("class → pictures, mAP, best cell", mean_average_precision(dense, shows), 0.48, None, len(frame)),
        Row("class → pictures, mAP, both", mean_average_precision(frame + dense, shows), 0.52, None, len(frame)),
    ]


def _person_rows(config: EverydayEvaluation, encoder: EverydayEncoder, say: Callable[[str], None]) -> list[Row]:
    rows = []
    for sequence in SEQUENCES:
        if not (config.videos / sequence.folder).is_dir():
            continue
        say(f"persons of {sequence.folder}")
        value, count = person_average_precision(
            config.videos / sequence.folder, sequence, encoder, regions=RegionVectors(config.regions, encoder)
        )
        rows.append(Row(f'"person" against backgrounds, AP, {sequence.folder}', value, sequence.trial, 1 / 3, count))
    return rows


def _caption_rows(
    pictures: Sequence[LabelledFrame],
    views: Views,
    prompts: Prompts,
    backbone: Backbone,
    encoder: EverydayEncoder,
    config: EverydayEvaluation,
    say: Callable[[str], None],
) -> list[Row]:
    """Recall of one folder's pictures by their captions, with a head that was trained without them.

    Other pictures are added up to the size of the trial's gallery; the head was trained without these, too.
    """
    captioned = [i for i, p in enumerate(pictures) if p.captions]
    if not captioned:
        return []
    say("captions")
    others = [i for i, p in enumerate(pictures) if not p.captions]
    gallery = [*captioned, *others[: max(0, _CAPTION_GALLERY - len(captioned))]]
    head: Head = fit_head(views.where(~np.isin(views.pictures, gallery)), prompts, backbone, config=config.fit)
    model = encoder.with_head(head)
    frames = model.encode_images([read_picture(str(pictures[i].path)) for i in gallery])
    captions = [(row, text) for row, i in enumerate(captioned) for text in pictures[i].captions]
    scores = model.encode_texts([text for _, text in captions]) @ frames.T
    ranks = ranks_of_truth(scores, np.array([row for row, _ in captions], np.intp))
    return [
        Row(
            f"captions → {len(gallery)} pictures, recall@{k}",
            float(np.mean(ranks < k)),
            trial,
            k / len(gallery),
            len(captions),
        )
        for k, trial in ((1, 0.25), (5, 0.59), (10, 0.77))
    ]
