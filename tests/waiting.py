"""Waits for other threads and processes."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], bool], *, within_s: float = 60.0, look_s: float = 0.01) -> None:
    """Fails if the condition does not become true in time."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(look_s)
