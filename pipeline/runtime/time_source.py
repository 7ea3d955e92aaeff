"""The clock of every decision in the pipeline, passed as an argument so that a simulation can drive it."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class TimeSource(Protocol):
    """Reads the clock and waits. Every decision that depends on time uses one; durations that are only shown do not."""

    def utc(self) -> datetime:
        """Returns the time of the wall clock, which somebody may set back."""
        ...

    def monotonic_s(self) -> float:
        """Returns the seconds of a clock that never goes back; its zero is arbitrary."""
        ...

    def since_boot_s(self) -> float:
        """Returns the seconds since this machine was started, including those in which it was suspended."""
        ...

    def boot(self) -> str:
        """Returns a name of this start of the machine, which differs from those of all others."""
        ...

    def sleep(self, seconds: float) -> None: ...

    def wait_for(
        self, condition: threading.Condition, true: Callable[[], object], timeout_s: float | None = None
    ) -> bool:
        """Waits until `true()` is true, or for `timeout_s`; returns whether it is.

        The caller holds `condition`, which is notified whenever `true()` may have changed.
        """
        ...


class RealTime:
    """The clocks of this machine."""

    def utc(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()

    def since_boot_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot(self) -> str:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def wait_for(
        self, condition: threading.Condition, true: Callable[[], object], timeout_s: float | None = None
    ) -> bool:
        return bool(condition.wait_for(true, timeout_s))


REAL_TIME = RealTime()
