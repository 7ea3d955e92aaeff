"""Finds what a user wants to forget: sources by name, or the parts of them between two times."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.pinned_places import WAITING, Moment, clock_of, named_sources, pts_of
from pipeline.lake.upkeep.pins import Pin, Pins
from schemas.clock import Clock, Span
from schemas.errors import QueryError
from schemas.sources import Source


@dataclass(frozen=True, slots=True)
class Place:
    """A source to forget. span: the part of it; None for all. all_of: where the source begins and ends. in_lake:
    whether the lake has a row of it; if not, its rows still wait for the lake. clock, all_of: None where the source
    could not be read."""

    source_id: str
    source: str
    span: Span | None
    clock: Clock | None
    all_of: Span | None
    in_lake: bool

    @property
    def rows(self) -> str:
        """The condition in SQL for its rows in `frames`, `regions` and `patches`."""
        of_source = sql.equals("source_id", self.source_id)
        return of_source if self.span is None else sql.all_of(of_source, sql.within("pts", self.span))


def places_to_forget(
    lake: Lake,
    name: str,
    *,
    waiting: Iterable[Source] = (),
    since: Moment = None,
    until: Moment = None,
    followed: bool = False,
) -> list[Place]:
    """The places of that id, address, path, or name of a feed. waiting: sources whose rows wait for the lake.

    Of a recording that is not complete, a span ends at the latest where its rows end. followed: such a recording is
    still being recorded, so it is forgotten up to there, and continues.
    Without `since` and `until` whole sources, also those that could not be read. A recording that is wholly between the
    two is forgotten as a whole; a file is not, so that the ledger says that it must not be read again.
    Raises QueryError if there is none.
    """
    named = named_sources(lake, name, any_state=True, waiting=waiting)
    going_on = {row["id"] for row in named if row["state"] == "open" and row["kind"] == "feed"}
    found = [(_of_row(row), row["kind"]) for row in named]
    found = [(_as_far_as_recorded(lake, p) if p.source_id in going_on else p, kind) for p, kind in found]
    if since is None and until is None:
        return [replace(p, span=p.all_of) if followed and p.source_id in going_on else p for p, _ in found]
    places = [part for place, kind in found if (part := _part(place, kind, since, until)) is not None]
    if not places:
        raise QueryError(f"none of the {len(found)} sources named {name} was recorded between these times")
    return places


def pinned_places(lake: Lake, places: Sequence[Place]) -> list[Pin]:
    """The pins that protect something in these places."""
    by_id = {place.source_id: place for place in places}
    found = []
    for pin in Pins(lake).read():
        place = by_id.get(pin.source_id)
        if place is None:
            continue
        if place.span is None or pin.span is None or place.span.intersection(pin.span) is not None:
            found.append(pin)
    return found


def _of_row(row: Mapping[str, Any]) -> Place:
    in_lake = row["state"] != WAITING
    if row["time_base_den"] is None:
        return Place(row["id"], row["source"], None, None, None, in_lake)
    return Place(row["id"], row["source"], None, clock_of(row), Span(row["start"], row["stop"]), in_lake)


def _as_far_as_recorded(lake: Lake, place: Place) -> Place:
    """The place with the end of its last segment: an open recording is announced longer than it becomes."""
    where = sql.equals("source_id", place.source_id)
    stops = lake.read("segments", columns=["stop"], where=where)["stop"].to_pylist()
    if place.all_of is None or not stops:
        return place
    return replace(place, all_of=Span(place.all_of.start, max(stops)))


def _part(place: Place, kind: str | None, since: Moment, until: Moment) -> Place | None:
    whole = place.all_of
    if whole is None or place.clock is None:
        return None
    start = whole.start if since is None else pts_of(since, place.clock, place.source)
    stop = whole.stop if until is None else pts_of(until, place.clock, place.source)
    span = Span(start, stop).intersection(whole) if start < stop else None
    if span is None:
        return None
    part = None if span == whole and kind == "feed" else span
    return replace(place, span=part)
