"""A watch: a standing query, what is near or certain enough to be a hit of it, and how often hits are reported."""

import json
import math
import re
from dataclasses import dataclass
from datetime import datetime

from pipeline.search.filters import source_matches
from pipeline.watch.hours import Hours
from schemas.errors import QueryError
from schemas.ids import digest
from schemas.options import options_of
from schemas.pictures import Picture
from schemas.query import Query
from schemas.recorder_names import camera_name
from schemas.sources import feed_name

# the options of a standing query in release 0.1.0
_FIRST = "text image frame roi points not_points prompt prompt_box text_weight not_text not_rois not_weight".split()
_FIRST += ["box", "source", "weight", "geometry"]
_LIMITS = ["min_confidence", "min_inside"]  # they say which answers are hits, and not what is asked


@dataclass(frozen=True, slots=True)
class Watch:
    """A standing query.

    name: stated in every hit. query: evaluated on one frame at a time, by its regions; its `k` is ignored.
    max_distance: the largest distance of a hit, as `regionlake search` prints it for the same query: `w · semantic +
        (1 − w) · geometric`, of which semantic lies in [0, 2] and geometric in [0, 1], and what its score adds; None
        where the query's `min_confidence` alone decides.
    cooldown_s: time after a hit in which the same feed or file has no other hit, by its own clock; 0 reports all.
    stay_s: the least stay. Hits of a feed or file that are at most `due.GAP_S` apart are one stay, which is reported
        once: by the first hit at which it has lasted so long; 0 reports each hit.
    hours: when hits are reported, by the time of their frames; frames whose time is not known have none then.
    sources: names of feeds and URIs of files that it looks at, besides the query's `source`; empty for all.
    Raises QueryError for a query that cannot be evaluated on one frame alone.
    """

    name: str
    query: Query
    max_distance: float | None = None
    cooldown_s: float = 0.0
    stay_s: float = 0.0
    hours: Hours | None = None
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+", self.name):
            raise QueryError(f"a watch's name consists of letters, digits and . _ -, got {self.name!r}")
        if self.max_distance is None:
            if self.query.min_confidence is None:
                raise QueryError(
                    f"{self.name} has no limit, so every frame would be a hit: give `min_confidence`, or a largest "
                    "distance (max_distance); regionlake search prints both for the same query"
                )
        elif not 0.0 <= self.max_distance < math.inf:
            raise QueryError(
                f"the largest distance of {self.name} must be 0 or more, got {self.max_distance}: run the same query "
                "with regionlake search, and take the distance of the last hit that you want"
            )
        if not 0.0 <= self.cooldown_s < math.inf:
            raise QueryError(f"the cooldown of {self.name} is a number of seconds, got {self.cooldown_s}")
        if not 0.0 <= self.stay_s < math.inf:
            raise QueryError(f"the least stay of {self.name} is a number of seconds, got {self.stay_s}")
        others = [
            f"`{each.field}`"
            for each in options_of(Query)
            if not each.standing and each.field != "k" and getattr(self.query, each.field) != each.default
        ]
        if others:
            raise QueryError(f"{self.name} looks at one new frame at a time: it takes no {' and no '.join(others)}")

    def looks_at(self, source: str) -> bool:
        """Whether it looks at this source (a URI)."""
        asked = self.query.source is None or source_matches(source, self.query.source)
        return asked and (not self.sources or not {feed_name(source), camera_name(source)}.isdisjoint(self.sources))

    def reports_at(self, moment: datetime | None) -> bool:
        """Whether it reports what was there at this moment; None where that is not known."""
        return self.hours is None or (moment is not None and self.hours.include(moment))

    @property
    def question(self) -> str:
        """A digest of the query: its limits and its cooldown may change under one name, what it asks may not.

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
        newer = [each for each in options_of(Query) if each.standing and each.field not in (*_FIRST, *_LIMITS)]
        asked += [[each.field, repr(value)] for each in newer if (value := getattr(query, each.field)) != each.default]
        asked += [["sources", repr(self.sources)]] if self.sources else []
        return digest("question", json.dumps(asked))
