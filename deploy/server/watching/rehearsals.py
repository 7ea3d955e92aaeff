"""What a watch would have reported: its hits in the past, and how near to its limit they are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from deploy.server.asking.query_body import moment
from deploy.server.asking.served_hits import served_hit, sources_of
from deploy.server.service import Service
from deploy.server.watching.bodies import RehearsalBody
from deploy.server.watching.watches import watch_of
from pipeline.watch.rehearsal import rehearsed
from pipeline.watch.watch import Watch
from schemas.query import Hit
from schemas.query_json import Json

_FRAMES = 5000
_STEPS = 20
_NEAR = 4  # frames on either side of the limit
_HITS = 40
_APART_S = 5.0  # frames of one source that are nearer to each other show the same


def rehearsal(service: Service, body: RehearsalBody) -> Json:
    """The answer to a rehearsal. Raises as `watch_of` and a search do."""
    watch = watch_of(service, body, name="rehearsal", keeps=False)
    by, limit = limit_of(watch)
    found = _frames(service, watch, body, by=by)
    hits = [hit for hit in found if watch.reports_at(hit.time)]
    values = [_value(hit, by) for hit in hits]
    passes = [value >= limit if by == "confidence" else value <= limit for value in values]
    fired = rehearsed(watch, [hit for hit, passed in zip(hits, passes, strict=True) if passed])
    low, high = (0.0, 1.0) if by == "confidence" else _range(values, limit)
    counts, _ = np.histogram(values, _STEPS, (low, high))
    order = sorted(zip(hits, values, passes, strict=True), key=lambda each: (abs(each[1] - limit), each[0].frame_id))
    above, below = (_different([hit for hit, _, passed in order if passed is wanted]) for wanted in (True, False))
    shown = [*fired[-_HITS:][::-1], *above, *below]
    catalogue, served = sources_of(service.sources, shown)

    def as_json(hits: Sequence[Hit]) -> list[Json]:
        return [served_hit(hit, catalogue, served) for hit in hits]

    return {
        "by": by,
        "limit": limit,
        "low": low,
        "high": high,
        "counts": counts.tolist(),
        "frames": len(hits),
        "more": len(found) == _FRAMES,
        "fired": len(fired),
        "hits": as_json(fired[-_HITS:][::-1]),
        "above": as_json(above),
        "below": as_json(below),
    }


def limit_of(watch: Watch) -> tuple[Literal["confidence", "distance"], float]:
    """By what a watch decides, and its limit: where it has both, by its largest distance."""
    if watch.max_distance is not None:
        return "distance", watch.max_distance
    assert watch.query.min_confidence is not None  # a watch has one of the two
    return "confidence", watch.query.min_confidence


def _frames(service: Service, watch: Watch, body: RehearsalBody, *, by: str) -> tuple[Hit, ...]:
    """The frames of the sources and the time that are nearest to what is asked, each once, whatever the limit."""
    query = watch.query
    if by == "confidence":
        # the most certain region of each frame: a frame fires if any of its regions is certain enough
        query = replace(query, min_confidence=None, weight=1.0)
    since, until = (
        moment(given, name=name) if isinstance(given, str) else given
        for name, given in (("since", body.since), ("until", body.until))
    )
    ids = service.sources().chosen(body.query.sources) if body.query.sources else ()  # none: all that are seen
    return service.search.search(replace(query, since=since, until=until, source_ids=ids, k=_FRAMES)).hits


def _value(hit: Hit, by: str) -> float:
    if by == "distance":
        return hit.distance
    return 0.0 if hit.confidence is None else hit.confidence


def _range(values: Sequence[float], limit: float) -> tuple[float, float]:
    """From the smallest to the largest distance, with the limit."""
    low, high = min([limit, *values]), max([limit, *values])
    return low, high if high > low else low + 1e-3


def _different(hits: Sequence[Hit]) -> list[Hit]:
    """The first hits that show different moments; then others, if these are few."""
    chosen: list[Hit] = []
    for hit in hits:
        alike = any(each.source_id == hit.source_id and abs(each.pts_s - hit.pts_s) < _APART_S for each in chosen)
        if not alike:
            chosen.append(hit)
        if len(chosen) == _NEAR:
            return chosen
    known = {hit.frame_id for hit in chosen}
    return [*chosen, *(hit for hit in hits if hit.frame_id not in known)][:_NEAR]
