"""Privacy masks: catches a pixel under a mask that reaches a detector, a model or a thumbnail."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.readers.decoded_frame import DecodedFrame, Pixels
from operators.readers.privacy_masks import EDGE_PX, PrivacyMasks
from schemas.frames import ImageArray
from schemas.zones import Zone
from tests.clips import ffmpeg

POLYGON = Zone.parse("0.3,0.2 0.7,0.35 0.6,0.8 0.25,0.6")
BOX = Zone.parse("0.8,0,1,0.3")
SIZE = 322, 242  # no multiples of what codecs and detectors scale by


def inside(zones: "tuple[Zone, ...]", height: int, width: int) -> "np.ndarray":
    """bool (H, W): pixels whose centre lies in a zone, by the crossings of a ray, as OpenCV does not."""
    y, x = (np.mgrid[:height, :width] + 0.5) / np.array([height, width])[:, None, None]
    found = np.zeros((height, width), bool)
    for zone in zones:
        odd = np.zeros((height, width), bool)
        for (x0, y0), (x1, y1) in zip(zone.corners, (*zone.corners[1:], zone.corners[0]), strict=True):
            if y0 != y1:
                odd ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        found |= odd
    return found


@given(st.integers(1, 400), st.integers(1, 400))
def test_every_pixel_of_an_area_is_black(height: int, width: int) -> None:
    plane = PrivacyMasks((POLYGON, BOX)).plane(height, width)
    assert not (inside((POLYGON, BOX), height, width) & ~plane).any()


@given(st.integers(90, 1000))
def test_little_else_is_black(height: int) -> None:
    size = height, height * 4 // 3
    plane = PrivacyMasks((POLYGON, BOX)).plane(*size)
    # a sharp corner reaches further than the last pixel whose centre is in it
    assert not (plane & ~dilated(inside((POLYGON, BOX), *size), EDGE_PX + 3)).any()


def dilated(area: "np.ndarray", by: int) -> "np.ndarray":
    return cv2.dilate(area.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)).astype(bool)


def films(folder: Path) -> "list[list[av.VideoFrame]]":
    """The frames of two films, without loss, that differ under the masks alone: a loud pattern, and black."""
    width, height = SIZE
    rng = np.random.default_rng(3)
    scene = rng.integers(0, 256, (12, height, width, 3), np.uint8)
    area = inside((POLYGON, BOX), height, width)
    found = []
    for name, hidden in (("loud", (255, 0, 255)), ("black", (0, 0, 0))):
        frames = scene.copy()
        frames[:, area] = hidden
        raw = folder / f"{name}.rgb"
        raw.write_bytes(frames.tobytes())
        video = folder / f"{name}.mkv"
        options = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r 10 -i {raw}".split()
        ffmpeg(*options, *"-c:v libx264 -qp 0 -pix_fmt yuv420p".split(), str(video))
        with av.open(str(video)) as container:
            found.append(list(container.decode(video=0)))
    return found


@pytest.mark.parametrize("max_side_px", [None, 200, 64])
def test_films_that_differ_under_a_mask_alone_are_the_same(tmp_path: Path, max_side_px: int | None) -> None:
    loud, black = films(tmp_path)

    def seen(frames: "list[av.VideoFrame]", masks: PrivacyMasks) -> "list[tuple[ImageArray, ImageArray]]":
        pixels = Pixels(width_px=SIZE[0], height_px=SIZE[1], masks=masks)
        decoded = [DecodedFrame(n, frame, pixels) for n, frame in enumerate(frames)]
        return [(each.small(), each.image(max_side_px=max_side_px)) for each in decoded]

    masks = PrivacyMasks((POLYGON, BOX))
    assert len(loud) == len(black) == 12
    for one, other in zip(seen(loud, masks), seen(black, masks), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
            assert not a[inside((POLYGON, BOX), *a.shape[:2])].any()
            assert a.any(axis=2).mean() > 0.4  # the rest can be seen
    none = PrivacyMasks(())
    assert (seen(loud, none)[0][1] != seen(black, none)[0][1]).any()  # else this would show nothing
