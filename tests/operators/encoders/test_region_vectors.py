"""Vectors of regions. Catches vectors assigned to the wrong box or frame, and vectors that depend on other regions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.encoders.crops import cropped
from operators.encoders.everyday.encoder import EverydayEncoder
from operators.encoders.region_mode import RegionMode
from operators.encoders.region_vectors import RegionVectors, RegionVectorsConfig
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray

UNIT = st.floats(0, 1, width=32)
BOX = st.tuples(UNIT, UNIT, UNIT, UNIT).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
MODES = pytest.mark.parametrize("mode", ["both", "crop", "pool"])


@pytest.fixture(scope="module")
def encoder() -> EverydayEncoder:
    return EverydayEncoder(threads=2)


@pytest.fixture(scope="module")
def frames() -> list[ImageArray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (s, t, 3), np.uint8).repeat(20, 0).repeat(20, 1) for s, t in ((12, 16), (9, 16))]


@pytest.fixture(scope="module")
def boxes() -> list[Boxes]:
    rng = np.random.default_rng(1)
    corners = np.sort(rng.uniform(0, 1, (2, 18, 2, 2)), axis=2).reshape(2, 18, 4)
    corners[0, 0] = (0, 0, 1, 1)
    corners[0, 1] = (0.5, 0.5, 0.5, 0.5)
    return [Boxes(c.astype(np.float32)) for c in corners]


@MODES
def test_a_vector_depends_on_its_own_frame_and_box_alone(
    mode: RegionMode, encoder: EverydayEncoder, frames: list[ImageArray], boxes: list[Boxes]
) -> None:
    regions = RegionVectors(RegionVectorsConfig(mode=mode), encoder)
    together = regions(frames, boxes)
    for image, part, vectors in zip(frames, boxes, together, strict=True):
        alone = [regions([image], [part[i : i + 1]])[0][0] for i in range(len(part))]
        np.testing.assert_array_equal(vectors, alone)
        # float32 rounding of 128 squares
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


@MODES
def test_frames_without_boxes_give_no_vectors(
    mode: RegionMode, encoder: EverydayEncoder, frames: list[ImageArray], boxes: list[Boxes]
) -> None:
    regions = RegionVectors(RegionVectorsConfig(mode=mode), encoder)
    assert [v.shape for v in regions(frames, [Boxes.empty(), boxes[1]])] == [(0, 128), (18, 128)]
    assert [v.shape for v in regions(frames, [Boxes.empty()] * 2)] == [(0, 128), (0, 128)]
    assert regions([], []) == []


def test_both_is_the_middle_between_crop_and_pool(
    encoder: EverydayEncoder, frames: list[ImageArray], boxes: list[Boxes]
) -> None:
    by_mode = {}
    for mode in ("both", "crop", "pool"):
        by_mode[mode] = RegionVectors(RegionVectorsConfig(mode=mode), encoder)(frames, boxes)[0].astype(np.float64)
    between = by_mode["crop"] + by_mode["pool"]
    np.testing.assert_allclose(by_mode["both"], between / np.linalg.norm(between, axis=1, keepdims=True), atol=1e-6)


def test_known_maps_change_no_vector(encoder: EverydayEncoder, frames: list[ImageArray], boxes: list[Boxes]) -> None:
    regions = RegionVectors(RegionVectorsConfig(mode="pool"), encoder)
    maps = regions.maps(frames)
    for known, made in zip(regions(frames, boxes, maps=maps), regions(frames, boxes), strict=True):
        np.testing.assert_array_equal(known, made)
    np.testing.assert_array_equal(encoder.encode_images(frames, maps=maps), encoder.encode_images(frames))


def test_a_larger_map_is_another_pass(encoder: EverydayEncoder, frames: list[ImageArray], boxes: list[Boxes]) -> None:
    large = RegionVectors(RegionVectorsConfig(mode="pool", map_px=640), encoder)
    usual = RegionVectors(RegionVectorsConfig(mode="pool"), encoder)
    assert [m.shape[:2] for m in large.maps(frames)] == [(34, 46), (30, 54)]
    assert not np.array_equal(large(frames, boxes)[0], usual(frames, boxes)[0])
    np.testing.assert_array_equal(large(frames, boxes)[1], large(frames, boxes, maps=large.maps(frames))[1])


@given(box=BOX, context=st.floats(1, 3))
def test_a_box_lies_in_its_crop_where_it_lay_in_the_frame(
    box: tuple[float, float, float, float], context: float
) -> None:
    height, width = 90, 160
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(width), np.arange(height)[:, None]  # every pixel knows where it is
    (crop,), inner = cropped(ramp, Boxes(np.array([box], np.float32)), context=context)
    origin = crop[0, 0, :2].astype(float)
    size = np.array([crop.shape[1], crop.shape[0]])
    back = (inner.xyxy.reshape(2, 2) * size + origin) / [width, height]
    # float32 of a box in a crop
    np.testing.assert_allclose(back.reshape(-1), np.array(box), atol=2e-6)


def test_wrong_calls_say_what_came(encoder: EverydayEncoder, frames: list[ImageArray]) -> None:
    with pytest.raises(InvalidValueError, match="got 2 images and 1 boxes"):
        RegionVectors(RegionVectorsConfig(mode="pool"), encoder)(frames, [Boxes.empty()])
    with pytest.raises(InvalidValueError, match="a plan decides it"):
        RegionVectors(RegionVectorsConfig(), encoder)
    with pytest.raises(InvalidValueError, match="both, crop, pool"):
        RegionVectorsConfig(mode="mask")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="at least 1"):
        RegionVectorsConfig(context=0.5)
    with pytest.raises(InvalidValueError, match="at least 32"):
        RegionVectorsConfig(crop_px=8)
