"""A hit of a standing query, as it is written and sent."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.watch.watch import Watch
from schemas.ids import digest
from schemas.query import Hit
from schemas.query_json import hit_json


@dataclass(frozen=True, slots=True)
class StandingHit:
    """found_at: UTC. `hit.rank` is of no account: nothing stands beside it."""

    watch: Watch
    found_at: datetime
    hit: Hit

    @property
    def id(self) -> str:
        """The same whenever and by whomever this is found: one a question and frame."""
        return digest("standing hit", self.watch.name, self.watch.question, self.hit.frame_id)

    @property
    def line(self) -> str:
        """JSON: a hit of `regionlake search --json` without a rank, led by its id, its watch and when it was found."""
        found_at = self.found_at.astimezone(UTC).isoformat(timespec="milliseconds")
        own = {"id": self.id, "watch": self.watch.name, "found_at": found_at}
        return json.dumps(own | hit_json(self.hit) | {"rank": None}, ensure_ascii=False)
