"""Threads whose errors are not lost: the exception that ends one is kept for its owner to check."""

import threading
from collections.abc import Callable
from typing import Protocol


class RunningThread(Protocol):
    """A thread that has been started."""

    @property
    def alive(self) -> bool: ...

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the thread; None while it runs, and after it returned."""
        ...

    def join(self, timeout_s: float | None = None) -> None:
        """Waits until the thread has ended, or for `timeout_s`."""
        ...

    def check(self) -> None:
        """Raises the exception that ended the thread, if there is one."""
        ...


class Threads(Protocol):
    """Starts threads."""

    def start(self, name: str, run: Callable[[], None]) -> RunningThread:
        """Starts `run` in a daemon thread. name: as a debugger shows it."""
        ...


class RealThreads:
    """Starts real threads of this process."""

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
        except BaseException as error:  # SystemExit too, which ends Python's own threads silently
            self.error = error


REAL_THREADS = RealThreads()
