"""Batches that wait on disk while the lake is out of reach."""

import logging
from pathlib import Path

from operators.runtime.atomic_write import atomic_write
from pipeline.live.commits.batch import Batch, read_batch, write_batch
from schemas.errors import LakeError
from schemas.sources import Segment

_SUFFIX = ".zip"
_log = logging.getLogger(__name__)


class Spool:
    """Batches in files of a folder, first in first out; they outlive the process.

    Files are written atomically (their format: pipeline/live/commits/batch.py). Those of earlier processes that cannot
    be read, because another release wrote them or they are damaged, are set aside and named in the log.
    segments: those that the folder held at first, each with the number of frames that it accounts for.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.segments: list[tuple[Segment, int]] = []
        self._next = 0
        for path in self._files():
            try:
                self.segments += read_batch(path).segments
            except (LakeError, OSError) as error:
                aside = path.replace(path.with_suffix(".unreadable"))
                _log.error(
                    "rows that waited for the lake cannot be read and are kept as %s: %s",
                    aside,
                    error,
                    extra={"error": str(error)},
                )
            self._next = int(path.stem) + 1

    def __len__(self) -> int:
        return len(self._files())

    def append(self, batch: Batch) -> None:
        """Adds a batch. Raises OSError where it cannot be written."""
        with atomic_write(self.folder / f"{self._next:012}{_SUFFIX}") as path:
            write_batch(path, batch)
        self._next += 1

    def oldest(self) -> tuple[Path, Batch] | None:
        """The first batch and its file, which stays until it is unlinked."""
        for path in self._files():
            return path, read_batch(path)
        return None

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{_SUFFIX}"))
