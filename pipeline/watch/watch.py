"""A watch: a standing query, the largest distance of its hits, and how often they are reported."""

import json
import math
import re
from dataclasses import dataclass

from schemas.errors import QueryError
from schemas.ids import digest
from schemas.options import options_of
from schemas.pictures import Picture
from schemas.query import Query

# the options of a standing query in release 0.1.0
_FIRST = "text image frame roi points not_points prompt prompt_box text_weight not_text not_rois not_weight".split()
_FIRST += ["box", "source", "weight", "geometry"]


@dataclass(frozen=True, slots=True)
class Watch:
    """A standing query.

    name: stated in every hit. query: evaluated on one frame at a time, by its regions; its `k` is ignored.
    threshold: the largest distance of a hit, as `regionlake search` prints it for the same query: `w · semantic +
        (1 − w) · geometric`, of which semantic lies in [0, 2] and geometric in [0, 1].
    cooldown_s: time after a hit in which the same feed or file has no other hit, by its own clock; 0 reports all.
    Raises QueryError for a query that cannot be evaluated on one frame alone.
    """

    name: str
    query: Query
    threshold: float
    cooldown_s: float = 0.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+", self.name):
            raise QueryError(f"a watch's name consists of letters, digits and . _ -, got {self.name!r}")
        if not 0.0 <= self.threshold < math.inf:
            raise QueryError(
                f"the threshold of {self.name} is a distance of 0 or more, got {self.threshold}: run the same query "
                "with regionlake search, and take the distance of the last hit that you want"
            )
        if not 0.0 <= self.cooldown_s < math.inf:
            raise QueryError(f"the cooldown of {self.name} is a number of seconds, got {self.cooldown_s}")
        others = [
            f"`{each.field}`"
            for each in options_of(Query)
            if not each.standing and each.field != "k" and getattr(self.query, each.field) != each.default
        ]
        if others:
            raise QueryError(f"{self.name} looks at one new frame at a time: it takes no {' and no '.join(others)}")

    @property
    def question(self) -> str:
        """A digest of the query: threshold and cooldown may change under one name, the query may not.

        Ids of hits derive from it and outlive releases: options newer than _FIRST count only if they are not default.
        """
        query = self.query
        picture = query.picture.id if isinstance(query.picture, Picture) else query.picture
        asked: list[object] = [
            query.text,
            picture,
            query.frame,
            query.roi,
            query.text_weight,
            query.not_text,
            query.not_rois,
        ]
        asked += [query.not_weight, query.box, query.source, repr(query.prompts), query.weight, query.geometry]
        newer = [each for each in options_of(Query) if each.standing and each.field not in _FIRST]
        asked += [[each.field, repr(value)] for each in newer if (value := getattr(query, each.field)) != each.default]
        return digest("question", json.dumps(asked))
