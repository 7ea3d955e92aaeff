"""Threads whose end is noticed: what one raises is kept for its owner, who checks it."""

import threading
from collections.abc import Callable
from typing import Protocol


class RunningThread(Protocol):
    """A thread that was started."""

    @property
    def alive(self) -> bool: ...

    @property
    def error(self) -> BaseException | None:
        """What ended it, of whatever kind; None while it runs, and where it ended by itself."""
        ...

    def join(self, timeout_s: float | None = None) -> None:
        """Waits until it has ended, or for `timeout_s`."""
        ...

    def check(self) -> None:
        """Raises what ended it, if anything did."""
        ...


class Threads(Protocol):
    """Starts threads."""

    def start(self, name: str, run: Callable[[], None]) -> RunningThread:
        """name: as a debugger shows it. The thread does not keep the process alive."""
        ...


class RealThreads:
    """Those of this process."""

    def start(self, name: str, run: Callable[[], None]) -> RunningThread:
        return _RealThread(name, run)


class _RealThread:
    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self._run = run
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._keep_error, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout_s: float | None = None) -> None:
        self._thread.join(timeout_s)

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def _keep_error(self) -> None:
        try:
            self._run()
        except BaseException as error:  # SystemExit too, which Python's own threads end by in silence
            self.error = error


REAL_THREADS = RealThreads()
