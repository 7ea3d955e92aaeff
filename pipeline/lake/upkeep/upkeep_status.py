"""The status of upkeep, for `regionlake status` and for monitoring."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cattrs
import cattrs.preconf.json

from operators.runtime.atomic_write import atomic_write
from pipeline.lake.upkeep.clock_check import ClockReading, WrongClock
from pipeline.lake.upkeep.holds import Held
from schemas.errors import LakeError
from schemas.tables import TableName

_converter = cattrs.preconf.json.make_converter()


@dataclass(frozen=True, slots=True)
class TableUpkeep:
    """A table before and after a pass: fragments, and bytes of its newest version.

    versions: number of deleted versions. freed_bytes: of their files.
    """

    table: TableName
    fragments_before: int
    fragments_after: int
    bytes_before: int
    bytes_after: int
    versions: int
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class PassReport:
    """Results of a pass of upkeep.

    joined_rows: number by which the ledger's rows decreased. removed, trimmed: recordings and files that were removed
    as a whole, and those of which pinned shots were kept. removed_bytes: their estimated size. indexed: tables whose
    index was refreshed. put_off: fragments that were changed while they were being joined, and are joined later.
    errors: why steps failed; the next pass tries again. held: what was not removed, and waits until it is released.
    clock_ahead_s: how far the wall clock jumped ahead (negative: back) since the last pass whose clock was right; None
    if it did not. video_files, video_bytes: of feeds, removed. video_pinned: files of video beyond the limits in which
    something is pinned. video_moving: that stay beyond the age because something moves in them. video_waits: video is
    not removed by its age until the clock is trusted again.
    """

    began: datetime
    ended: datetime
    tables: tuple[TableUpkeep, ...]
    joined_rows: int
    removed: int
    trimmed: int
    removed_bytes: int
    indexed: tuple[TableName, ...]
    put_off: int
    errors: tuple[str, ...]
    held: tuple[Held, ...] = ()
    clock_ahead_s: float | None = None
    video_files: int = 0
    video_bytes: int = 0
    video_pinned: int = 0
    video_moving: int = 0
    video_waits: bool = False

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds()


@dataclass(frozen=True, slots=True)
class UpkeepStatus:
    """The status of upkeep.

    at: UTC. doing: the current step, None between passes. last: the pass that ended last.
    passes, failed_passes, removed, removed_bytes: since this upkeep began. last_error: of any pass, with its time.
    clock: of the last pass whose clock was right. wrong_clocks: when it was not, as far as that is known.
    """

    at: datetime
    started: datetime
    doing: str | None
    passes: int
    failed_passes: int
    removed: int
    removed_bytes: int
    last: PassReport | None
    last_error: str | None
    clock: ClockReading | None = None
    wrong_clocks: tuple[WrongClock, ...] = ()


def write_upkeep_status(path: Path, status: UpkeepStatus) -> None:
    """Writes the status as JSON, atomically."""
    with atomic_write(path) as place:
        place.write_text(_converter.dumps(status))


def upkeep_json(status: UpkeepStatus) -> dict[str, object]:
    """The status as a JSON object, as `write_upkeep_status` writes it."""
    made: dict[str, object] = _converter.unstructure(status)
    return made


def upkeep_from_json(stored: object) -> UpkeepStatus:
    """What `upkeep_json` made."""
    return _converter.structure(stored, UpkeepStatus)


def read_upkeep_status(path: Path) -> UpkeepStatus | None:
    """Reads a status; None if no upkeep has written one. Raises LakeError if the file is damaged."""
    try:
        return _converter.loads(path.read_text(), UpkeepStatus)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, cattrs.BaseValidationError) as error:
        raise LakeError(f"{path} is damaged, or another version of regionlake wrote it: {error}") from None
