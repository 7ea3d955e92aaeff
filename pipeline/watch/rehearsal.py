"""Which hits of the past a watch would have reported, to choose its limits before it is saved."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from pipeline.watch.cooldown import place_and_moment
from pipeline.watch.due import STAYS, TOLD, is_due
from pipeline.watch.watch import Watch
from schemas.query import Hit


def rehearsed(watch: Watch, hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """Those of the hits that the watch would have reported, in order of time.

    hits: of a search for the query of the watch, one a frame, near or certain enough.
    """
    ordered = sorted(hits, key=lambda hit: (place_and_moment(hit), hit.frame_id))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as file:
        file.execute(TOLD)
        file.execute(STAYS)
        found = [hit for hit in ordered if _reported(watch, hit) and is_due(file, watch, hit)]
    return tuple(sorted(found, key=lambda hit: (place_and_moment(hit)[1], hit.frame_id)))


def _reported(watch: Watch, hit: Hit) -> bool:
    return watch.looks_at(hit.source) and watch.reports_at(hit.time)
