"""Decodes single pictures, of a query or of somebody's lake, in a child process that the kernel confines."""

import os
import threading
from functools import cache
from types import MappingProxyType

from operators.readers.limits import DEFAULT_LIMITS, ReadLimits
from operators.readers.media_file import MediaFile
from pipeline.reading.child import Child
from pipeline.reading.picture_child import DecodedPicture, PictureRequest
from schemas.errors import DecodeError, RegionLakeError
from schemas.frames import ImageArray

CHILD_CODE = "from pipeline.reading.picture_child import main; main()"
_ENVIRONMENT = MappingProxyType({"OPENBLAS_NUM_THREADS": "1"})  # one thread, which the sandbox binds
_TIMEOUT_S = 120.0
_MOST_BYTES = 1 << 30


class PictureProcess:
    """A child that decodes pictures; it starts with the first one, and again after one that killed it.

    It may be used from any thread, and ends with this process at the latest.
    limits: what a picture may be at most, and what the child may use.
    """

    def __init__(self, limits: ReadLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._child: Child | None = None

    def picture(self, path: str) -> ImageArray:
        """See `read_picture`."""
        with MediaFile.open(path) as file:
            if file.size_bytes > _MOST_BYTES:
                raise DecodeError(f"{file.shown} has {file.size_bytes:,} bytes, a picture at most {_MOST_BYTES:,}")
            return self.decode(os.pread(file.descriptor, _MOST_BYTES, 0), name=file.shown)

    def decode(self, content: bytes, *, name: str) -> ImageArray:
        """See `decode_picture`."""
        return self._ask(PictureRequest(content, name))

    def thumbnail(self, jpeg: bytes) -> ImageArray:
        """See `decode_thumbnail`."""
        return self._ask(PictureRequest(jpeg, None))

    def close(self) -> None:
        """Kills the child."""
        with self._lock:
            self._end()

    def _ask(self, request: PictureRequest) -> ImageArray:
        what = request.name or "a thumbnail"
        with self._lock:
            try:
                if self._child is None:
                    self._child = Child(CHILD_CODE, environment=_ENVIRONMENT)
                    self._child.connection.send(self._limits)
                self._child.connection.send(request)
                if not self._child.connection.poll(_TIMEOUT_S):
                    self._end()
                    raise DecodeError(f"{what} cannot be decoded: no end after {_TIMEOUT_S:g} s")
                answer = self._child.receive()
            except RegionLakeError:
                raise
            except (EOFError, OSError) as error:
                reason = "never started" if self._child is None else self._child.exit_reason()
                self._end()
                raise DecodeError(f"{what} cannot be decoded: the process died of it ({reason})") from error
        if isinstance(answer, RegionLakeError):
            raise answer
        if not isinstance(answer, DecodedPicture):
            raise DecodeError(f"{what} cannot be decoded: {type(answer).__name__} is no picture")
        return answer.image

    def _end(self) -> None:
        if self._child is not None:
            self._child.close()
        self._child = None


@cache
def confined_pictures() -> PictureProcess:
    """The child of this process that decodes pictures."""
    return PictureProcess()
