"""Keeps on disk what was received of recordings that are not complete in the lake, for the follower after a kill."""

import json
import logging
import threading
from collections.abc import Collection, Iterable
from pathlib import Path

from operators.runtime.atomic_write import atomic_write
from pipeline.lake.ledger import SourceEntry
from pipeline.live.account.losses import Ending, Received, close_recording
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.stored_json import VERSION, received_from_json, received_to_json, require_version
from schemas.sources import Segment

FOLLOWER_KILLED = "the follower was killed"
_log = logging.getLogger(__name__)


class InFlight:
    """How many frames of each recording were received, until its end is in the lake. Thread-safe.

    file: JSON, replaced by each write. earlier: what an earlier follower left there.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.earlier = _read(file)
        self._named = {each.source.id: each for each in self.earlier}
        self._unnamed: list[Received] = []  # their ids may change with every frame
        self._written: tuple[Received, ...] = self.earlier
        self._refused = False  # by the disk, the last time

    def close_earlier(self, left: Iterable[SourceEntry], spooled: Collection[tuple[Segment, int]]) -> Batch:
        """The batch that completes the recordings of an earlier follower: see `closing`."""
        batch = closing(left, self.earlier, spooled)
        kept = {ended.source.id for ended in batch.ended}
        with self._lock:
            self._named = {name: each for name, each in self._named.items() if name in kept}
        return batch

    def report(self, received: Iterable[Received]) -> None:
        """Records what all feeds received of each recording that is current, or whose end was not polled."""
        with self._lock:
            self._unnamed = []
            for each in received:
                if each.emitted:
                    self._named[each.source.id] = each
                else:
                    self._unnamed.append(each)

    def settle(self, batch: Batch) -> None:
        """Forgets the recordings whose end was committed with a batch."""
        with self._lock:
            for ended in batch.ended:
                self._named.pop(ended.source.id, None)

    def write(self) -> None:
        """Writes the file; where that fails, the file stays as it was."""
        with self._lock:
            now = (*self._named.values(), *self._unnamed)
        if now == self._written:
            return
        try:
            with atomic_write(self._file) as path:
                path.write_text(json.dumps({"version": VERSION, "received": [received_to_json(each) for each in now]}))
        except OSError as error:
            if not self._refused:
                reason = f"{type(error).__name__}: {error}"
                _log.warning(
                    "the counts of received frames cannot be written to %s: %s",
                    self._file,
                    reason,
                    extra={"error": reason},
                )
            self._refused = True
        else:
            self._written, self._refused = now, False


def closing(
    left: Iterable[SourceEntry], received: Iterable[Received], spooled: Collection[tuple[Segment, int]]
) -> Batch:
    """The batch that completes the recordings that a killed follower left open.

    left: those recordings, from the ledger. received: what is known to have been received of them. spooled: segments
    that wait on disk, with their numbers of frames.
    """
    known = {each.source.id: each for each in received}
    endings: list[Ending] = []
    for entry in left:
        source = entry.source
        assert source is not None
        settled = {name: (segment.span, segment.frames) for name, segment in entry.segments.items()}
        settled |= {each.id: (each.span, frames) for each, frames in spooled if each.source.id == source.id}
        endings += close_recording(
            source, known.get(source.id), list(settled.values()), plan_hash=entry.plan, reason=FOLLOWER_KILLED
        )
    return Batch.of(endings)


def _read(file: Path) -> tuple[Received, ...]:
    try:
        stored = json.loads(file.read_text())
        require_version(stored)
        return tuple(received_from_json(each) for each in stored["received"])
    except FileNotFoundError:
        return ()
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        _log.error("the losses of an earlier follower are not known: %s: %s", file, reason, extra={"error": reason})
        return ()
