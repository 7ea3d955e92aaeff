"""Finds what a user wants to pin: sources by name and time, a shot, or the shot of a hit."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.lake import sql
from pipeline.lake.lake import Lake
from schemas.clock import Clock, Span
from schemas.errors import QueryError
from schemas.file_names import uri_of_path
from schemas.sources import feed_name

Place = tuple[str, str, Span | None]  # source id, source, span; None: the whole source
Moment = datetime | float | None  # UTC, or seconds within the source

_COLUMNS = ["id", "source", "kind", "state", "time_base_num", "time_base_den", "start_time", "start", "stop"]


def named_sources(lake: Lake, name: str) -> list[dict[str, Any]]:
    """Rows of `sources` by id, address, path, or name of a feed. Raises QueryError if there are none."""
    names = {name} if "://" in name else {name, uri_of_path(str(Path(name).absolute()))}
    rows = lake.read("sources", columns=_COLUMNS, where="state <> 'quarantined' AND state <> 'removing'").to_pylist()
    found = [row for row in rows if row["id"] == name or row["source"] in names or feed_name(row["source"]) in names]
    if not found:
        raise no_such_source(lake, name, (row["source"] for row in rows))
    return found


def no_such_source(lake: Lake, name: str, sources: Iterable[str]) -> QueryError:
    """The error for a name that is none of the sources; it suggests those whose file is called so."""
    alike = sorted({source for source in sources if source.rpartition("/")[2] == name})[:3]
    advice = f"did you mean {' or '.join(alike)}?" if alike else "give its path or address, or the name of a feed"
    return QueryError(f"{lake.uri} has no source or feed {name}; {advice}")


def places_of_source(lake: Lake, name: str, *, since: Moment = None, until: Moment = None) -> list[Place]:
    """The part in [since, until) of each source of that name. Raises QueryError if there is none."""
    places: list[Place] = []
    rows = named_sources(lake, name)
    for row in rows:
        if since is None and until is None:
            places.append((row["id"], row["source"], None))
            continue
        clock = clock_of(row)
        start = row["start"] if since is None else _pts(since, clock, row["source"])
        stop = row["stop"] if until is None else _pts(until, clock, row["source"])
        if start >= stop:
            continue
        meets = Span(start, stop).intersection(Span(row["start"], row["stop"]))
        if meets is not None:
            places.append((row["id"], row["source"], meets))
    if not places:
        raise QueryError(f"none of the {len(rows)} sources named {name} was recorded between these times")
    return places


def place_of_shot(lake: Lake, shot_id: str) -> Place:
    """The span of a shot. Raises QueryError if there is no such shot."""
    shots = lake.read("shots", where=sql.equals("id", shot_id)).to_pylist()
    if not shots:
        raise QueryError(f"{lake.uri} has no shot {shot_id}")
    return shots[0]["source_id"], shots[0]["source"], Span(shots[0]["start"], shots[0]["stop"])


def place_of_hit(lake: Lake, frame_id: str) -> Place:
    """The keyframe's own span, so that its shot is kept even if found later. Raises QueryError if there is none."""
    columns = ["source_id", "source", "pts"]
    frames = lake.read("frames", columns=columns, where=sql.equals("id", frame_id)).to_pylist()
    if not frames:
        raise QueryError(f"{lake.uri} has no frame {frame_id}; a hit's `frame_id` is what `search --json` prints")
    return frames[0]["source_id"], frames[0]["source"], Span(frames[0]["pts"], frames[0]["pts"] + 1)


def clock_of(row: Mapping[str, Any]) -> Clock:
    """The clock of a source, from its row of `sources`."""
    return Clock(Fraction(row["time_base_num"], row["time_base_den"]), row["start_time"])


def _pts(moment: datetime | float, clock: Clock, source: str) -> int:
    if not isinstance(moment, datetime):
        return clock.pts_at_or_after(moment)
    if clock.start_time is None:
        raise QueryError(f"{source} does not say when it was recorded; give --from and --to in seconds within it")
    return clock.pts_at_or_after((moment - clock.start_time).total_seconds())
