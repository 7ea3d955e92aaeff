"""Finds what a user wants to pin: sources by name and time, a shot, or the shot of a hit."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.lake import sql
from pipeline.lake.lake import Lake
from schemas.clock import Clock, Span
from schemas.errors import QueryError
from schemas.file_names import uri_of_path
from schemas.recorder_names import camera_name
from schemas.sources import Source, feed_name

Place = tuple[str, str, Span | None]  # source id, source, span; None: the whole source
Moment = datetime | float | None  # UTC, or seconds within the source

WAITING = "waiting"  # state of a source that the lake does not have yet
_OF_CLOCK = ["id", "time_base_num", "time_base_den", "start_time"]
_COLUMNS = [*_OF_CLOCK, "source", "kind", "state", "start", "stop"]


def named_sources(
    lake: Lake, name: str, *, any_state: bool = False, waiting: Iterable[Source] = ()
) -> list[dict[str, Any]]:
    """Rows of `sources` by id, address, path, or name of a feed. Raises QueryError if there are none.

    any_state: also those that could not be read, and those that are being removed. waiting: sources whose rows wait for
    the lake; one that the lake does not have gets a row with the state WAITING.
    """
    names = {name} if "://" in name else {name, uri_of_path(str(Path(name).absolute()))}
    where = None if any_state else "state <> 'quarantined' AND state <> 'removing'"
    rows = lake.read("sources", columns=_COLUMNS, where=where).to_pylist()
    held = {row["id"] for row in rows}
    rows += [_waiting_row(source) for source in {each.id: each for each in waiting}.values() if source.id not in held]
    found = [row for row in rows if row["id"] == name or row["source"] in names or feed_name(row["source"]) in names]
    found = found or [row for row in rows if camera_name(row["source"]) == name]
    if not found:
        alike = sorted({row["source"] for row in rows if row["source"].rpartition("/")[2] == name})[:3]
        advice = f"did you mean {' or '.join(alike)}?" if alike else "give its path or address, or the name of a feed"
        raise QueryError(f"{lake.uri} has no source or feed {name}; {advice}")
    return found


def places_of_source(lake: Lake, name: str, *, since: Moment = None, until: Moment = None) -> list[Place]:
    """The part in [since, until) of each source of that name. Raises QueryError if there is none."""
    places: list[Place] = []
    rows = named_sources(lake, name)
    for row in rows:
        if since is None and until is None:
            places.append((row["id"], row["source"], None))
            continue
        clock = clock_of(row)
        start = row["start"] if since is None else pts_of(since, clock, row["source"])
        stop = row["stop"] if until is None else pts_of(until, clock, row["source"])
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


def clocks_of(lake: Lake, source_ids: Iterable[str]) -> dict[str, Clock]:
    """The clocks of the sources with these ids, as far as the lake has them."""
    wanted = sorted(set(source_ids))
    if not wanted:
        return {}
    rows = lake.read("sources", columns=_OF_CLOCK, where=sql.is_in("id", wanted)).to_pylist()
    return {row["id"]: clock_of(row) for row in rows}


def pts_of(moment: datetime | float, clock: Clock, source: str) -> int:
    """The PTS at or after a moment. Raises QueryError for a time in UTC where the source has no clock."""
    if not isinstance(moment, datetime):
        # the decimal that was typed: 6.2 as a binary number is later than the frame at 6.2 s
        return clock.pts_at_or_after(Fraction(repr(moment)))
    if clock.start_time is None:
        raise QueryError(f"{source} does not say when it was recorded; give --from and --to in seconds within it")
    return clock.pts_at_or_after(Fraction((moment - clock.start_time) // timedelta(microseconds=1), 1_000_000))


def _waiting_row(source: Source) -> dict[str, Any]:
    time_base = source.clock.time_base
    return {
        "id": source.id,
        "source": source.uri,
        "kind": source.kind,
        "state": WAITING,
        "time_base_num": time_base.numerator,
        "time_base_den": time_base.denominator,
        "start_time": source.clock.start_time,
        "start": source.span.start,
        "stop": source.span.stop,
    }
