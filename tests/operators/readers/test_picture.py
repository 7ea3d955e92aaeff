"""Catches pictures that are read with wrong colours, in the wrong orientation, or only in part."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.readers.picture import decode_thumbnail, picture_header, read_picture
from schemas.errors import DecodeError


def test_colours_come_in_the_order_red_green_blue(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), (250, 100, 5)).save(tmp_path / "p.png")
    picture = read_picture(str(tmp_path / "p.png"))
    assert picture.dtype == np.uint8
    assert picture.shape == (2, 3, 3)
    assert picture[0, 0].tolist() == [250, 100, 5]


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:10, :15] = 255  # upper left as stored
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to show
    Image.fromarray(pixels).save(tmp_path / "p.jpg", exif=exif, quality=95)
    shown = read_picture(str(tmp_path / "p.jpg"))
    assert shown.shape == (30, 20, 3)
    assert shown[5, 15].mean() > 200  # now upper right
    assert shown[5, 5].mean() < 50


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [("L", 77, [77] * 3), ("RGBA", (255, 0, 0, 0), [255] * 3), ("P", 0, None), ("CMYK", (0, 0, 0, 0), [255] * 3)],
)
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, colour: int, expected: list[int] | None) -> None:
    path = tmp_path / ("p.tiff" if mode == "CMYK" else "p.png")
    Image.new(mode, (4, 4), colour).save(path)
    picture = read_picture(str(path))
    assert picture.shape == (4, 4, 3)
    if expected is not None:
        assert picture[0, 0].tolist() == expected


def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 0x8000, np.uint16)).save(tmp_path / "p.png")
    assert read_picture(str(tmp_path / "p.png"))[0, 0].tolist() == [128] * 3


def test_a_picture_is_scaled_down_and_never_up(tmp_path: Path) -> None:
    Image.new("RGB", (100, 50)).save(tmp_path / "p.png")
    assert read_picture(str(tmp_path / "p.png"), max_side_px=20).shape == (10, 20, 3)
    assert read_picture(str(tmp_path / "p.png"), max_side_px=200).shape == (50, 100, 3)


def test_half_a_picture_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(DecodeError, match=r"half\.jpg"):
        read_picture(str(tmp_path / "half.jpg"))


def test_what_is_no_picture_has_no_header(tmp_path: Path) -> None:
    (tmp_path / "p.jpg").write_text("no picture")
    assert picture_header(str(tmp_path / "p.jpg")) is None


def test_a_thumbnail_that_somebody_else_wrote_is_a_jpeg_of_few_pixels(tmp_path: Path) -> None:
    """A lake may be hostile: Pillow knows dozens of formats, one of which starts Ghostscript."""
    Image.new("RGB", (40, 30), "red").save(tmp_path / "p.png")
    with pytest.raises(DecodeError, match="thumbnail is no JPEG"):
        decode_thumbnail((tmp_path / "p.png").read_bytes())
    with pytest.raises(DecodeError, match="thumbnail is no JPEG"):
        decode_thumbnail(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    content = io.BytesIO()
    Image.new("L", (8000, 8000)).save(content, "JPEG", quality=1)
    with pytest.raises(DecodeError, match="thumbnail of 8000×8000 is larger than any that RegionLake writes"):
        decode_thumbnail(content.getvalue())
    noise, half = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8), io.BytesIO()
    Image.fromarray(noise).save(half, "JPEG")
    with pytest.raises(DecodeError, match="thumbnail cannot be decoded"):
        decode_thumbnail(half.getvalue()[: len(half.getvalue()) // 2])
