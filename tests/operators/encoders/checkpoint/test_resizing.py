"""Cuts of pictures at a model's size, against Pillow crop by crop. Catches crops from the wrong picture or place, a
filter that is not stretched or not truncated at the crop's border, and an implementation for GPUs with other pixels."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from operators.encoders.checkpoint.device_frames import Cuts, DeviceFrames
from operators.encoders.checkpoint.pixels import PixelConfig, Pixels
from operators.encoders.checkpoint.resizing import Filter, Places, by_interpolation, by_matrices
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray

CPU = torch.device("cpu")
FILTERS = pytest.mark.parametrize(("kernel", "resample"), [("bilinear", 2), ("bicubic", 3)])


def smooth(height: int, width: int, seed: int) -> ImageArray:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


IMAGES = [smooth(90, 160, 0), smooth(300, 200, 1), smooth(90, 160, 2)]


@pytest.fixture(scope="module")
def frames() -> DeviceFrames:
    return DeviceFrames(IMAGES, device=CPU)


@pytest.fixture(scope="module")
def cuts() -> Cuts:
    rng = np.random.default_rng(0)
    corners = np.sort(rng.integers(0, 90, (60, 2, 2)), axis=1).reshape(60, 4)
    corners[:, 2:] += 1
    corners[0] = (4, 4, 5, 5)  # one pixel
    return np.concatenate([rng.integers(0, 3, (60, 1)), corners], axis=1).astype(np.int64)


def by_pillow(cuts: Cuts, places: Places, resample: int) -> NDArray[np.float32]:
    """float32 (N, 3, H, W): each cut for itself, horizontally first."""
    out = np.zeros((len(cuts), 3, places.height_px, places.width_px), np.float32)
    for n, (i, x0, y0, x1, y1) in enumerate(cuts.tolist()):
        top, left, rows, cols = places.spots[n].tolist()
        narrow = Image.fromarray(IMAGES[i][y0:y1, x0:x1]).resize((cols, y1 - y0), resample)
        resized = np.asarray(narrow.resize((cols, rows), resample))
        out[n, :, top : top + rows, left : left + cols] = resized.transpose(2, 0, 1)
    return out


@FILTERS
@pytest.mark.parametrize("shape", ["squares", "stretched"])
def test_every_way_gives_pillows_pixels(
    kernel: Filter, resample: int, shape: str, frames: DeviceFrames, cuts: Cuts
) -> None:
    places = (
        Places.inside(cuts, side_px=48) if shape == "squares" else Places.filling(len(cuts), height_px=32, width_px=64)
    )
    expected = by_pillow(cuts, places, resample)
    found = {
        "interpolation": by_interpolation(frames, cuts, places, kernel=kernel),
        "matrices": by_matrices(frames, cuts, places, kernel=kernel, dtype=torch.float32),
        "half matrices": by_matrices(frames, cuts, places, kernel=kernel, dtype=torch.float16),
    }
    for name, levels in found.items():
        off = np.abs(levels.float().numpy() - expected)
        # weights have other last bits in each: a level rounded to the other side, in each of two passes
        assert off.max() <= 2, name
        assert (off > 0).mean() < (0.1 if name == "half matrices" else 0.02), name


@FILTERS
def test_a_cut_of_the_wanted_size_keeps_its_bits(kernel: Filter, resample: int, frames: DeviceFrames) -> None:
    cuts = np.array([[1, 8, 100, 40, 132], [0, 50, 20, 82, 52]], np.int64)
    places = Places.inside(cuts, side_px=32)
    expected = by_pillow(cuts, places, resample)
    np.testing.assert_array_equal(by_interpolation(frames, cuts, places, kernel=kernel), expected)
    halves = by_matrices(frames, cuts, places, kernel=kernel, dtype=torch.float16)
    np.testing.assert_array_equal(halves.float(), expected)


def test_large_batches_are_cut_out_in_pieces(monkeypatch: pytest.MonkeyPatch, frames: DeviceFrames, cuts: Cuts) -> None:
    places = Places.inside(cuts, side_px=16)
    at_once = by_matrices(frames, cuts, places, kernel="bicubic", dtype=torch.float32)
    monkeypatch.setattr("operators.encoders.checkpoint.resizing._CHUNK_PX", 1_000)
    in_pieces = by_matrices(frames, cuts, places, kernel="bicubic", dtype=torch.float32)
    assert (at_once - in_pieces).abs().max() <= 1  # a product of another size has other last bits
    np.testing.assert_array_equal(
        by_matrices(frames, cuts[:0], Places.inside(cuts[:0], side_px=16), kernel="bicubic", dtype=torch.float32),
        np.zeros((0, 3, 16, 16)),
    )


def test_what_is_not_filled_is_outside(cuts: Cuts) -> None:
    wide = np.array([[0, 0, 0, 40, 10], [0, 0, 0, 40, 40]], np.int64)
    places = Places.inside(wide, side_px=8)
    assert places.spots.tolist() == [[3, 0, 2, 8], [0, 0, 8, 8]]
    assert places.padded
    outside = places.outside(CPU)
    assert outside.shape == (2, 1, 8, 8)
    assert not outside[1].any()
    assert outside[0, 0].all(dim=1).tolist() == [True] * 3 + [False] * 2 + [True] * 3
    assert not Places.filling(2, height_px=8, width_px=8).padded
    with pytest.raises(InvalidValueError, match=r"\(N, 4\)"):
        Places(8, 8, cuts)


def test_boxes_are_cut_from_their_own_picture(frames: DeviceFrames) -> None:
    boxes = [
        Boxes(np.array([[0.5, 0, 1, 0.5]], np.float32)),
        Boxes.empty(),
        Boxes(np.array([[0, 0, 1, 1]], np.float32)),
    ]
    assert frames.boxes(boxes).tolist() == [[0, 80, 0, 160, 45], [2, 0, 0, 160, 90]]
    assert frames.whole().tolist() == [[0, 0, 0, 160, 90], [1, 0, 0, 200, 300], [2, 0, 0, 160, 90]]
    assert frames[1] is IMAGES[1]
    assert DeviceFrames([], device=CPU).whole().shape == (0, 5)
    with pytest.raises(InvalidValueError, match="uint8"):
        DeviceFrames([np.zeros((4, 4), np.uint8)], device=CPU)


def test_pictures_that_are_on_the_device_are_not_uploaded_again(frames: DeviceFrames) -> None:
    settings = {"resample": 3, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    pixels = Pixels(PixelConfig.of(settings, side_px=16), device=CPU, dtype=torch.float32)
    assert pixels.frames(frames) is frames


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("resample", [2, 3])
def test_a_gpu_gives_the_pixels_of_the_cpu(resample: int, frames: DeviceFrames, cuts: Cuts) -> None:
    settings = {"resample": resample, "image_mean": [0.4] * 3, "image_std": [0.25] * 3}
    config = PixelConfig.of(settings, side_px=48)
    expected = Pixels(config, device=CPU, dtype=torch.float32).squares(frames, cuts)
    found = Pixels(config, device=torch.device("cuda"), dtype=torch.float32).squares(IMAGES, cuts)
    off = (found.cpu() - expected).abs() * 0.25 * 255
    assert off.max() <= 2.01
    assert (off > 0.5).float().mean() < 0.1
