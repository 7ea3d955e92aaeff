"""A hit of a watch, as it is written and sent."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.watch.watch import Watch
from schemas.ids import digest
from schemas.query import Hit
from schemas.query_json import hit_json
from schemas.visible_text import visible_json


@dataclass(frozen=True, slots=True)
class StandingHit:
    """found_at: UTC. `hit.rank` has no meaning, because the hits of a watch are not ranked."""

    watch: Watch
    found_at: datetime
    hit: Hit

    @property
    def id(self) -> str:
        """The id, which depends only on the watch's name, its question and the frame: a hit that is found again has it
        too."""
        return digest("standing hit", self.watch.name, self.watch.question, self.hit.frame_id)

    @property
    def line(self) -> str:
        """JSON: the id, the watch, when it was found, and a hit as `regionlake search --json` prints it, unranked."""
        found_at = self.found_at.astimezone(UTC).isoformat(timespec="milliseconds")
        own = {"id": self.id, "watch": self.watch.name, "found_at": found_at}
        return visible_json(own | hit_json(self.hit) | {"rank": None})
