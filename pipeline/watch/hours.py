"""Hours of the week at which a watch reports: `mon-fri 20:00-06:00 Europe/Berlin`."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.errors import QueryError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOW = "write them as `mon-fri 20:00-06:00 Europe/Berlin`; days and zone may be omitted"
_TEXT = re.compile(r"(?:(?P<days>[a-z]{3}(?:[-,][a-z]{3})*)\s+)?(?P<start>\S+?)-(?P<stop>\S+?)(?:\s+(?P<zone>\S+))?")
_CLOCK = re.compile(r"(\d\d?):(\d\d)")


@dataclass(frozen=True, slots=True)
class Hours:
    """A span of the day on some days of the week.

    days: of DAYS, those on which the span begins. start, stop: by the clock of the zone; a span whose stop is not after
        its start ends on the next day, so that 00:00 to 00:00 is the whole day.
    zone: a name of the IANA database such as Europe/Berlin; None for the local time of this machine.
    Raises QueryError for days and zones that do not exist.
    """

    days: frozenset[str]
    start: time
    stop: time
    zone: str | None = None

    def __post_init__(self) -> None:
        unknown = sorted(self.days - set(DAYS))
        if unknown or not self.days:
            raise QueryError(f"hours are on days of {', '.join(DAYS)}, got {', '.join(unknown) or 'none'}; {_HOW}")
        _ = self._zone

    @classmethod
    def parse(cls, text: str) -> "Hours":
        """Reads the text of hours. Raises QueryError."""
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise QueryError(f"{text!r} are no hours; {_HOW}")
        days = set(DAYS) if found["days"] is None else _days(found["days"], text)
        return cls(frozenset(days), _clock(found["start"], text), _clock(found["stop"], text), found["zone"])

    def include(self, moment: datetime) -> bool:
        """Whether a moment (with a time zone) is within the span of one of the days."""
        local = moment.astimezone(self._zone)
        now = local.time()
        today, yesterday = DAYS[local.weekday()], DAYS[(local - timedelta(days=1)).weekday()]
        if self.start < self.stop:
            return today in self.days and self.start <= now < self.stop
        return (today in self.days and now >= self.start) or (yesterday in self.days and now < self.stop)

    def __str__(self) -> str:
        days = "" if self.days == frozenset(DAYS) else f"{','.join(day for day in DAYS if day in self.days)} "
        zone = "" if self.zone is None else f" {self.zone}"
        return f"{days}{self.start:%H:%M}-{self.stop:%H:%M}{zone}"

    @property
    def _zone(self) -> ZoneInfo | None:
        if self.zone is None:
            return None
        try:
            return ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # also a folder, or a path that leads elsewhere
            raise QueryError(f"there is no time zone {self.zone!r}; {_HOW}") from None


def _days(text: str, whole: str) -> set[str]:
    """`mon-fri,sun` → the days; a range may go over the end of the week."""
    days: set[str] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise QueryError(f"{whole!r} has a day that is none of {', '.join(DAYS)}; {_HOW}")
        begin, count = DAYS.index(first), (DAYS.index(last or first) - DAYS.index(first)) % 7
        days |= {DAYS[(begin + step) % 7] for step in range(count + 1)}
    return days


def _clock(text: str, whole: str) -> time:
    found = _CLOCK.fullmatch(text)
    try:
        return time(0 if text == "24:00" else int(found[1]), int(found[2]))  # type: ignore[index]
    except (TypeError, ValueError):
        raise QueryError(f"{whole!r} has {text}, which is no time of the day; {_HOW}") from None
