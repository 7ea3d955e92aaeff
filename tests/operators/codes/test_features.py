"""Features of regions. Catches masks that are not applied, small regions that lose their context, and features that
depend on the rest of the batch."""

import numpy as np
import pytest

from operators.codes.features import RegionFeatures, RegionFeaturesConfig
from operators.encoders.everyday.encoder import EverydayEncoder
from operators.masks.rle import encode_masks, mask_boxes
from schemas.errors import InvalidValueError
from schemas.regions import Proposals


@pytest.fixture(scope="module")
def encoder() -> EverydayEncoder:
    return EverydayEncoder(threads=1)


IMAGE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8).repeat(40, axis=0).repeat(40, axis=1)


def regions(*boxes_px: tuple[int, int, int, int], corner_cut: bool = False) -> Proposals:
    """Masks of boxes; corner_cut leaves the triangle above the diagonal."""
    pixels = np.zeros((len(boxes_px), *IMAGE.shape[:2]), bool)
    for mask, (x0, y0, x1, y1) in zip(pixels, boxes_px, strict=True):
        inside = np.ones((y1 - y0, x1 - x0), bool)
        mask[y0:y1, x0:x1] = np.triu(inside) if corner_cut else inside
    masks = encode_masks(pixels)
    return Proposals.of(mask_boxes(masks), score=1.0, proposer="segments", mask=masks)


def test_the_cosine_of_two_x_is_the_weighted_mean_of_both_parts(encoder: EverydayEncoder) -> None:
    found = regions((0, 0, 160, 160), (160, 80, 320, 240))
    (even,) = RegionFeatures(RegionFeaturesConfig(crop_share=0.25, crop_px=64), encoder)([IMAGE], [found])
    np.testing.assert_allclose(np.linalg.norm(even, axis=1), 1.0, atol=1e-5)
    pooled, crop = even[:, :128], even[:, 128:]
    np.testing.assert_allclose((pooled**2).sum(axis=1), 0.75, atol=1e-5)
    np.testing.assert_allclose((crop**2).sum(axis=1), 0.25, atol=1e-5)


def test_the_parts_are_those_of_the_encoder_where_the_mask_is_the_box(encoder: EverydayEncoder) -> None:
    found = regions((40, 40, 200, 160))
    ((x,),) = RegionFeatures(RegionFeaturesConfig(least_masked_area=1.0, context=1.4, crop_px=64), encoder)(
        [IMAGE], [found]
    )
    crop = encoder.encode_regions([IMAGE], [found.boxes], context=1.4, side_px=64)[0]
    pooled = encoder.pool_regions([IMAGE], [found.boxes])[0]
    np.testing.assert_allclose(x, np.concatenate([pooled, crop]) * np.sqrt(0.5), atol=1e-5)


def test_a_large_region_is_cut_out_and_a_small_one_keeps_its_context(encoder: EverydayEncoder) -> None:
    whole, cut = regions((40, 40, 200, 160)), regions((40, 40, 200, 160), corner_cut=True)
    for least, equal in ((0.0, False), (0.9, True)):
        make = RegionFeatures(RegionFeaturesConfig(least_masked_area=least, crop_px=64), encoder)
        (a,), (b,) = make([IMAGE, IMAGE], [whole, cut])
        assert np.allclose(a[128:], b[128:], atol=1e-5) == equal
        assert not np.allclose(a[:128], b[:128], atol=1e-3)  # the pooled part is always masked


def test_an_x_depends_on_its_own_frame_and_region_alone(encoder: EverydayEncoder) -> None:
    make = RegionFeatures(RegionFeaturesConfig(crop_px=64), encoder)
    both = regions((0, 0, 160, 160), (160, 80, 320, 240))
    other = np.ascontiguousarray(IMAGE[::-1])
    together = make([other, IMAGE], [both, both])[1]
    alone = [make([IMAGE], [both.take(np.array([i]))])[0][0] for i in range(2)]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-6)


def test_regions_without_masks_are_their_boxes_and_frames_without_regions_have_no_x(encoder: EverydayEncoder) -> None:
    make = RegionFeatures(RegionFeaturesConfig(crop_px=64), encoder)
    masked = regions((40, 40, 200, 160))
    bare = Proposals.of(masked.boxes, score=1.0, proposer="moving")
    found, none = make([IMAGE, IMAGE], [bare, Proposals.concat([])])
    pooled = encoder.pool_regions([IMAGE], [masked.boxes])[0]
    np.testing.assert_allclose(found[0, :128], pooled * np.sqrt(0.5), atol=1e-5)
    assert none.shape == (0, 256)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="must lie in"):
        RegionFeaturesConfig(least_masked_area=1.5)
    with pytest.raises(InvalidValueError, match="context must be at least 1"):
        RegionFeaturesConfig(context=0.5)
