"""A standing query: what to look out for, how near it must come, and how often to tell."""

import json
import math
import re
from dataclasses import dataclass

from schemas.errors import QueryError
from schemas.ids import digest
from schemas.query import Query, RankTerm


@dataclass(frozen=True, slots=True)
class Watch:
    """name: goes with every hit. query: of one frame, ranked by its regions (its `k` is of no account).

    threshold: the largest distance of a hit, as `regionlake search` prints it for the same query: `w · semantic +
        (1 − w) · geometric`, of which semantic lies in [0, 2] and geometric in [0, 1].
    cooldown_s: after a hit, the same feed or file has no other for so long by its own clock; 0 for every frame.
    Raises QueryError for a query that one frame alone cannot answer.
    """

    name: str
    query: Query
    threshold: float
    cooldown_s: float = 0.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+", self.name):
            raise QueryError(f"a watch's name is made of letters, digits and . _ -, got {self.name!r}")
        if not 0.0 <= self.threshold < math.inf:
            raise QueryError(
                f"the threshold of {self.name} is a distance, and not below 0; got {self.threshold}: run the same "
                "query with regionlake search, and take the distance of the last hit that you want"
            )
        if not 0.0 <= self.cooldown_s < math.inf:
            raise QueryError(f"the cooldown of {self.name} is some seconds, got {self.cooldown_s}")
        query = self.query
        if query.rank != (RankTerm(),) or query.ranking.normalisation != "raw":
            raise QueryError(
                f"{self.name} ranks by regions and with raw distances: other ways compare a frame with all the others"
            )
        if query.then is not None or query.not_frames:
            raise QueryError(f"{self.name} looks at one new frame at a time: it takes no --then and no --not-frame")
        if any(bound is not None for bound in (query.since, query.until, query.since_s, query.until_s)):
            raise QueryError(f"{self.name} looks at what is new, whatever its time: it takes no bounds of time")

    @property
    def question(self) -> str:
        """What is asked, as a digest: threshold and cooldown may change under one name, the question may not."""
        query = self.query
        asked = [query.text, query.image, query.frame, query.roi, query.text_weight, query.not_text, query.not_rois]
        asked += [query.not_weight, query.box, query.source, repr(query.prompts)]
        asked += [query.ranking.semantic_weight, query.ranking.geometry]
        return digest("question", json.dumps(asked))
