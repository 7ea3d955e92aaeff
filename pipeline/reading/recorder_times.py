"""Gives a file of a recorder the UTC that its name says, in a time zone whose clock may have been set back."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from pipeline.reading.addresses import is_remote
from pipeline.reading.sources import Location
from schemas.clock import Clock
from schemas.file_names import path_of_uri
from schemas.recorder_names import NamedRecording, NameRule, named_recording
from schemas.sources import Source

_SAME_S = 2.0  # a name has whole seconds, the container perhaps more: of one that agrees the container's time is taken
_WRITTEN_S = 120.0  # a recorder has written a file to its end so soon after the end of the recording


@dataclass(frozen=True, slots=True)
class Dated:
    """A source whose name was read.

    source: with its UTC, where that is known. note: what was decided or not known about it, as a sentence.
    """

    source: Source
    note: str | None = None


def dated(source: Source, location: Location, rule: NameRule) -> Dated:
    """A probed source with the time that its name says.

    The layouts of Frigate and ZoneMinder are believed, and other names where the user gave `rule`; else the time in the
    container comes first. A local time that exists twice, or not at all, because the clock was changed, is taken
    only where the container or the time at which the file was written decides it.
    """
    if source.kind != "video":
        return Dated(source)
    named = named_recording(path_of_uri(source.uri), rule.pattern)
    if named is None:
        missed = rule.pattern is not None and source.clock.start_time is None
        return Dated(source, f"its name has no time like {rule.pattern!r}, so its UTC is not known" if missed else None)
    own = source.clock.utc(source.span.start)
    if own is not None and named.layout == "name" and not rule.given:
        return Dated(source)
    length = timedelta(seconds=float((source.span.stop - source.span.start) * source.clock.time_base))
    written = _written(location)
    began = None if written is None else written - length
    if named.began is None:
        return _of_day(source, named, rule, own, began)
    if named.began.tzinfo is not None:
        return Dated(_begun(source, named.began.astimezone(UTC), own))
    candidates = utc_of_local(named.began, rule.zone)
    if len(candidates) == 1:
        return Dated(_begun(source, candidates[0], own))
    if own is not None and any(abs((own - each).total_seconds()) <= _SAME_S for each in candidates):
        return Dated(source)
    known = [each for each in candidates if began is not None and abs((began - each).total_seconds()) <= _WRITTEN_S]
    shown = f"{named.began:%Y-%m-%d %H:%M:%S} in {rule.timezone}"
    if len(known) == 1:
        return Dated(
            _begun(source, known[0], own),
            f"{shown} was twice, because the clock was set back; by when the file was written it is "
            f"{known[0]:%Y-%m-%dT%H:%M:%SZ}",
        )
    why = "was twice, because the clock was set back" if candidates else "never was, because the clock was set forward"
    return Dated(_undated(source), f"{shown} {why}: its UTC is not known")


def utc_of_local(local: datetime, zone: tzinfo) -> tuple[datetime, ...]:
    """The moments in UTC at which a clock of the zone shows this: one; two where it was set back, none where forward.

    >>> from zoneinfo import ZoneInfo
    >>> [f"{each:%H:%M}" for each in utc_of_local(datetime(2026, 10, 25, 2, 30), ZoneInfo("Europe/Berlin"))]
    ['00:30', '01:30']
    """
    moments = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return tuple(sorted(each for each in moments if each.astimezone(zone).replace(tzinfo=None) == local))


def _of_day(
    source: Source, named: NamedRecording, rule: NameRule, own: datetime | None, began: datetime | None
) -> Dated:
    """ZoneMinder's path has a day, and its database the time. The file was written to until the event ended: that is
    taken where it is of the same day, and not of a copy."""
    if own is not None:
        return Dated(source)
    if began is not None and named.day is not None and began.astimezone(rule.zone).date() == named.day:
        return Dated(
            _begun(source, began, None), "its path has the day alone: its time of day is when it was last written to"
        )
    known = "no time" if named.day is None else f"the day {named.day} alone"
    return Dated(source, f"its path has {known}, and it was copied since: its UTC is not known")


def _begun(source: Source, began: datetime, own: datetime | None) -> Source:
    if own is not None and abs((own - began).total_seconds()) <= _SAME_S:
        return source
    # whole microseconds, as Clock.utc counts them
    offset = Clock(source.clock.time_base, datetime.fromtimestamp(0, UTC)).utc(source.span.start)
    assert offset is not None
    start = began - (offset - datetime.fromtimestamp(0, UTC))
    return replace(source, clock=Clock(source.clock.time_base, start))


def _undated(source: Source) -> Source:
    return replace(source, clock=Clock(source.clock.time_base))


def _written(location: Location) -> datetime | None:
    """When the file was last written to; None of one that is not on this machine."""
    if is_remote(location.address):
        return None
    try:
        return datetime.fromtimestamp(Path(location.address).stat().st_mtime, UTC)
    except (OSError, ValueError, OverflowError):
        return None
