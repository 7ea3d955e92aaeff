"""Notices that the wall clock jumped, by a clock that never does, and keeps in mind when it was wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.runtime.time_source import TimeSource

_KEPT = 20  # times in which the clock was wrong
_NEAR = timedelta(hours=1)  # a recording is shorter


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The wall clock beside one that never jumps.

    since_boot_s: seconds since the machine was started, including those in which it was suspended. boot: a name of that
    start.
    """

    utc: datetime
    since_boot_s: float
    boot: str


@dataclass(frozen=True, slots=True)
class WrongClock:
    """A time in which the wall clock was wrong, from `start` to `stop` as that clock showed it.

    ahead_s: how far it was ahead (negative: behind). over: whether a right clock was seen since.
    """

    start: datetime
    stop: datetime
    ahead_s: float
    over: bool = False

    @property
    def ahead(self) -> timedelta:
        return timedelta(seconds=self.ahead_s)


def read_clock(time: TimeSource) -> ClockReading:
    # the wall clock first: if it jumps in between, this reading is from before the jump
    return ClockReading(time.utc(), time.since_boot_s(), time.boot())


def jump(now: ClockReading, trusted: ClockReading, *, tolerance: timedelta) -> timedelta | None:
    """How far the wall clock is ahead of what it should show (negative: behind); None if that is within `tolerance`.

    trusted: an earlier reading. If the machine was started again since then, it is not known how long it was off, so
    only a clock that is behind the earlier reading is noticed.
    """
    elapsed = timedelta(seconds=now.since_boot_s - trusted.since_boot_s)
    ahead = now.utc - trusted.utc
    ahead = ahead - elapsed if now.boot == trusted.boot else min(ahead, timedelta(0))
    return ahead if abs(ahead) > tolerance else None


def with_wrong(
    known: Sequence[WrongClock], now: ClockReading, trusted: ClockReading, ahead: timedelta
) -> tuple[WrongClock, ...]:
    """Notes that the clock of this reading is wrong by `ahead`. trusted: the last reading that was right."""
    last = known[-1] if known else None
    if last is not None and not last.over and abs(last.ahead - ahead) < timedelta(minutes=1):
        return (*known[:-1], replace(last, stop=max(last.stop, now.utc)))
    same_boot = now.boot == trusted.boot
    since_s = now.since_boot_s - trusted.since_boot_s if same_boot else now.since_boot_s
    new = WrongClock(now.utc - timedelta(seconds=since_s), now.utc, ahead.total_seconds())
    return (*known[-_KEPT:], new)


def with_right(known: Sequence[WrongClock], now: ClockReading) -> tuple[WrongClock, ...]:
    """Notes that the clock of this reading is right: what was wrong may have been until now."""
    return tuple(each if each.over else replace(each, stop=now.utc + each.ahead, over=True) for each in known)


def right_time(shown: datetime, committed: datetime, wrong: Sequence[WrongClock]) -> datetime:
    """When something really happened. shown: by the wall clock of that time. committed: when its rows were.

    Only what was both shown and committed by a wrong clock is corrected: a sender's clock may have been right.
    """
    for each in wrong:
        if each.start - _NEAR <= shown <= each.stop + _NEAR and each.start <= committed <= each.stop:
            return shown - each.ahead
    return shown
