"""Views of labelled pictures as backbone features: what a head is trained on, computed once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.encoders.everyday.backbone import CHANNELS, Backbone
from operators.encoders.everyday.resize import resize
from operators.region_vectors import cropped
from operators.training.coco import LabelledPicture
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.vectors import VectorArray

BACKGROUND = -1
_BATCH = 32


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """How a box becomes several training crops.

    least_side_px: shorter boxes are left out. context: of the plain view, the box grown about its centre.
    jittered: further crops a box, each moved by up to `shift` of its side and grown by a factor of `zoom`,
    half of them mirrored. backgrounds: crops a picture that hold at most a quarter of object.
    """

    side_px: int = 224
    least_side_px: float = 24.0
    context: float = 1.2
    jittered: int = 6
    zoom: tuple[float, float] = (0.85, 1.7)
    shift: float = 0.12
    backgrounds: int = 8

    def __post_init__(self) -> None:
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise InvalidValueError(f"zoom must be a range of positive factors, got {self.zoom}")


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """features: float32 (N, 1280). labels: intp (N,), class or BACKGROUND. pictures: intp (N,), their index."""

    features: VectorArray
    labels: NDArray[np.intp]
    pictures: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, keep: NDArray[np.bool_]) -> "Views":
        return Views(self.features[keep], self.labels[keep], self.pictures[keep])

    @classmethod
    def concat(cls, parts: "Sequence[Views]") -> "Views":
        return cls(
            np.concatenate([p.features for p in parts]),
            np.concatenate([p.labels for p in parts]),
            np.concatenate([p.pictures for p in parts]),
        )


def training_views(
    pictures: Sequence[LabelledPicture],
    backbone: Backbone,
    *,
    config: ViewConfig,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Views:
    """Every view of every picture. A picture's views depend on the seed and its file name alone.

    on_progress: called with (pictures done, pictures in all).
    """
    parts = []
    for index, picture in enumerate(pictures):
        rng = np.random.default_rng([seed, *picture.path.name.encode()])
        image = picture.read()
        parts.append(_views_of(picture, image, index, backbone, config=config, rng=rng))
        if on_progress is not None:
            on_progress(index + 1, len(pictures))
    return Views.concat(parts)


def pooled_features(crops: NDArray[np.uint8], backbone: Backbone) -> VectorArray:
    """crops: uint8 (N, side, side, 3). Returns float32 (N, 1280), the mean over each crop's map."""
    features = np.empty((len(crops), CHANNELS), np.float32)
    for start in range(0, len(crops), _BATCH):
        features[start : start + _BATCH] = backbone(crops[start : start + _BATCH]).mean(axis=(1, 2), dtype=np.float64)
    return features


def _views_of(
    picture: LabelledPicture,
    image: ImageArray,
    index: int,
    backbone: Backbone,
    *,
    config: ViewConfig,
    rng: np.random.Generator,
) -> Views:
    large = picture.sides_px().min(axis=1, initial=np.inf) >= config.least_side_px
    boxes, labels = picture.boxes[large], picture.labels[large]
    jittered = _jittered(boxes, config=config, rng=rng)
    backgrounds = _backgrounds(picture.boxes, config=config, rng=rng)
    plain = _squashed(image, boxes, config.context, side_px=config.side_px)
    moved = _squashed(image, jittered, 1.0, side_px=config.side_px)
    mirrored = rng.random(len(moved)) < 0.5
    moved[mirrored] = moved[mirrored, :, ::-1]
    empty = _squashed(image, backgrounds, 1.0, side_px=config.side_px)
    crops = np.concatenate([plain, plain[:, :, ::-1], moved, empty])
    all_labels = np.concatenate(
        [labels, labels, np.repeat(labels, config.jittered), np.full(len(empty), BACKGROUND, np.intp)]
    )
    return Views(pooled_features(crops, backbone), all_labels, np.full(len(crops), index, np.intp))


def _squashed(image: ImageArray, boxes: Boxes, context: float, *, side_px: int) -> NDArray[np.uint8]:
    """uint8 (N, side_px, side_px, 3)."""
    crops = [resize(crop, width_px=side_px, height_px=side_px) for crop in cropped(image, boxes, context)]
    return np.stack(crops) if crops else np.zeros((0, side_px, side_px, 3), np.uint8)


def _jittered(boxes: Boxes, *, config: ViewConfig, rng: np.random.Generator) -> Boxes:
    """`config.jittered` boxes for each box, in its order."""
    xyxy = np.repeat(boxes.xyxy, config.jittered, axis=0)
    side = xyxy[:, 2:] - xyxy[:, :2]
    least, most = np.log(config.zoom)
    zoom = np.exp(rng.uniform(least, most, (len(xyxy), 1)) + rng.uniform(-0.12, 0.12, (len(xyxy), 2)))
    centre = (xyxy[:, :2] + xyxy[:, 2:]) / 2 + side * rng.uniform(-config.shift, config.shift, (len(xyxy), 2))
    return Boxes.clipped(np.concatenate([centre - side * zoom / 2, centre + side * zoom / 2], axis=1))


def _backgrounds(objects: Boxes, *, config: ViewConfig, rng: np.random.Generator) -> Boxes:
    """Boxes of 0.08 to 0.6 of the frame a side, no more than a quarter of which is any one object."""
    side = np.exp(rng.uniform(np.log(0.08), np.log(0.6), (40 * config.backgrounds, 2)))
    corner = rng.uniform(0, 1 - side)
    drawn = Boxes.clipped(np.concatenate([corner, corner + side], axis=1))
    covered = drawn.intersection(objects).max(axis=1, initial=0.0) / drawn.area()
    return drawn[np.flatnonzero(covered <= 0.25)[: config.backgrounds]]
