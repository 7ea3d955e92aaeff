"""The child process of pipeline/reading/picture_process.py: it decodes pictures from their bytes, and opens nothing."""

import warnings
from dataclasses import dataclass

from operators.readers.limits import ReadLimits
from operators.readers.picture import decode_picture, decode_thumbnail
from operators.sandbox.confinement import Confinement, confine
from pipeline.reading.child import child_connection
from schemas.errors import DecodeError, RegionLakeError
from schemas.frames import ImageArray


@dataclass(frozen=True, slots=True, eq=False)
class PictureRequest:
    """A request that is answered by an image, or by an error.

    content: the bytes of a picture. name: of its file; None for a thumbnail of a lake.
    """

    content: bytes
    name: str | None


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPicture:
    """image: uint8 (H, W, 3), RGB."""

    image: ImageArray


def main() -> None:
    """Runs the child."""
    connection, limits = child_connection(_confine)
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        try:
            connection.send(DecodedPicture(_decoded(request, limits)))
        except RegionLakeError as error:
            connection.send(error)


def _confine(limits: ReadLimits) -> None:
    warnings.simplefilter("ignore")  # of Pillow, about files that are damaged and readable
    confine(Confinement(memory_bytes=int(limits.memory_gib * 2**30)))


def _decoded(request: PictureRequest, limits: ReadLimits) -> ImageArray:
    try:
        if request.name is None:
            return decode_thumbnail(request.content)
        return decode_picture(request.content, name=request.name, limits=limits)
    except MemoryError:
        raise DecodeError(
            f"{request.name or 'a thumbnail'} cannot be decoded with {limits.memory_gib:g} GiB of memory"
        ) from None
