"""Arranges hits for people: in order of time, and grouped by source or by visit."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from deploy.server.asking.query_body import Grouping, Order
from schemas.query import Hit

VISIT_GAP_S = 30.0


@dataclass(frozen=True, slots=True)
class Group:
    """Hits that belong together. source_id: as the service names it. ranks: ascending as in the answer.

    start_s, stop_s: of the first and last hit within the source; start, stop: in UTC, where that is known.
    """

    source_id: str
    ranks: tuple[int, ...]
    start_s: float
    stop_s: float
    start: datetime | None
    stop: datetime | None


def ordered(hits: Sequence[Hit], order: Order, *, served: Mapping[str, str]) -> list[Hit]:
    """The hits in this order. served: id of a source in the lake → the one that the service gives it.

    Hits whose time is not known follow the others, by source and by their time in it.
    """
    if order == "relevance":
        return list(hits)
    sign = 1 if order == "oldest" else -1

    def key(hit: Hit) -> tuple[float, str, float, int]:
        known = math.inf if hit.time is None else sign * hit.time.timestamp()
        return known, served[hit.source_id], sign * hit.pts_s, hit.rank

    return sorted(hits, key=key)


def grouped(hits: Sequence[Hit], grouping: Grouping, *, served: Mapping[str, str]) -> list[Group]:
    """Groups in the order of their first hit; each hit is in one. The arguments are those of `ordered`."""
    if grouping == "none":
        return []
    place = {hit.rank: at for at, hit in enumerate(hits)}
    sets = _by_source(hits, served) if grouping == "source" else _visits(hits, served)
    groups = [sorted(each, key=lambda hit: place[hit.rank]) for each in sets]
    groups.sort(key=lambda group: place[group[0].rank])
    return [_group(group, served) for group in groups]


def _by_source(hits: Iterable[Hit], served: Mapping[str, str]) -> list[list[Hit]]:
    sets: dict[str, list[Hit]] = {}
    for hit in hits:
        sets.setdefault(served[hit.source_id], []).append(hit)
    return list(sets.values())


def _visits(hits: Iterable[Hit], served: Mapping[str, str]) -> list[list[Hit]]:
    """Hits of one source that are near in time, by UTC over recordings, and those of one track, however long it is."""
    visits: list[list[Hit]] = []
    for of_source in _by_source(hits, served):
        last: dict[str, tuple[float, int]] = {}  # the clock → time of its last hit and that hit's visit
        visit_of_track: dict[str, int] = {}
        joined: dict[int, int] = {}
        sets: list[list[Hit]] = []

        def root(visit: int, joined: dict[int, int] = joined) -> int:
            while visit in joined:
                visit = joined[visit]
            return visit

        for hit in sorted(of_source, key=_time):
            clock = "utc" if hit.time is not None else hit.source_id
            at_s = _time(hit)[1]
            before = last.get(clock)
            if before is not None and at_s - before[0] < VISIT_GAP_S:
                visit = root(before[1])
            else:
                visit = len(sets)
                sets.append([])
            track = hit.place.track
            if track is not None:
                known = root(visit_of_track.get(track, visit))
                if known != visit:  # the track was away for longer than the gap
                    joined[visit] = known
                    sets[known].extend(sets[visit])
                    sets[visit] = []
                    visit = known
                visit_of_track[track] = visit
            sets[visit].append(hit)
            last[clock] = at_s, visit
        visits.extend(each for each in sets if each)
    return visits


def _time(hit: Hit) -> tuple[str, float]:
    return ("", hit.time.timestamp()) if hit.time is not None else (hit.source_id, hit.pts_s)


def _group(hits: Sequence[Hit], served: Mapping[str, str]) -> Group:
    first, last = min(hits, key=_time), max(hits, key=_time)
    return Group(
        source_id=served[first.source_id],
        ranks=tuple(hit.rank for hit in hits),
        start_s=first.pts_s,
        stop_s=last.pts_s,
        start=first.time,
        stop=last.time,
    )
