"""Reads still pictures: JPEG, PNG, WebP, BMP and TIFF, recognised by their bytes, not by their names."""

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from schemas.errors import DecodeError, SourceError
from schemas.frames import ImageArray

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})  # for searching folders
_SWAPS_AXES = (5, 6, 7, 8)  # values of the EXIF tag Orientation
_ORIENTATION_TAG = 0x0112


def picture_header(path: str) -> tuple[str, int, int] | None:
    """(format, width, height) as shown, e.g. ("jpeg", 640, 480); None if the file is not a picture.

    Raises SourceError for a picture so large that it may be a decompression bomb.
    """
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            width, height = picture.size
            if picture.getexif().get(_ORIENTATION_TAG) in _SWAPS_AXES:
                width, height = height, width
            return (picture.format or "").lower(), width, height
    except UnidentifiedImageError:
        return None
    except Image.DecompressionBombError as error:
        raise SourceError(f"{path} is refused: {error}") from None


def read_picture(path: str, *, max_side_px: int | None = None) -> ImageArray:
    """uint8 (H, W, 3), RGB, EXIF orientation applied, scaled down where a side is longer than `max_side_px`.

    Transparent pixels are blended with white. Of several pictures in one file, the first is read.
    Raises DecodeError when the pixels cannot be read.
    """
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            shown = ImageOps.exif_transpose(picture)
            rgb = _to_rgb(shown)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DecodeError(f"{path} cannot be decoded: {error}") from None
    if max_side_px is not None and max(rgb.size) > max_side_px:
        rgb.thumbnail((max_side_px, max_side_px), Image.Resampling.BOX)
    return np.array(rgb)


def decode_thumbnail(jpeg: bytes) -> ImageArray:
    """Decodes a JPEG that this project wrote. Returns uint8 (H, W, 3), RGB."""
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        return np.array(picture.convert("RGB"))


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):  # convert() would clip 16-bit grey at 255
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return picture.convert("RGB")
