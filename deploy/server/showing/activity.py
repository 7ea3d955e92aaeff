"""Counts of keyframes and regions over time, of each source and of all."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import numpy as np

from deploy.server.showing.catalogue import ServedSource
from deploy.server.showing.frames import in_time, micros, of_source, utc_text
from pipeline.search.memory.frame_listing import FrameListing
from pipeline.search.memory.lake_cache import NO_TIME
from schemas.errors import QueryError
from schemas.query import Moment

ActivityClock = Literal["utc", "source"]


def activity(
    listing: FrameListing,
    sources: Sequence[ServedSource],
    *,
    since: Moment | None,
    until: Moment | None,
    bins: int,
    clock: ActivityClock | None,
) -> dict[str, object]:
    """Counts in equal steps of time, as the service's JSON.

    since, until: by default the first and the last keyframe. clock: by default UTC if a keyframe has a time.
    Raises QueryError where the bounds are of the other clock.
    """
    rows = [of_source(listing, each.source_ids) for each in sources]
    everything = np.concatenate([np.zeros(0, np.intp), *rows])
    known = listing.time[everything] != NO_TIME
    given = [bound for bound in (since, until) if bound is not None]
    if clock is None:
        clock = ("utc" if isinstance(given[0], datetime) else "source") if given else "utc" if known.any() else "source"
    if any(isinstance(bound, datetime) != (clock == "utc") for bound in given):
        raise QueryError(
            f"`since` and `until` must be by the clock {clock!r}: times in UTC, or seconds within a source"
        )
    unit = 1e6 if clock == "utc" else 1.0
    values = listing.time if clock == "utc" else listing.pts_s
    shown = everything[known] if clock == "utc" else everything
    found = values[shown]
    first = _number(since) if since is not None else float(found.min()) if len(found) else 0.0
    # the last keyframe is in the last step, which is half-open
    last = _number(until) if until is not None else float(found.max()) + unit / 1e3 if len(found) else first + unit
    if not last > first:
        raise QueryError(f"`since` {since} is not before `until` {until}")
    edges = np.linspace(first, last, bins + 1)
    counted = []
    for each, of_one in zip(sources, rows, strict=True):
        seen = in_time(listing, of_one, since, until)
        seen = seen[listing.time[seen] != NO_TIME] if clock == "utc" else seen
        frames, _ = np.histogram(values[seen], edges)
        regions, _ = np.histogram(values[seen], edges, weights=listing.regions[seen])
        counted.append((each, frames.astype(int), regions.astype(int)))
    zero = np.zeros(bins, int)
    return {
        "clock": clock,
        "since": utc_text(int(first)) if clock == "utc" else first,
        "until": utc_text(int(last)) if clock == "utc" else last,
        "step_s": (last - first) / bins / unit,
        "keyframes": sum((frames for _, frames, _ in counted), zero).tolist(),
        "regions": sum((regions for _, _, regions in counted), zero).tolist(),
        "sources": [
            {"id": each.id, "name": each.name, "keyframes": frames.tolist(), "regions": regions.tolist()}
            for each, frames, regions in counted
        ],
    }


def _number(bound: Moment) -> float:
    return float(micros(bound)) if isinstance(bound, datetime) else bound
