"""Caches vectors of windows on disk, one file per picture, as encoding takes most of the time of a training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from operators.detailclip.cover import Covered, CoverVectors
from operators.runtime.atomic_write import atomic_write
from schemas.frames import ImageArray
from schemas.ids import digest


class CoverCache:
    """A cache below `folder`, by what vectors depend on: the model, the windows, and a key of the picture.

    Entries survive a kill. The folder can be deleted; it is then filled again.
    """

    def __init__(self, folder: Path, cover: CoverVectors) -> None:
        space = cover.space
        self._folder = folder / digest("cover", 1, space.revision, space.preprocessing, repr(cover.config))
        self._cover = cover

    def __contains__(self, key: str) -> bool:
        return self._path(key).exists()

    def __getitem__(self, key: str) -> Covered:
        """The vectors of a picture. Raises KeyError for a picture that is not in the cache."""
        try:
            with np.load(self._path(key)) as file:
                return Covered(file["windows"].astype(np.float32), file["whole"])
        except FileNotFoundError:
            raise KeyError(key) from None

    def add(self, keys: Sequence[str], images: Sequence[ImageArray]) -> None:
        """Encodes pictures and stores their vectors; windows as float16, which halves the size and changes no cosine
        noticeably."""
        for key, covered in zip(keys, self._cover(images), strict=True):
            with atomic_write(self._path(key)) as made:
                np.savez(made, windows=covered.windows.astype(np.float16), whole=covered.whole)

    def _path(self, key: str) -> Path:
        return self._folder / f"{digest(key)}.npz"
