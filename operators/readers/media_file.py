"""A file that is open for reading. Readers take its descriptor, so that its name and folder play no further part."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

from schemas.errors import SourceError
from schemas.file_names import printable

if TYPE_CHECKING:
    from typing_extensions import Buffer


class MediaFile:
    """An open regular file, which several readers may read at once; a context manager that closes it.

    descriptor: of the file, open for reading; it is owned by this object.
    name: of the file, for messages; its suffix helps FFmpeg to recognise a format.
    """

    def __init__(self, descriptor: int, *, name: str) -> None:
        self.descriptor = descriptor
        self.name = name

    @classmethod
    def open(cls, path: str, *, name: str | None = None) -> Self:
        """Opens the file at `path`. Raises SourceError with the reason unless it can be read and is not empty.

        name: for messages, if it is not the path.
        """
        name = path if name is None else name
        shown = printable(name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would block
        except FileNotFoundError:
            raise SourceError(f"{shown} does not exist") from None
        except PermissionError:
            raise SourceError(f"{shown} cannot be read: permission denied") from None
        except ValueError as error:  # NUL in the name
            raise SourceError(f"{shown} cannot be read: {error}") from None
        except OSError as error:  # ENXIO: a socket
            raise SourceError(f"{shown} cannot be read: {error.strerror or error}") from None
        file = cls(descriptor, name=name)
        try:
            file.require_media()
        except BaseException:
            file.close()
            raise
        return file

    def require_media(self) -> None:
        """Raises SourceError unless this is a regular file that is not empty."""
        about = os.fstat(self.descriptor)
        if stat.S_ISDIR(about.st_mode):
            raise SourceError(f"{self.shown} is a folder, not a file")
        if not stat.S_ISREG(about.st_mode):
            raise SourceError(f"{self.shown} is not a regular file")
        if not about.st_size:
            raise SourceError(f"{self.shown} is empty (0 bytes)")

    @property
    def shown(self) -> str:
        """The name as text that can be printed and stored."""
        return printable(self.name)

    @property
    def size_bytes(self) -> int:
        return os.fstat(self.descriptor).st_size

    @property
    def path(self) -> str:
        """A path that opens the file again in this process, whatever its name is."""
        return f"/proc/self/fd/{self.descriptor}"

    def view(self) -> "FileView":
        """A file object with a position of its own, which may outlive this object."""
        return FileView(os.dup(self.descriptor), suffix=PurePath(self.name).suffix)

    def close(self) -> None:
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


Media: TypeAlias = str | MediaFile  # a path, or a file that is open


@contextmanager
def opened(media: Media) -> Iterator[MediaFile]:
    """The file, opened for the body of the `with` where it is a path. Raises SourceError, see `MediaFile.open`."""
    if isinstance(media, MediaFile):
        yield media
        return
    with MediaFile.open(media) as file:
        yield file


class FileView(io.RawIOBase):
    """Reads a descriptor from a position of its own: FFmpeg's protocol `fd:` would share it with every duplicate."""

    def __init__(self, descriptor: int, *, suffix: str) -> None:
        self._descriptor = descriptor
        self._at = 0
        self.name = f"file{printable(suffix)}"  # of which FFmpeg uses the suffix alone

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = max(0, os.fstat(self._descriptor).st_size - self._at)
        data = os.pread(self._descriptor, size, self._at)
        self._at += len(data)
        return data

    def readinto(self, buffer: "Buffer", /) -> int:
        count = os.preadv(self._descriptor, [buffer], self._at)
        self._at += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_CUR:
            offset += self._at
        elif whence == os.SEEK_END:
            offset += os.fstat(self._descriptor).st_size
        if offset < 0:
            raise OSError(f"cannot seek to {offset}")
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
