"""How upkeep is, for `regionlake status` and for whoever watches over it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cattrs.preconf.json

from operators.runtime.atomic_write import atomic_write
from schemas.tables import TableName

_converter = cattrs.preconf.json.make_converter()


@dataclass(frozen=True, slots=True)
class TableUpkeep:
    """A table at the begin and at the end of a pass: fragments, and bytes of its newest version.

    versions: forgotten. freed_bytes: of their files.
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
    """A pass over all that upkeep does.

    joined_rows: of the ledger, that it has fewer. removed, trimmed: recordings and files that went as a whole, and
    those of which pinned shots stayed. removed_bytes: of them, estimated. indexed: tables whose index was refreshed.
    put_off: fragments that were changed while they were being joined, and are joined later.
    errors: why steps failed; the next pass tries again.
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

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds()


@dataclass(frozen=True, slots=True)
class UpkeepStatus:
    """at: UTC. doing: the step of a pass under way, None between passes. last: the pass that ended last.

    passes, failed_passes, removed, removed_bytes: since this upkeep began. last_error: of whatever pass, with its time.
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


def write_upkeep_status(path: Path, status: UpkeepStatus) -> None:
    """JSON, whole or not at all."""
    with atomic_write(path) as place:
        place.write_text(_converter.dumps(status))


def upkeep_json(status: UpkeepStatus) -> dict[str, object]:
    """As `write_upkeep_status` writes it."""
    made: dict[str, object] = _converter.unstructure(status)
    return made


def read_upkeep_status(path: Path) -> UpkeepStatus | None:
    """None where no upkeep ever wrote it."""
    try:
        return _converter.loads(path.read_text(), UpkeepStatus)
    except FileNotFoundError:
        return None
