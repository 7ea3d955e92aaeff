"""Where a follower keeps what outlives it: how its feeds are, and what waits for the lake."""

from dataclasses import dataclass
from pathlib import Path

import cattrs
import cattrs.preconf.json

from operators.runtime.atomic_write import atomic_write
from pipeline.lake.local_folder import local_folder
from pipeline.live.status.follow_status import FollowStatus
from schemas.errors import LakeError
from schemas.ids import digest

_FOLDER = ".live"
_converter = cattrs.preconf.json.make_converter()


@dataclass(frozen=True, slots=True)
class StateFolder:
    """In a lake that is a folder: in it. Of another: in the user's own state, by the lake's address."""

    path: Path

    @staticmethod
    def of(lake: str) -> "StateFolder":
        folder = local_folder(lake)
        if folder is not None:
            return StateFolder(folder / _FOLDER)
        return StateFolder(Path("~/.local/state/regionlake").expanduser() / digest("lake", lake))

    @property
    def spool(self) -> Path:
        return self.path / "spool"

    @property
    def in_flight(self) -> Path:
        """JSON of what was received and is not in the lake yet: pipeline/live/commits/in_flight.py."""
        return self.path / "in-flight.json"

    @property
    def status(self) -> Path:
        """JSON, written anew about once a second."""
        return self.path / "status.json"

    @property
    def upkeep(self) -> Path:
        """JSON, written after each pass: pipeline/lake/upkeep/upkeep_status.py."""
        return self.path / "upkeep.json"

    def write_status(self, status: FollowStatus) -> None:
        with atomic_write(self.status) as path:
            path.write_text(_converter.dumps(status))

    def read_status(self) -> FollowStatus:
        """As last written. Raises LakeError where nobody ever followed feeds into this lake."""
        try:
            return _converter.loads(self.status.read_text(), FollowStatus)
        except FileNotFoundError:
            raise LakeError(
                f"no feeds were followed into this lake ({self.status} is not there); "
                "follow some: regionlake ingest rtsp://… --follow --lake LAKE"
            ) from None
        except (ValueError, cattrs.BaseValidationError) as error:
            raise LakeError(f"{self.status} is damaged, or of another version of regionlake: {error}") from None


def follow_json(status: FollowStatus) -> dict[str, object]:
    """As `write_status` writes it."""
    made: dict[str, object] = _converter.unstructure(status)
    return made
