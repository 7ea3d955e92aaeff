"""Notices that the wall clock jumped, by a clock that never does."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.runtime.time_source import TimeSource


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The wall clock beside one that never jumps.

    since_boot_s: seconds since the machine was started, including those in which it was suspended. boot: a name of that
    start.
    """

    utc: datetime
    since_boot_s: float
    boot: str


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
