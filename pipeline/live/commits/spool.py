"""Batches that wait on disk while the lake is out of reach."""

import logging
import pickle
from dataclasses import dataclass
from pathlib import Path

from operators.runtime.atomic_write import atomic_write
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.live.feeds.feed_buffer import Lost
from pipeline.live.feeds.recorder import RecordingEnded
from schemas.sources import Segment

_SUFFIX = ".batch"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit adds, in this order: rows, stretches that are lost, recordings that ended."""

    rows: tuple[SegmentRows, ...] = ()
    lost: tuple[Lost, ...] = ()
    ended: tuple[RecordingEnded, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rows or self.lost or self.ended)

    @property
    def nbytes(self) -> int:
        return sum(rows.frames.nbytes + rows.regions.nbytes for rows in self.rows)


class Spool:
    """Batches in files of a folder, first in first out; they outlive the process.

    Files are whole or not there, and hold Python pickles: nobody else may write to the folder. Those of earlier
    processes that cannot be read (another version wrote them, or the disk lost them) are set aside, and named in the
    log.
    segments: that were in it at first, each with how many frames it tells of.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.segments: list[tuple[Segment, int]] = []
        self._next = 0
        for path in self._files():
            try:
                self.segments += _segments(_read(path))
            except Exception as error:  # a pickle can raise anything
                aside = path.replace(path.with_suffix(".unreadable"))
                told = f"{type(error).__name__}: {error}"
                _log.error(
                    "rows that waited for the lake cannot be read, see %s: %s", aside, told, extra={"error": told}
                )
            self._next = int(path.stem) + 1

    def __len__(self) -> int:
        return len(self._files())

    def append(self, batch: Batch) -> None:
        """Raises OSError where the disk refuses."""
        with atomic_write(self.folder / f"{self._next:012}{_SUFFIX}") as path:
            path.write_bytes(pickle.dumps(batch, protocol=pickle.HIGHEST_PROTOCOL))
        self._next += 1

    def oldest(self) -> tuple[Path, Batch] | None:
        """The first batch and its file, which stays until it is unlinked."""
        for path in self._files():
            return path, _read(path)
        return None

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{_SUFFIX}"))


def _segments(batch: Batch) -> list[tuple[Segment, int]]:
    done = [(rows.segment, rows.report.frames_decoded) for rows in batch.rows]
    return done + [(lost.segment, lost.frames) for lost in batch.lost]


def _read(path: Path) -> Batch:
    batch = pickle.loads(path.read_bytes())
    assert isinstance(batch, Batch)
    return batch
