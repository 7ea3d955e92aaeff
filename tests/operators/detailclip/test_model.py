"""The file of a fusion, and its windows. Catches a file that is loaded as another fusion, vectors that depend on the
rest of the batch, and a fusion that accepts another model's vectors."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from operators.detailclip.cover import CoverConfig, Covered, CoverVectors
from operators.detailclip.fusion import Fusion, FusionShape
from operators.detailclip.model import load_detail_model, save_detail_model
from operators.proposals.windows.complete_cover import cover_windows
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray, VectorSpace, normalise

SPACE = VectorSpace("m", "r", 8, "p")
COVER = CoverConfig(k=2, crop_px=64)


@pytest.fixture
def fusion() -> Fusion:
    torch.manual_seed(1)
    return Fusion(FusionShape(8, proxies=3, width=8, heads=2, hidden=8)).eval()


def picture(windows: int, seed: int) -> Covered:
    drawn = normalise(np.random.default_rng(seed).normal(size=(windows + 1, 8)).astype(np.float32))
    return Covered(drawn[1:], drawn[0])


def test_a_file_gives_the_same_vectors_again(fusion: Fusion, tmp_path: Path) -> None:
    path = tmp_path / "to" / "detail.safetensors"
    revision = save_detail_model(path, fusion, space=SPACE, cover=COVER)
    loaded = load_detail_model(path)
    assert (loaded.space, loaded.cover, loaded.revision) == (SPACE, COVER, revision)
    pictures = [picture(5, 0), picture(7, 1)]
    got = loaded(pictures)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-6)
    for row, each in zip(got, pictures, strict=True):
        with torch.inference_mode():
            expected = fusion(torch.from_numpy(each.windows)[None], torch.from_numpy(each.whole)[None])[0]
        np.testing.assert_allclose(row, expected.numpy(), atol=1e-6)
        assert (loaded([each])[0] == row).all()
    assert save_detail_model(tmp_path / "again", fusion, space=SPACE, cover=COVER) == revision
    assert [p.name for p in path.parent.iterdir()] == ["detail.safetensors"]


def test_another_model_s_vectors_are_refused(fusion: Fusion, tmp_path: Path) -> None:
    path = tmp_path / "detail.safetensors"
    save_detail_model(path, fusion, space=SPACE, cover=COVER)
    model = load_detail_model(path)
    model.require_space(replace(SPACE, model="the same in another folder"))
    with pytest.raises(ModelError, match="train another"):
        model.require_space(replace(SPACE, revision="other"))


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.safetensors is not a detail model"):
        load_detail_model(tmp_path / "absent.safetensors")
    (tmp_path / "wrong").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="wrong is not a detail model"):
        load_detail_model(tmp_path / "wrong")


class MeanColour:
    """Stands where an encoder does: the vector of a box is its mean colour and its side."""

    space = SPACE

    def encode_images(self, images: Sequence[ImageArray], *, maps: Sequence[FeatureMap] | None = None) -> VectorArray:
        del maps
        return np.stack([np.resize(image.mean(axis=(0, 1)), 8) for image in images]).astype(np.float32)

    def encode_regions(
        self, images: Sequence[ImageArray], boxes: Sequence[Boxes], *, context: float, side_px: int
    ) -> VectorArray:
        assert (context, side_px) == (1.0, COVER.crop_px)
        means = []
        for image, part in zip(images, boxes, strict=True):
            height, width, _ = image.shape
            for x0, y0, x1, y1 in part.to_pixels(width_px=width, height_px=height).tolist():
                means.append(np.resize(image[y0:y1, x0:x1].mean(axis=(0, 1)), 8))
        return np.stack(means).astype(np.float32)


def test_windows_are_those_of_complete_cover_picture_by_picture() -> None:
    rng = np.random.default_rng(0)
    square = rng.integers(0, 255, (80, 80, 3), dtype=np.uint8)
    wide = rng.integers(0, 255, (60, 90, 3), dtype=np.uint8)
    cover = CoverVectors(COVER, MeanColour())  # type: ignore[arg-type]
    found = cover([square, wide])
    assert [len(f.windows) for f in found] == [5, len(cover_windows(2, width_px=90, height_px=60).boxes)]
    np.testing.assert_allclose(found[0].windows[0], found[0].whole)  # the largest window is the frame
    np.testing.assert_allclose(found[1].windows, cover([wide])[0].windows)
    assert cover([]) == []


def test_vectors_of_unlike_length_are_no_picture() -> None:
    with pytest.raises(InvalidValueError, match="windows must be"):
        Covered(np.zeros((3, 8), np.float32), np.zeros(4, np.float32))
