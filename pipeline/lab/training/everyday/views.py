"""Makes views of labelled pictures as backbone features, on which a head is trained; they are computed once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.encoders.crops import cropped
from operators.encoders.everyday.backbone import STRIDE_PX, Backbone
from operators.encoders.everyday.encoder import MAP_SHORT_SIDE_PX, region_features
from operators.encoders.everyday.resize import resize
from operators.encoders.map_size import map_size_px
from operators.encoders.pooling import pool_boxes
from operators.readers.picture import read_picture
from operators.runtime.atomic_write import atomic_write
from pipeline.lab.datasets.dataset import LabelledFrame
from schemas import require
from schemas.boxes import Boxes
from schemas.frames import ImageArray
from schemas.ids import digest
from schemas.vectors import FeatureMap, VectorArray

BACKGROUND = -1


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """How a box becomes several training views.

    least_side_px: smaller objects are omitted. context: as in RegionVectorsConfig.
    jittered: number of further views of a box, each moved by up to `shift` of its side and scaled by a factor of
        `zoom`, half of them mirrored.
    backgrounds: number of boxes per picture at most a quarter of which is covered by an object.
    maps: whether views of boxes and backgrounds are also made from the map of the whole picture.
    """

    least_side_px: float = 24.0
    context: float = 1.4
    jittered: int = 4
    zoom: tuple[float, float] = (0.8, 1.4)
    shift: float = 0.12
    backgrounds: int = 6
    maps: bool = True

    def __post_init__(self) -> None:
        require.above(0, zoom=self.zoom)
        require.ranges(zoom=self.zoom)


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
    pictures: Sequence[LabelledFrame],
    backbone: Backbone,
    *,
    config: ViewConfig,
    seed: int,
    cache_dir: Path,
    on_progress: Callable[[int, int], None] | None = None,
) -> Views:
    """Every view of every picture. Which views a picture has depends only on the seed and its file name.

    They take minutes, so they are kept in `cache_dir` under a hash of everything that they depend on.
    on_progress: called with (processed pictures, total number of pictures).
    """
    name = digest("views", 1, backbone.revision, repr(config), seed, *(_key(p) for p in pictures))
    path = cache_dir / f"{name}.npz"
    if path.exists():
        with np.load(path) as file:
            return Views(file["features"], file["labels"], file["pictures"])
    parts = []
    for index, picture in enumerate(pictures):
        rng = np.random.default_rng([seed, *picture.path.name.encode()])
        image = read_picture(str(picture.path))
        parts.append(_views_of(picture, image, index, backbone, config=config, rng=rng))
        if on_progress is not None:
            on_progress(index + 1, len(pictures))
    views = Views.concat(parts)
    with atomic_write(path) as made:
        np.savez(made, features=views.features, labels=views.labels, pictures=views.pictures)
    return views


def _key(picture: LabelledFrame) -> bytes:
    objects = picture.objects
    return b"".join([picture.path.read_bytes(), objects.boxes.xyxy.tobytes(), objects.labels.tobytes()])


def _views_of(
    picture: LabelledFrame,
    image: ImageArray,
    index: int,
    backbone: Backbone,
    *,
    config: ViewConfig,
    rng: np.random.Generator,
) -> Views:
    large = picture.sides_px().min(axis=1, initial=np.inf) >= config.least_side_px
    objects = picture.objects
    boxes, labels = objects.boxes[large], objects.labels[large]
    jittered = _jittered(boxes, config=config, rng=rng)
    backgrounds = _backgrounds(objects.boxes, config=config, rng=rng)
    drawn = Boxes.concat([boxes, jittered, backgrounds])
    drawn_labels = np.concatenate(
        [labels, np.repeat(labels, config.jittered), np.full(len(backgrounds), BACKGROUND, np.intp)]
    )
    crops, inner = cropped(image, drawn, context=config.context)
    # half of the jittered boxes and backgrounds are mirrored; the boxes themselves are added once more, mirrored
    mirrored = (np.arange(len(drawn)) >= len(boxes)) & (rng.random(len(drawn)) < 0.5)
    views = [region_features(*_mirror(crops, inner, mirrored), backbone)]
    views.append(
        region_features(*_mirror(crops[: len(boxes)], inner[: len(boxes)], np.ones(len(boxes), bool)), backbone)
    )
    all_labels = [drawn_labels, labels]
    if config.maps:
        height_px, width_px = map_size_px(image, short_side_px=MAP_SHORT_SIDE_PX, cell_px=STRIDE_PX)
        frame = backbone(resize(image, width_px=width_px, height_px=height_px)[None])[0]
        pooled = Boxes.concat([boxes, backgrounds])
        views.append(pool_boxes(FeatureMap(frame), pooled))
        all_labels.append(np.concatenate([labels, np.full(len(backgrounds), BACKGROUND, np.intp)]))
    features = np.concatenate(views)
    return Views(features, np.concatenate(all_labels), np.full(len(features), index, np.intp))


def _mirror(crops: Sequence[ImageArray], boxes: Boxes, mirrored: NDArray[np.bool_]) -> tuple[list[ImageArray], Boxes]:
    """The crops and their boxes, with the chosen ones mirrored left to right."""
    xyxy = boxes.xyxy.copy()
    xyxy[mirrored] = np.stack([1 - xyxy[:, 2], xyxy[:, 1], 1 - xyxy[:, 0], xyxy[:, 3]], axis=1)[mirrored]
    return [crop[:, ::-1] if flip else crop for crop, flip in zip(crops, mirrored, strict=True)], Boxes(xyxy)


def _jittered(boxes: Boxes, *, config: ViewConfig, rng: np.random.Generator) -> Boxes:
    """`config.jittered` boxes for each box, in the order of the boxes."""
    xyxy = np.repeat(boxes.xyxy, config.jittered, axis=0)
    side = xyxy[:, 2:] - xyxy[:, :2]
    least, most = np.log(config.zoom)
    zoom = np.exp(rng.uniform(least, most, (len(xyxy), 1)) + rng.uniform(-0.12, 0.12, (len(xyxy), 2)))
    centre = (xyxy[:, :2] + xyxy[:, 2:]) / 2 + side * rng.uniform(-config.shift, config.shift, (len(xyxy), 2))
    return Boxes.clipped(np.concatenate([centre - side * zoom / 2, centre + side * zoom / 2], axis=1))


def _backgrounds(objects: Boxes, *, config: ViewConfig, rng: np.random.Generator) -> Boxes:
    """Boxes with sides of 0.08 to 0.6 of the frame, no more than a quarter of which is covered by any one object."""
    side = np.exp(rng.uniform(np.log(0.08), np.log(0.6), (40 * config.backgrounds, 2)))
    corner = rng.uniform(0, 1 - side)
    drawn = Boxes.clipped(np.concatenate([corner, corner + side], axis=1))
    covered = drawn.intersection(objects).max(axis=1, initial=0.0) / drawn.area()
    return drawn[np.flatnonzero(covered <= 0.25)[: config.backgrounds]]
