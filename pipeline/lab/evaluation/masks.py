"""Compares masks with COCO's: those of segments with every object's mask, and GrabCut's masks of true boxes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.masks.grabcut import GrabCutConfig, GrabCutMasks
from operators.masks.rle import encode_masks, mask_boxes, mask_iou
from operators.proposals.classical.segments import Segments, SegmentsConfig
from operators.proposals.classical.selective_search import SelectiveSearch, SelectiveSearchConfig
from operators.readers.picture import read_picture
from pipeline.lab.datasets.read import read_dataset
from schemas.boxes import Boxes, FloatArray
from schemas.errors import SourceError
from schemas.frames import ImageArray, Keyframe
from schemas.masks import Mask
from schemas.regions import Proposals

LEAST_IOU = 0.5
LIMITS = (25, 64, 100)
SIZES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 2**62)}  # COCO's, in pixels
_GRAPH = (100.0, 300.0, 900.0)  # contrasts of the plain graph segmentation


@dataclass(frozen=True, slots=True)
class MaskRecall:
    """How well one source of masks finds true masks.

    mean_iou: mean over all true masks of the IoU with the best mask found; by_size: the same over COCO's small, medium
        and large objects, if there are any.
    recall: share of the true masks found at IoU >= 0.5. mean_masks: masks per picture. ms: time per picture, one core.
    """

    name: str
    mean_iou: float
    by_size: dict[str, float]
    recall: float
    mean_masks: float
    ms: float


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    keyframe: Keyframe
    masks: list[Mask]


def mask_recalls(folder: Path, *, on_progress: Callable[[str], None] | None = None) -> list[MaskRecall]:
    """Measures every source of masks on a COCO folder (`instances_*.json` and `images/`); crowds are omitted.

    Raises SourceError if the folder holds no such data.
    """
    pictures = _read(folder)
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        rows = []
        for name, make in _sources().items():
            if on_progress is not None:
                on_progress(name)
            rows.append(_measured(name, pictures, make))
        return rows
    finally:
        cv2.setNumThreads(before)


def _sources() -> dict[str, Callable[[_Picture], list[Mask]]]:
    def segments(limit: int) -> Callable[[_Picture], list[Mask]]:
        propose = Segments(replace(SegmentsConfig(), limit=limit))
        return lambda picture: _known(propose(picture.keyframe))

    search = SelectiveSearch(SelectiveSearchConfig(limit=64))
    grabcut = GrabCutMasks(GrabCutConfig())
    return {
        **{f"segments, at most {limit}": segments(limit) for limit in LIMITS},
        "selective search, filled boxes": lambda p: _filled(search(p.keyframe).boxes, p.keyframe.image),
        "graph segmentation, three scales": lambda p: _graph(p.keyframe.image),
        "GrabCut in true boxes": lambda p: _cut(grabcut, p),
        "ellipses in true boxes": lambda p: _ellipses(mask_boxes(p.masks), p.keyframe.image),
        "true boxes, filled": lambda p: _filled(mask_boxes(p.masks), p.keyframe.image),
    }


def _measured(name: str, pictures: Sequence[_Picture], make: Callable[[_Picture], list[Mask]]) -> MaskRecall:
    best: list[FloatArray] = []
    count, seconds = 0, 0.0
    for picture in pictures:
        start = time.process_time()
        found = make(picture)
        seconds += time.process_time() - start
        count += len(found)
        iou = mask_iou(picture.masks, found)
        best.append(iou.max(axis=1) if found else np.zeros(len(picture.masks), np.float32))
    iou = np.concatenate(best)
    area = np.array([mask.area_px for picture in pictures for mask in picture.masks])
    by_size = {size: iou[(area >= low) & (area < high)] for size, (low, high) in SIZES.items()}
    return MaskRecall(
        name=name,
        mean_iou=float(iou.mean()),
        by_size={size: float(values.mean()) for size, values in by_size.items() if len(values)},
        recall=float((iou >= LEAST_IOU).mean()),
        mean_masks=count / len(pictures),
        ms=seconds / len(pictures) * 1000,
    )


def _known(found: Proposals) -> list[Mask]:
    return [mask for mask in found.mask if mask is not None]


def _cut(grabcut: GrabCutMasks, picture: _Picture) -> list[Mask]:
    """One mask per true box: the filled box if GrabCut finds none."""
    boxes = mask_boxes(picture.masks)
    (found,) = grabcut([picture.keyframe], [Proposals.of(boxes, score=1.0, proposer="truth")])
    filled = _filled(boxes, picture.keyframe.image)
    return [mask or box for mask, box in zip(found.mask, filled, strict=True)]


def _filled(boxes: Boxes, image: ImageArray) -> list[Mask]:
    height, width, _ = image.shape
    masks = np.zeros((len(boxes), height, width), np.bool_)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.to_pixels(width_px=width, height_px=height).tolist(), strict=True):
        mask[y0:y1, x0:x1] = True
    return encode_masks(masks)


def _ellipses(boxes: Boxes, image: ImageArray) -> list[Mask]:
    height, width, _ = image.shape
    y, x = np.mgrid[:height, :width] + 0.5
    sides = boxes.to_pixels(width_px=width, height_px=height)
    masks = [
        (2 * x - x0 - x1) ** 2 / (x1 - x0) ** 2 + (2 * y - y0 - y1) ** 2 / (y1 - y0) ** 2 <= 1
        for x0, y0, x1, y1 in sides.tolist()
    ]
    return encode_masks(np.array(masks, np.bool_).reshape(-1, height, width))


def _graph(image: ImageArray) -> list[Mask]:
    """Felzenszwalb and Huttenlocher's segments at three scales, the 64 largest."""
    height, width, _ = image.shape
    scale = min(1.0, SegmentsConfig().long_side_px / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    masks: list[NDArray[np.bool_]] = []
    for contrast in _GRAPH:
        cut = cv2.ximgproc.segmentation.createGraphSegmentation(0.8, contrast, 20)
        labels = np.asarray(cut.processImage(small))
        masks += [labels == label for label in range(int(labels.max()) + 1)]
    masks.sort(key=lambda mask: -int(mask.sum()))
    large = [cv2.resize(m.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) for m in masks[:64]]
    return encode_masks(np.array(large, np.uint8).view(np.bool_))


def _read(folder: Path) -> list[_Picture]:
    dataset = read_dataset(folder, layout="coco", masks=True)
    pictures = []
    for frame in dataset.frames:
        known = zip(frame.objects.masks, frame.objects.counted.tolist(), strict=True)
        masks = [mask for mask, counted in known if counted and mask is not None and mask.area_px]
        if masks:
            pictures.append(_Picture(Keyframe(0, read_picture(str(frame.path)), None, "picture"), masks))
    if not pictures:
        raise SourceError(f"{folder} names no mask")
    return pictures
