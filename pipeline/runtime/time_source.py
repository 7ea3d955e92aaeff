"""The time by which the pipeline decides: handed in, so that a simulation can drive what a follower waits for."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class TimeSource(Protocol):
    """Tells the time and waits. Every decision by time goes through one; a duration that is only shown need not."""

    def utc(self) -> datetime:
        """The wall clock, which somebody may set back."""
        ...

    def monotonic_s(self) -> float:
        """A clock that only goes forward; its zero means nothing."""
        ...

    def sleep(self, seconds: float) -> None: ...

    def wait_for(
        self, condition: threading.Condition, true: Callable[[], object], timeout_s: float | None = None
    ) -> bool:
        """Waits until it is true, or for `timeout_s`; whether it is true.

        The caller holds `condition`, which is notified whenever it may have become true.
        """
        ...


class RealTime:
    """The clocks of this machine."""

    def utc(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def wait_for(
        self, condition: threading.Condition, true: Callable[[], object], timeout_s: float | None = None
    ) -> bool:
        return bool(condition.wait_for(true, timeout_s))


REAL_TIME = RealTime()
