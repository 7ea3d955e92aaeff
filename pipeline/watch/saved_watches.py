"""Watches that are saved by a service: a file of watches beside the lake, and the pictures that they look for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import tomli_w
from PIL import Image

from operators.runtime.atomic_write import atomic_write
from operators.runtime.file_lock import file_lock
from pipeline.watch.watch_list import ListedWatch, read_list, table_of
from schemas.errors import PlanError
from schemas.frames import ImageArray

_PICTURES = "pictures"


class SavedWatches:
    """A TOML file of watches, which `regionlake watch --queries` reads too, and the folder of pictures beside it.

    Every change replaces the whole file atomically, and processes change it one after the other. All methods raise
    PlanError where the file cannot be read or changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[ListedWatch]:
        """The watches in the order in which they were saved."""
        return read_list(self.path) if self.path.exists() else []

    def save(self, listed: ListedWatch, *, most: int, new: bool) -> None:
        """Adds a watch, or replaces the one of its name. Raises PlanError where there would be more than `most`.

        new: whether there must not be one of that name, or there must.
        """
        with self._changing() as watches:
            if new == (listed.watch.name in watches):
                raise PlanError(f"there is {'a' if new else 'no'} watch {listed.watch.name}{' already' if new else ''}")
            if new and len(watches) >= most:
                raise PlanError(f"there are {len(watches)} watches; remove one before you save another")
            self._write({**watches, listed.watch.name: listed})
            self._drop_picture(watches.get(listed.watch.name))

    def remove(self, name: str) -> bool:
        """Returns whether there was one of that name. Pictures that no other watch looks for are removed as well."""
        with self._changing() as watches:
            if name not in watches:
                return False
            self._write({other: each for other, each in watches.items() if other != name})
            self._drop_picture(watches[name])
        return True

    def keep_picture(self, pixels: ImageArray, *, id: str) -> Path:
        """Keeps a picture for a watch. pixels: uint8 (H, W, 3), RGB; id: a digest of them."""
        path = self.path.parent / _PICTURES / f"{id}.png"
        if not path.exists():
            with self._errors(), atomic_write(path) as made:
                Image.fromarray(pixels).save(made, "PNG", compress_level=1)
        return path.absolute()

    def picture(self, id: str) -> bytes | None:
        """The file of a kept picture; None where none of this id is kept."""
        if not (id.isascii() and id.isalnum()):
            return None
        path = self.path.parent / _PICTURES / f"{id}.png"
        with self._errors():
            return path.read_bytes() if path.exists() else None

    def _write(self, watches: Mapping[str, ListedWatch]) -> None:
        folder = self.path.absolute().parent
        tables = {name: table_of(each, folder=folder) for name, each in watches.items()}
        with atomic_write(self.path) as path:
            path.touch(mode=0o600)
            path.write_text(tomli_w.dumps({"watch": tables}), encoding="utf-8")

    def _drop_picture(self, before: ListedWatch | None) -> None:
        """Removes the picture of a watch that was replaced or removed, unless another watch looks for it."""
        image = None if before is None else before.watch.query.image
        if isinstance(image, str) and image not in {each.watch.query.image for each in self.read()}:
            Path(image).unlink(missing_ok=True)

    @contextmanager
    def _changing(self) -> Iterator[Mapping[str, ListedWatch]]:
        with self._errors(), file_lock(self.path):
            yield {each.watch.name: each for each in self.read()}

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PlanError(f"{self.path.name} cannot be changed: {error.strerror or error}") from None
