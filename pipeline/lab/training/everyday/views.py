"""Makes views of pictures as pooled features of the backbone, on which a head is trained; they are computed once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.encoders.everyday.backbone import Backbone, Forward
from operators.encoders.everyday.encoder import CELL_PX, FEATURES, pyramid
from operators.encoders.everyday.resize import resize
from operators.encoders.map_size import equal_area_px
from operators.encoders.pooling import pool_boxes
from operators.readers.picture import read_picture
from operators.runtime.atomic_write import atomic_write
from pipeline.lab.datasets.dataset import LabelledFrame
from schemas import require
from schemas.boxes import Boxes
from schemas.ids import digest

BACKGROUND = -1
WHOLE = -2
_CHUNK = 500  # pictures whose views are one file of the cache, so that an interrupted run continues
_WHOLE_BOX = np.array([[0, 0, 1, 1]], np.float32)


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass of the backbone over a picture. side_px: as in `EverydayEncoder.feature_maps`.

    mirrored: left to right. least_px: the pass is omitted for smaller pictures.
    """

    side_px: int
    mirrored: bool = False
    least_px: int = 0


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """How a picture becomes views.

    passes, caption_passes: for pictures with boxes and with captions. Mirrored passes of the stretched pictures of
        coco-256 in other shapes were tried: they cost .03 of mAP.

    least_side_px: smaller objects, in the pass, are omitted. jittered: every object is also seen in a box that is moved
        by up to `shift` of its side and scaled by a factor of `zoom`.
    backgrounds: number of boxes per pass at most a quarter of which is covered by any object.
    parts: number of boxes of 0.7 to 1 of each side for pictures with captions, which count as the whole.
    """

    passes: tuple[Pass, ...] = (
        Pass(448),
        Pass(640, least_px=400),
        Pass(640, mirrored=True, least_px=400),
    )
    caption_passes: tuple[Pass, ...] = (Pass(448),)
    least_side_px: float = 28.0
    zoom: tuple[float, float] = (0.8, 1.4)
    shift: float = 0.12
    backgrounds: int = 3
    parts: int = 2

    def __post_init__(self) -> None:
        require.above(0, zoom=self.zoom)
        require.ranges(zoom=self.zoom)


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """features: float16 (N, 1800). labels: intp (N,), class, BACKGROUND or WHOLE. pictures: intp (N,), their index."""

    features: NDArray[np.float16]
    labels: NDArray[np.intp]
    pictures: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, keep: NDArray[np.bool_]) -> "Views":
        return Views(self.features[keep], self.labels[keep], self.pictures[keep])


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

    A picture with captions is seen as a whole and in large parts, any other in the boxes of its objects and
    backgrounds. Views take minutes, so they are kept in `cache_dir` under a hash of all that they depend on.
    on_progress: called with (processed pictures, total number of pictures).
    """
    features, labels, places = [np.zeros((0, FEATURES), np.float16)], [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
    for start in range(0, len(pictures), _CHUNK):
        here = pictures[start : start + _CHUNK]
        name = digest("views", 2, backbone.revision, repr(config), seed, *(_key(picture) for picture in here))
        path = cache_dir / f"{name}.npz"
        if not path.exists():
            made = backbone.side_by_side(lambda forward, p: _views_of(p, forward, config=config, seed=seed), here)
            parts = []
            for index, part in enumerate(made):
                parts.append((*part, np.full(len(part[1]), index, np.intp)))
                if on_progress is not None:
                    on_progress(start + index + 1, len(pictures))
            columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
            with atomic_write(path) as file:
                np.savez(file, features=columns[0], labels=columns[1], pictures=columns[2])
        with np.load(path) as held:
            features.append(held["features"])
            labels.append(held["labels"])
            places.append(held["pictures"] + start)
    return Views(np.concatenate(features), np.concatenate(labels), np.concatenate(places))


def _key(picture: LabelledFrame) -> bytes:
    objects = picture.objects
    captioned = b"captioned" if picture.captions else b""
    return b"".join([picture.path.read_bytes(), objects.boxes.xyxy.tobytes(), objects.labels.tobytes(), captioned])


def _views_of(
    picture: LabelledFrame, forward: Forward, *, config: ViewConfig, seed: int
) -> tuple[NDArray[np.float16], NDArray[np.intp]]:
    rng = np.random.default_rng([seed, *picture.path.name.encode()])
    image = read_picture(str(picture.path))
    features, labels = [np.zeros((0, FEATURES), np.float16)], [np.zeros(0, np.intp)]
    for each in config.caption_passes if picture.captions else config.passes:
        if min(image.shape[:2]) < each.least_px:
            continue
        height_px, width_px = equal_area_px(image, side_px=each.side_px, cell_px=CELL_PX)
        seen = resize(image, width_px=width_px, height_px=height_px)
        boxes = picture.objects.boxes
        if each.mirrored:
            seen, boxes = np.ascontiguousarray(seen[:, ::-1]), boxes.mirrored()
        if picture.captions:
            drawn, of_drawn = _wholes(config, rng)
        else:
            sides = (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]) * [width_px, height_px]
            large = sides.min(axis=1, initial=np.inf) >= config.least_side_px
            drawn, of_drawn = _objects(boxes, large, picture.objects.labels, config=config, rng=rng)
        features.append(pool_boxes(pyramid(forward, seen), drawn).astype(np.float16))
        labels.append(of_drawn)
    return np.concatenate(features), np.concatenate(labels)


def _wholes(config: ViewConfig, rng: np.random.Generator) -> tuple[Boxes, NDArray[np.intp]]:
    side = rng.uniform(0.7, 1.0, (config.parts, 2))
    corner = rng.uniform(0, 1 - side)
    drawn = Boxes.concat([Boxes(_WHOLE_BOX), Boxes.clipped(np.concatenate([corner, corner + side], axis=1))])
    return drawn, np.full(len(drawn), WHOLE, np.intp)


def _objects(
    boxes: Boxes, large: NDArray[np.bool_], labels: NDArray[np.intp], *, config: ViewConfig, rng: np.random.Generator
) -> tuple[Boxes, NDArray[np.intp]]:
    """Each large object, each in a jittered box, and backgrounds."""
    backgrounds = _backgrounds(boxes, config=config, rng=rng)
    drawn = Boxes.concat([boxes[large], _jittered(boxes[large], config=config, rng=rng), backgrounds])
    of_backgrounds = np.full(len(backgrounds), BACKGROUND, np.intp)
    return drawn, np.concatenate([labels[large], labels[large], of_backgrounds])


def _jittered(boxes: Boxes, *, config: ViewConfig, rng: np.random.Generator) -> Boxes:
    side = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
    least, most = np.log(config.zoom)
    zoom = np.exp(rng.uniform(least, most, (len(boxes), 1)) + rng.uniform(-0.12, 0.12, (len(boxes), 2)))
    centre = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2 + side * rng.uniform(-config.shift, config.shift, side.shape)
    return Boxes.clipped(np.concatenate([centre - side * zoom / 2, centre + side * zoom / 2], axis=1))


def _backgrounds(objects: Boxes, *, config: ViewConfig, rng: np.random.Generator) -> Boxes:
    """Boxes with sides of 0.08 to 0.6 of the frame, no more than a quarter of which is covered by any one object."""
    side = np.exp(rng.uniform(np.log(0.08), np.log(0.6), (40 * config.backgrounds, 2)))
    corner = rng.uniform(0, 1 - side)
    drawn = Boxes.clipped(np.concatenate([corner, corner + side], axis=1))
    covered = drawn.intersection(objects).max(axis=1, initial=0.0) / drawn.area()
    return drawn[np.flatnonzero(covered <= 0.25)[: config.backgrounds]]
