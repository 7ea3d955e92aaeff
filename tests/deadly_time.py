"""Kills threads of the code under test at the seam through which they see time."""

import threading
from collections.abc import Callable

from pipeline.runtime.time_source import RealTime


class Panic(BaseException):
    """As of a library in Rust: no Exception."""


class DeadlyTime(RealTime):
    """Raises Panic in the thread of a name that was struck, where it next looks at the clock or waits.

    The next wait of that thread, with which its supervisor lets it pause, lasts until `revive()`.
    pausing: names of the threads that wait so.
    """

    def __init__(self) -> None:
        self.struck: set[str] = set()
        self.pausing: set[str] = set()
        self._fallen: dict[str, threading.Event] = {}

    def strike(self, name: str) -> None:
        self._fallen[name] = threading.Event()
        self.struck.add(name)

    def revive(self, name: str) -> None:
        self._fallen[name].set()

    def monotonic_s(self) -> float:
        self._raise()
        return super().monotonic_s()

    def sleep(self, seconds: float) -> None:
        self._raise()
        super().sleep(seconds)

    def wait_for(
        self, condition: threading.Condition, true: Callable[[], object], timeout_s: float | None = None
    ) -> bool:
        self._raise()
        name = threading.current_thread().name
        if name in self._fallen and name not in self.struck:
            self._pause(name, condition)
        found = super().wait_for(condition, true, timeout_s)
        self._raise()
        return found

    def _pause(self, name: str, condition: threading.Condition) -> None:
        self.pausing.add(name)
        while not self._fallen[name].is_set():
            condition.wait(0.01)
        del self._fallen[name]
        self.pausing.remove(name)

    def _raise(self) -> None:
        name = threading.current_thread().name
        if name in self.struck:
            self.struck.remove(name)
            raise Panic("struck")
