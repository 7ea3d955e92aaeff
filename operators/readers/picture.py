"""Reads still pictures: JPEG, PNG, WebP, BMP and TIFF, recognised by their bytes, not by their names."""

import io
import struct
from contextlib import suppress
from typing import BinaryIO

import numpy as np
from PIL import (
    BmpImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from operators.readers.limits import DEFAULT_LIMITS, ReadLimits
from operators.readers.media_file import Media, opened
from schemas.errors import DecodeError, SourceError
from schemas.frames import ImageArray

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
# imported before a sandbox forbids to open files; each registers its format with Pillow
_PLUGINS = (BmpImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin)
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})  # for searching folders
_SWAPS_AXES = (5, 6, 7, 8)  # values of the EXIF tag Orientation
_ORIENTATION_TAG = 0x0112
_THUMBNAIL_PX = 40_000_000  # an 8K frame in full size has 33 million
# what Pillow raises for damaged files
_DAMAGED = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, struct.error)


def picture_header(media: Media, limits: ReadLimits = DEFAULT_LIMITS) -> tuple[str, int, int] | None:
    """(format, width, height) as shown, e.g. ("jpeg", 640, 480); None if the file is not a picture.

    Raises SourceError for a picture that exceeds the limits, or whose header is damaged.
    """
    with opened(media) as file:
        try:
            with _picture(io.BufferedReader(file.view()), file.shown, limits) as picture:
                width, height = picture.size
                if picture.getexif().get(_ORIENTATION_TAG) in _SWAPS_AXES:
                    width, height = height, width
                return (picture.format or "").lower(), width, height
        except UnidentifiedImageError:
            return None
        except _DAMAGED as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"{file.shown} cannot be read as a picture: {error}") from None


def read_picture(media: Media, *, max_side_px: int | None = None, limits: ReadLimits = DEFAULT_LIMITS) -> ImageArray:
    """uint8 (H, W, 3), RGB, EXIF orientation applied, scaled down where a side is longer than `max_side_px`.

    Transparent pixels are blended with white. Of several pictures in one file, the first is read.
    Raises SourceError for a file that cannot be opened or exceeds the limits, DecodeError when its pixels cannot be
    read.
    """
    with opened(media) as file:
        rgb = _decoded(io.BufferedReader(file.view()), file.shown, limits)
    if max_side_px is not None and max(rgb.size) > max_side_px:
        rgb.thumbnail((max_side_px, max_side_px), Image.Resampling.BOX)
    return np.array(rgb)


def decode_picture(content: bytes, *, name: str, limits: ReadLimits = DEFAULT_LIMITS) -> ImageArray:
    """See `read_picture`. content: the bytes of the picture. name: of its file, for messages."""
    return np.array(_decoded(io.BytesIO(content), name, limits))


def decode_thumbnail(jpeg: bytes) -> ImageArray:
    """Decodes a JPEG from a lake. Returns uint8 (H, W, 3), RGB.

    Raises DecodeError for another format, or more pixels than a thumbnail has: the lake may be somebody else's.
    """
    try:
        with JpegImagePlugin.JpegImageFile(io.BytesIO(jpeg)) as picture:
            width, height = picture.size
            if width * height > _THUMBNAIL_PX:
                raise DecodeError(f"a thumbnail of {width}×{height} is larger than any that RegionLake writes")
            return np.array(picture.convert("RGB"))
    except _DAMAGED as error:
        if isinstance(error, DecodeError):
            raise
        what = "cannot be decoded" if jpeg[:3] == b"\xff\xd8\xff" else "is no JPEG"
        raise DecodeError(f"a thumbnail {what}: {error}") from None


def _decoded(stream: BinaryIO, name: str, limits: ReadLimits) -> Image.Image:
    try:
        with _picture(stream, name, limits) as picture:
            return _to_rgb(ImageOps.exif_transpose(picture))
    except _DAMAGED as error:
        if isinstance(error, SourceError):
            raise
        raise DecodeError(f"{name} cannot be decoded: {error}") from None


def _picture(stream: BinaryIO, name: str, limits: ReadLimits) -> Image.Image:
    """The picture in a file, not decoded yet. Raises SourceError where it has too many pixels."""
    picture = _recognised(stream, name)
    try:
        limits.require_size(name, *picture.size)
    except SourceError:
        picture.close()
        raise
    return picture


def _recognised(file: BinaryIO, name: str) -> Image.Image:
    """`Image.open` without Pillow's own limit of pixels, which only a change of the whole process could raise.

    Raises UnidentifiedImageError.
    """
    prefix = file.read(16)
    for kind in _FORMATS:
        factory, accept = Image.OPEN[kind]
        if accept is not None and accept(prefix) is True:
            file.seek(0)
            with suppress(SyntaxError, IndexError, TypeError, struct.error):  # as in Image.open: the next may fit
                return factory(file, "")
    raise UnidentifiedImageError(f"{name} is no picture")


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):  # convert() would clip 16-bit grey at 255
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return picture.convert("RGB")
