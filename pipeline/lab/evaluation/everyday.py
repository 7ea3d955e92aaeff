"""Measures the `everyday` model on pictures that it was not trained on, and on two videos.

`regionlake lab eval everyday --data DIR`. Beside the shipped head and the first revision it may measure a head that is
trained for this without every fourth class, from the views that training kept in the cache.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.encoders.encoder import Encoder
from operators.encoders.everyday.backbone import Backbone
from operators.encoders.everyday.encoder import WEIGHTS, EverydayEncoder
from operators.encoders.everyday.first import FirstEverydayEncoder
from operators.encoders.everyday.head import HeadWeights
from operators.encoders.everyday.names import classifier_names
from operators.encoders.everyday.sentences import SentenceEncoder
from operators.encoders.patch_grids import patch_grids
from operators.encoders.region_vectors import RegionVectors, RegionVectorsConfig
from operators.proposals.models.coco_classes import COCO_CLASSES
from operators.readers.picture import read_picture
from pipeline.lab.datasets.coco_pictures import read_coco_pictures
from pipeline.lab.datasets.dataset import LabelledFrame
from pipeline.lab.datasets.flickr8k import read_flickr8k
from pipeline.lab.evaluation.metrics import mean_average_precision, ranks_of_truth
from pipeline.lab.evaluation.person_boxes import SEQUENCES, person_average_precision
from pipeline.lab.training.everyday.captions import caption_vectors
from pipeline.lab.training.everyday.fit import FitConfig, fit_head
from pipeline.lab.training.everyday.prompts import everyday_prompts
from pipeline.lab.training.everyday.views import ViewConfig, training_views
from schemas.boxes import Boxes
from schemas.vectors import VectorArray

# Classes that the second head never sees: every fourth, so that no kind of object is entirely missing.
UNSEEN: tuple[int, ...] = tuple(range(2, len(COCO_CLASSES), 4))
_LEAST_SIDE_PX = 32.0
# share of the frame below which an object is small
_SMALL_SHARE = 0.05
_FRAMES_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class EverydayEvaluation:
    """Settings of the evaluation.

    data: COCO or YOLO folders of COCO's classes that the head was not trained on. videos: folder that may hold the two
        videos. captions: folder like Flickr8k's, of which the split `dev` is read.
    training, training_captions: what the shipped head was trained on, to train another without some classes; none of
        them omits that row. threads: number of threads of the backbone.
    """

    data: tuple[Path, ...]
    videos: Path
    cache_dir: Path
    captions: Path | None = None
    training: tuple[Path, ...] = ()
    training_captions: tuple[Path, ...] = ()
    threads: int = 2
    weights: Path = WEIGHTS
    views: ViewConfig = field(default_factory=ViewConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    map_px: int = 448


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. first: of the first revision, which has seen most of these pictures in its training if
    they are COCO128's; None where it was not measured. chance: of a random guess."""

    measure: str
    value: float
    first: float | None
    chance: float | None
    count: int


@dataclass(frozen=True, slots=True)
class EverydayTable:
    """The figures of the model. revision: that of the shipped weights."""

    rows: tuple[Row, ...]
    pictures: int
    revision: str


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """A model with its way of making vectors of regions, as a lake stores them, that is rounded to float16."""

    encoder: Encoder
    regions: RegionVectors

    def of_regions(self, image: NDArray[np.uint8], boxes: Boxes) -> VectorArray:
        (vectors,) = self.regions([image], [boxes])
        return vectors.astype(np.float16).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """Cosines of parts of one picture with the 80 class names.

    regions: float32 (large boxes, 80). frame, dense: float32 (80,). pointed: bool (classes shown,), whether the
    best cell of the map is in a box; covered: (classes shown,), share of cells in a box; small: (classes shown,).
    """

    regions: VectorArray
    frame: VectorArray
    dense: VectorArray
    pointed: NDArray[np.bool_]
    covered: VectorArray
    small: NDArray[np.bool_]


def evaluate_everyday(config: EverydayEvaluation, *, on_progress: Callable[[str], None] | None = None) -> EverydayTable:
    """Fills the table.

    Raises SourceError if a folder of `config.data` is not a COCO folder.
    """
    say = on_progress or (lambda _: None)
    pictures = [frame for folder in config.data for frame in read_coco_pictures(folder).frames]
    ours = EverydayEncoder(threads=config.threads, weights=config.weights)
    settings = RegionVectorsConfig(mode="pool", map_px=config.map_px)
    model = _Model(ours, RegionVectors(settings, ours))
    earlier = FirstEverydayEncoder(threads=config.threads)
    first = _Model(earlier, RegionVectors(RegionVectorsConfig(mode="both"), earlier))
    rows: list[Row] = []
    scored = {each: _scores(pictures, each, say) for each in (model, first)}
    for rows_of in (_region_rows, _pointing_rows, _picture_rows):
        rows += _side_by_side(rows_of(pictures, scored[model]), rows_of(pictures, scored[first]))
    if config.training:
        say("a head without every fourth class")
        blind = ours.with_head(_without_classes(config))
        rows.append(_unseen_row(pictures, _Model(blind, RegionVectors(settings, blind)), say))
    rows += _side_by_side(_person_rows(config, model, say), _person_rows(config, first, say))
    if config.captions is not None:
        rows += _side_by_side(_caption_rows(config.captions, model, say), _caption_rows(config.captions, first, say))
    return EverydayTable(tuple(rows), len(pictures), ours.space.revision)


def _side_by_side(ours: Sequence[Row], first: Sequence[Row]) -> list[Row]:
    return [replace(row, first=other.value) for row, other in zip(ours, first, strict=True)]


def _without_classes(config: EverydayEvaluation) -> HeadWeights:
    """A head that has seen no view of a class of UNSEEN. Its views are those of the shipped head."""
    pictures = [frame for folder in config.training for frame in read_coco_pictures(folder).frames]
    pictures += [frame for folder in config.training_captions for frame in read_flickr8k(folder, split="train").frames]
    backbone, sentences = Backbone(threads=config.threads), SentenceEncoder()
    views = training_views(pictures, backbone, config=config.views, seed=config.fit.seed, cache_dir=config.cache_dir)
    return fit_head(
        views.where(~np.isin(views.labels, UNSEEN)),
        everyday_prompts(sentences, nouns=classifier_names()),
        caption_vectors(pictures, sentences, cache_dir=config.cache_dir, threads=config.threads),
        backbone,
        config=config.fit,
    )


def _scores(pictures: Sequence[LabelledFrame], model: _Model, say: Callable[[str], None]) -> list[_Scored]:
    words = model.encoder.encode_texts(COCO_CLASSES)
    scored = []
    for number, picture in enumerate(pictures, 1):
        say(f"{model.encoder.space.model}: picture {number} of {len(pictures)}")
        scored.append(_score(picture, model, words))
    return scored


def _score(picture: LabelledFrame, model: _Model, words: VectorArray) -> _Scored:
    image, objects = read_picture(str(picture.path)), picture.objects
    (grid,) = patch_grids(model.encoder, [image])
    cells = grid.flat() @ words.T
    shown = np.unique(objects.labels)
    across, down = ((np.arange(count) + 0.5) / count for count in (grid.cols, grid.rows))
    centres = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    inside = [_inside(centres, objects.boxes[objects.labels == label]) for label in shown]
    return _Scored(
        regions=model.of_regions(image, objects.boxes[_large(picture)]) @ words.T,
        frame=(model.encoder.encode_images([image]) @ words.T)[0],
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


def _truth(pictures: Sequence[LabelledFrame]) -> NDArray[np.intp]:
    return np.concatenate([picture.objects.labels[_large(picture)] for picture in pictures])


def _region_rows(pictures: Sequence[LabelledFrame], scored: Sequence[_Scored]) -> list[Row]:
    truth = _truth(pictures)
    scores = np.concatenate([s.regions for s in scored])
    ranks = ranks_of_truth(scores, truth)
    is_class = truth[:, None] == np.arange(len(COCO_CLASSES))
    return [
        Row("class → regions, mAP", mean_average_precision(scores, is_class), None, None, len(truth)),
        Row("region, top-1 of 80 classes", float(np.mean(ranks == 0)), None, 1 / 80, len(truth)),
        Row("region, top-5 of 80 classes", float(np.mean(ranks < 5)), None, 5 / 80, len(truth)),
    ]


def _unseen_row(pictures: Sequence[LabelledFrame], blind: _Model, say: Callable[[str], None]) -> Row:
    truth = _truth(pictures)
    scores = np.concatenate([s.regions for s in _scores(pictures, blind, say)])[:, list(UNSEEN)]
    is_class = truth[:, None] == np.array(UNSEEN)
    value = mean_average_precision(scores, is_class)
    return Row("20 classes trained without boxes, mAP", value, None, None, int(is_class.any(axis=1).sum()))


def _pointing_rows(pictures: Sequence[LabelledFrame], scored: Sequence[_Scored]) -> list[Row]:
    del pictures
    pointed = np.concatenate([s.pointed for s in scored])
    covered = np.concatenate([s.covered for s in scored])
    small = np.concatenate([s.small for s in scored])
    return [
        Row("pointing by the best cell", float(pointed.mean()), None, float(covered.mean()), len(pointed)),
        Row(
            "pointing, small objects",
            float(pointed[small].mean()),
            None,
            float(covered[small].mean()),
            int(small.sum()),
        ),
    ]


def _picture_rows(pictures: Sequence[LabelledFrame], scored: Sequence[_Scored]) -> list[Row]:
    shows = np.zeros((len(scored), len(COCO_CLASSES)), bool)
    for row, picture in enumerate(pictures):
        shows[row, picture.objects.labels] = True
    frame = np.stack([s.frame for s in scored])
    dense = np.stack([s.dense for s in scored])
    return [
        Row("class → pictures, mAP, frame's vector", mean_average_precision(frame, shows), None, None, len(frame)),
        Row("class → pictures, mAP, best cell", mean_average_precision(dense, shows), None, None, len(frame)),
        Row("class → pictures, mAP, both", mean_average_precision(frame + dense, shows), None, None, len(frame)),
    ]


def _person_rows(config: EverydayEvaluation, model: _Model, say: Callable[[str], None]) -> list[Row]:
    rows = []
    for sequence in SEQUENCES:
        if not (config.videos / sequence.folder).is_dir():
            continue
        say(f"persons of {sequence.folder}")
        value, count = person_average_precision(
            config.videos / sequence.folder, sequence, model.encoder, regions=model.regions
        )
        rows.append(Row(f'"person" against backgrounds, AP, {sequence.folder}', value, None, 1 / 3, count))
    return rows


def _caption_rows(folder: Path, model: _Model, say: Callable[[str], None]) -> list[Row]:
    """Recall of the pictures of the split `dev` by their captions."""
    pictures = read_flickr8k(folder, split="dev").frames
    vectors = []
    for start in range(0, len(pictures), _FRAMES_AT_ONCE):
        say(f"{model.encoder.space.model}: captioned picture {start} of {len(pictures)}")
        images = [read_picture(str(each.path)) for each in pictures[start : start + _FRAMES_AT_ONCE]]
        vectors.append(model.encoder.encode_images(images).astype(np.float16).astype(np.float32))
    say(f"{model.encoder.space.model}: captions")
    texts = [text for picture in pictures for text in picture.captions]
    owner = np.repeat(np.arange(len(pictures)), [len(picture.captions) for picture in pictures])
    ranks = ranks_of_truth(model.encoder.encode_texts(texts) @ np.concatenate(vectors).T, owner)
    return [
        Row(
            f"captions → {len(pictures)} pictures, recall@{k}",
            float(np.mean(ranks < k)),
            None,
            k / len(pictures),
            len(texts),
        )
        for k in (1, 5, 10)
    ]
