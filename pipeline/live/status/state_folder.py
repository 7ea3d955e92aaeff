"""The folder of files that outlive a follower: its status, and what waits for the lake."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cattrs
import cattrs.preconf.json

from operators.runtime.atomic_write import atomic_write
from operators.runtime.own_folder import make_own_folder, require_own_folder
from pipeline.lake.local_folder import local_folder
from pipeline.live.status.follow_status import FollowStatus
from schemas.errors import LakeError
from schemas.ids import digest

_FOLDER = ".live"
_converter = cattrs.preconf.json.make_converter()


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The folder `.live` of a lake that is a folder; for other lakes, a folder in the user's own state."""

    path: Path

    @staticmethod
    def of(lake: str) -> "StateFolder":
        folder = local_folder(lake)
        if folder is not None:
            return StateFolder(folder / _FOLDER)
        return StateFolder(Path("~/.local/state/regionlake").expanduser() / digest("lake", lake))

    def make_own(self) -> None:
        """Makes the folder, which its user alone may enter. What waits in it is committed as this user's own.

        Raises LakeError where another user owns it or the spool, or may write there.
        """
        try:
            with suppress(FileNotFoundError, NotADirectoryError):  # a lake out of reach: a follower waits for it
                make_own_folder(self.path)
            for folder in (self.spool, self.refused):
                require_own_folder(folder)
        except PermissionError as error:
            raise LakeError(f"what waits for the lake cannot be trusted: {error}") from None

    @property
    def spool(self) -> Path:
        return self.path / "spool"

    @property
    def refused(self) -> Path:
        """Batches that the lake does not accept: pipeline/live/commits/refused_batches.py."""
        return self.path / "refused"

    def refusals(self) -> int:
        """Number of refused batches, without an import of what reads them."""
        return sum(1 for file in self.refused.glob("[0-9]*.*"))

    @property
    def in_flight(self) -> Path:
        """JSON of the counts of frames that are not in the lake yet: pipeline/live/commits/in_flight.py."""
        return self.path / "in-flight.json"

    @property
    def audit(self) -> Path:
        """Who asked a service what: deploy/server/auditing/audit_log.py."""
        return self.path / "audit"

    @property
    def status(self) -> Path:
        """JSON, replaced about once a second."""
        return self.path / "status.json"

    @property
    def upkeep(self) -> Path:
        """JSON, written after each pass: pipeline/lake/upkeep/upkeep_status.py."""
        return self.path / "upkeep.json"

    def write_status(self, status: FollowStatus) -> None:
        with atomic_write(self.status) as path:
            path.write_text(_converter.dumps(status))

    def read_status(self) -> FollowStatus:
        """The status that was last written. Raises LakeError where no feeds were ever followed into this lake."""
        try:
            return _converter.loads(self.status.read_text(), FollowStatus)
        except FileNotFoundError:
            raise LakeError(
                f"no feeds were followed into this lake ({self.status} is not there); "
                "follow some: regionlake ingest rtsp://… --follow --lake LAKE"
            ) from None
        except (ValueError, cattrs.BaseValidationError) as error:
            raise LakeError(f"{self.status} is damaged, or another version of regionlake wrote it: {error}") from None


def follow_json(status: FollowStatus) -> dict[str, object]:
    """The status as the JSON object that `write_status` writes."""
    made: dict[str, object] = _converter.unstructure(status)
    return made
