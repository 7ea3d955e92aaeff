"""Pictures that were uploaded for queries: decoded in a confined process, kept for a while, and found by their ids."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from deploy.server.answers import RequestError
from operators.readers.limits import ReadLimits
from pipeline.reading.picture_process import PictureProcess
from schemas.errors import DecodeError, SourceError
from schemas.pictures import Picture

MOST_BYTES = 32 * 2**20  # of an upload
_LIMITS = ReadLimits(frame_px=50_000_000, memory_gib=2.0)
_KEPT = 64
_KEPT_BYTES = 512 * 2**20  # of pixels


class Uploads:
    """The pictures that were used last, up to a number and a size. Any thread may call it.

    kept: the bytes of a picture that is kept elsewhere, by its id; None for one that is not.
    """

    def __init__(self, *, kept: Callable[[str], bytes | None] = lambda _: None) -> None:
        self._kept = kept
        self._process = PictureProcess(_LIMITS)
        self._lock = threading.Lock()
        self._pictures: OrderedDict[str, Picture] = OrderedDict()

    def add(self, content: bytes) -> tuple[str, Picture]:
        """The picture and its id, which depends on its pixels alone. Raises RequestError for what is no picture."""
        try:
            picture = Picture.of(self._process.decode(content, name="the upload"))
        except (SourceError, DecodeError) as error:
            raise RequestError(415, f"{error}; send the bytes of a JPEG, PNG, WebP, BMP or TIFF") from None
        with self._lock:
            self._pictures[picture.id] = picture
            self._pictures.move_to_end(picture.id)
            while len(self._pictures) > _KEPT or self._held_bytes() > _KEPT_BYTES:
                self._pictures.popitem(last=False)
        return picture.id, picture

    def find(self, id: str) -> Picture:
        """Raises RequestError with 404 for one that is not kept."""
        with self._lock:
            found = self._pictures.get(id)
            if found is not None:
                self._pictures.move_to_end(id)
                return found
        content = self._kept(id)
        if content is None:
            raise RequestError(404, "there is no uploaded picture with this id any more; upload it again")
        return self.add(content)[1]

    def close(self) -> None:
        self._process.close()

    def _held_bytes(self) -> int:
        return sum(picture.pixels.nbytes for picture in self._pictures.values())
