"""Catches regions that a real model does not find in other pictures of their subject, in real clips; a subject that is
missed where it appears smaller; and views of a picture that report the wrong place of the region."""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from operators.encoders.everyday.encoder import EverydayEncoder
from operators.encoders.patch_grids import patch_grids
from operators.patch_matching.correlation import correlate
from operators.patch_matching.pyramid import roi_pyramid
from operators.patch_matching.region_match import match_region
from operators.readers.probe import probe
from operators.readers.video import VideoReader
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray, normalise


class Colours:
    """Encodes each 20 by 20 px as their mean colour, and keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[ImageArray] = []

    def feature_maps(self, images: list[ImageArray], *, side_px: int | None = None) -> list[FeatureMap]:
        del side_px
        self.seen += images
        return [
            FeatureMap((image.reshape(image.shape[0] // 20, 20, -1, 20, 3).mean(axis=(1, 3), dtype=np.float32),))
            for image in images
        ]

    def project(self, features: VectorArray) -> VectorArray:
        return normalise(features)


@pytest.fixture(scope="module")
def encoder() -> EverydayEncoder:
    return EverydayEncoder(threads=1)


@pytest.fixture(scope="module")
def street(data_dir: Path) -> list[ImageArray]:
    """A camera above a street: empty, and a white car that drives through."""
    return frames(data_dir / "street-clips" / "car-detection.mp4", [48, 72, 76])


def frames(path: Path, numbers: list[int]) -> list[ImageArray]:
    source = probe(str(path), uri=str(path))
    with VideoReader(str(path), source) as reader:
        shown = enumerate(islice(reader.frames(source.span.start), max(numbers) + 1))
        return [frame.image() for number, frame in shown if number in numbers]


def box(*xyxy: float) -> Boxes:
    return Boxes(np.array([xyxy], np.float32))


CAR = box(0.36, 0.38, 0.62, 1.0)  # in frame 72


@pytest.mark.data
def test_a_car_is_found_a_moment_later_and_not_on_the_empty_street(
    encoder: EverydayEncoder, street: list[ImageArray]
) -> None:
    empty, first, second = patch_grids(encoder, street)
    there, itself, nobody = match_region(roi_pyramid(encoder, street[1], CAR), [second, first, empty])
    assert there is not None
    assert itself is not None
    assert itself.box.iou(CAR)[0, 0] > 0.85
    assert itself.score > there.score > 5 * (nobody.score if nobody else 0)
    assert there.box.iou(box(0.36, 0.2, 0.6, 0.9))[0, 0] > 0.5


@pytest.mark.data
def test_a_subject_half_as_large_is_found_at_half_the_scale(encoder: EverydayEncoder, data_dir: Path) -> None:
    """A woman and a dog of one clip, shrunk onto the empty street of another."""
    (query,) = frames(data_dir / "handheld-clips" / "01_dog.mp4", [40])
    (ground,) = frames(data_dir / "street-clips" / "car-detection.mp4", [0])
    height, width, _ = query.shape
    roi = box(0.15, 0.1, 0.67, 0.85)
    target = cv2.resize(ground, (width, height))
    small = cv2.resize(query, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    x0, y0, x1, y1 = (roi.xyxy[0] * np.array([width, height, width, height]) / 2).astype(int)
    left, top = width // 6, height // 3
    target[top + y0 : top + y1, left + x0 : left + x1] = small[y0:y1, x0:x1]
    truth = Boxes.from_pixels([left + x0, top + y0, left + x1, top + y1], width_px=width, height_px=height)
    targets = patch_grids(encoder, [target])
    levels = roi_pyramid(encoder, query, roi)
    (flat,), (fit,) = correlate(levels[:1], targets), correlate(levels, targets)
    assert fit.scale == 0.5
    assert fit.score > 1.3 * flat.score
    assert fit.box.iou(truth)[0, 0] > 0.7 > 0.4 > flat.box.iou(truth)[0, 0]
    (grown,), (match,) = match_region(levels[:1], targets), match_region(levels, targets)
    assert match is not None
    assert match.scale in (0.35, 0.5)  # scales that are neighbours
    assert match.box.iou(truth)[0, 0] > 0.4  # 0.35 shows fewer of the subject's patches than 0.5
    assert grown is None or (match.score > 1.5 * grown.score and grown.box.iou(truth)[0, 0] < 0.4)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_view_shows_the_region_where_it_says(scale: float) -> None:
    """A red square on grey is all that its ROI shows, at any scale: the pixels under the ROI are red."""
    picture = np.full((320, 480, 3), 120, np.uint8)
    picture[64:160, 48:144] = (255, 0, 0)
    colours = Colours()
    (level,) = roi_pyramid(colours, picture, box(0.1, 0.2, 0.3, 0.5), scales=(scale,), least_patches=1)
    x0, y0, x1, y1 = (np.array(level.patches.extent) * [480, 320, 480, 320]).astype(int)
    (seen,) = colours.seen
    assert seen.shape == picture.shape
    assert (seen[y0:y1, x0:x1] == (255, 0, 0)).all(axis=2).mean() > 0.7  # cells reach over the square's border
    assert len(level.patches) == pytest.approx(scale**2 * 4.8**2, rel=0.25)


def test_levels_of_few_patches_and_regions_larger_than_the_frame_are_omitted() -> None:
    picture = np.zeros((320, 480, 3), np.uint8)
    levels = roi_pyramid(Colours(), picture, box(0, 0, 0.6, 0.3), scales=(0.5, 1.0, 0.1, 2.0), least_patches=6)
    assert [level.scale for level in levels] == [0.5, 1.0]
    assert (levels[1].patches.rows, levels[1].patches.cols) == (5, 14)
    tiny = roi_pyramid(Colours(), picture, box(0, 0, 0.01, 0.01))
    assert [(level.scale, len(level.patches)) for level in tiny] == [(1.0, 1)]
    with pytest.raises(InvalidValueError, match="scales must be positive"):
        roi_pyramid(Colours(), picture, box(0, 0, 1, 1), scales=())


def test_patches_of_the_subject_are_those_in_its_mask_at_any_scale() -> None:
    """A subject that fills the upper left triangle of its box."""
    picture = np.random.default_rng(0).integers(0, 256, (320, 480, 3), np.uint8)
    mask = np.zeros((320, 480), np.bool_)
    mask[80:240, 120:280] = np.tri(160, dtype=np.bool_)[::-1]
    roi = box(120 / 480, 80 / 320, 280 / 480, 240 / 320)
    full, half = roi_pyramid(Colours(), picture, roi, mask=mask, scales=(1.0, 0.5))
    assert full.inside is not None
    assert half.inside is not None
    # centres of 8 by 8 cells of 20 px: those on the diagonal lie on its border
    expected = np.add.outer(np.arange(8), np.arange(8)) < 7
    assert (full.inside == expected)[np.add.outer(np.arange(8), np.arange(8)) != 7].all()
    assert half.inside.mean() == pytest.approx(0.5, abs=0.15)
    assert len(full.vectors) == full.inside.sum()
    nothing = roi_pyramid(Colours(), picture, roi, mask=np.zeros_like(mask), scales=(1.0,))
    assert len(nothing[0].vectors) == 64
