"""Batches that wait on disk while the lake is out of reach."""

import errno
import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from operators.runtime.atomic_write import atomic_write
from operators.runtime.file_sync import make_folder
from pipeline.live.commits.batch import Batch, Refusal, read_batch, write_batch
from pipeline.live.commits.refused_batches import SUFFIX, RefusedBatches
from pipeline.plan.stored_plan import StoredPlan
from schemas.errors import LakeError
from schemas.sources import Segment

_LEAST_FREE_BYTES = 2**30  # of the disk, but at most the share below: others need it too, and so do status and counts
_LEAST_FREE_SHARE = 0.02
_log = logging.getLogger(__name__)


class Spool:
    """Batches in files of a folder, first in first out; they outlive the process.

    Files are written atomically (their format: pipeline/live/commits/batch.py). One that cannot be read, because
    another release wrote it or it is damaged, is set aside among the refused batches and named in the log.
    refused: the folder of batches that the lake does not accept.
    plan: under which batches were recorded that name no other.
    least_free_bytes: how much of the disk stays free; by default a GiB, or 2 % of a smaller disk.
    segments: those that the folder held at first, each with the number of frames that it accounts for.
    """

    def __init__(
        self,
        folder: Path,
        *,
        refused: Path | None = None,
        plan: StoredPlan | None = None,
        least_free_bytes: int | None = None,
    ) -> None:
        self.folder = folder
        make_folder(folder, mode=0o700)
        self.refused = RefusedBatches(refused or folder / "refused", spool=folder)
        self.segments: list[tuple[Segment, int]] = []
        self._plan = plan
        self._least_free_bytes = least_free_bytes
        self._seen = self.refused.changed()
        for path in self._on_disk():
            try:
                self.segments += read_batch(path).segments
            except (LakeError, OSError) as error:
                self._set_aside(path, error)
        self._files = self._on_disk()  # in memory: to list a folder of a day's batches for each would take hours
        self._next = 1 + max((*(int(file.stem) for file in self._files), *self.refused.numbers()), default=-1)

    def __len__(self) -> int:
        return len(self._files)

    def append(self, batch: Batch) -> None:
        """Adds a batch. Raises OSError where it cannot be written, or where the disk is nearly full."""
        self._require_space()
        file = self.folder / self._new_name()
        with atomic_write(file) as path:
            write_batch(path, batch if batch.plan is not None else replace(batch, plan=self._plan))
        self._next += 1
        self._files.append(file)

    def oldest(self) -> tuple[Path, Batch] | None:
        """The first batch and its file, which stays until it is removed."""
        while self._files:
            file = self._files[0]
            try:
                return file, read_batch(file)
            except FileNotFoundError as error:
                _log.error("rows that waited for the lake are gone: %s", file, extra={"error": str(error)})
            except LakeError as error:
                self._set_aside(file, error)
            del self._files[0]
        return None

    def following(self) -> Iterator[Batch]:
        """The batches after the oldest, as far as they can be read."""
        for file in self._files[1:]:
            try:
                yield read_batch(file)
            except (LakeError, OSError):  # reported once it is the oldest
                continue

    def remove(self, file: Path) -> None:
        """Removes a batch that was committed or refused."""
        file.unlink(missing_ok=True)
        self._files.remove(file)

    def refuse(self, file: Path | None, batch: Batch, *, reason: str, at: datetime) -> Path:
        """Keeps what the lake refused of a batch, whose file it may be. Raises OSError where it cannot be written."""
        name = self._new_name() if file is None else file.name
        if batch.plan is None:
            batch = replace(batch, plan=self._plan)
        kept = self.refused.keep(Path(name).stem, batch, Refusal(at.astimezone(UTC), reason))
        self._next += file is None
        return kept

    @property
    def changed(self) -> bool:
        """Whether the refused batches changed since `look()`: a command may have moved some of them back."""
        return self.refused.changed() != self._seen

    def look(self) -> None:
        """Reads again which batches wait."""
        self._seen = self.refused.changed()
        self._files = self._on_disk()
        self._next = max(self._next, 1 + max((int(file.stem) for file in self._files), default=-1))

    def _new_name(self) -> str:
        return f"{self._next:012}{SUFFIX}"

    def _require_space(self) -> None:
        disk = shutil.disk_usage(self.folder)
        least = self._least_free_bytes
        if least is None:
            least = min(_LEAST_FREE_BYTES, int(disk.total * _LEAST_FREE_SHARE))
        if disk.free < least:
            raise OSError(
                errno.ENOSPC,
                f"the disk is nearly full: {disk.free / 2**20:,.0f} MiB are free, and {least / 2**20:,.0f} MiB stay so",
            )

    def _set_aside(self, file: Path, error: Exception) -> None:
        kept = self.refused.keep_unreadable(file)
        text = "rows that waited for the lake cannot be read and are kept as %s: %s"
        _log.error(text, kept, error, extra={"error": str(error)})

    def _on_disk(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{SUFFIX}"))
