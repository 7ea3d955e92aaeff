"""Threads whose errors are not lost: whatever ends one is kept for its owner, and a supervised one is started again."""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol

from pipeline.runtime.backoff import Backoff, BackoffConfig
from pipeline.runtime.time_source import REAL_TIME, TimeSource

_log = logging.getLogger(__name__)


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

OnDeath = Literal["restart", "fail", "end"]
ThreadState = Literal["running", "backing off", "failed", "ended"]
RESTARTS = BackoffConfig()


@dataclass(frozen=True, slots=True)
class ThreadStatus:
    """state: "backing off" until a thread that died is started again, "failed" if it never will be, "ended" after it
    returned. since: when it came into this state, UTC. restarts: times that it died and was started again. error: what
    ended it last, `TypeError: …`; None if nothing ever did."""

    name: str
    state: ThreadState
    since: datetime
    restarts: int = 0
    error: str | None = None


class SupervisedThread:
    """A thread that is started again when it dies, after growing pauses, whatever exception ended it.

    run: what the thread does until its owner wants it to end. It may be interrupted at any point and is then called
        again, so that it begins by completing what an earlier call left.
    on_death: what it means that the thread dies. "restart": it is started again. "fail": it stays dead, and its owner
        shows what it served as failed. "end": it stays dead, and its owner, who calls `check()`, ends too.
    noted: called with each death, `TypeError: …`, in the thread that died.
    A thread that dies after `end()` is called once more, to complete what it left, and then stays dead.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[], None],
        *,
        on_death: OnDeath = "restart",
        pauses: BackoffConfig = RESTARTS,
        noted: Callable[[str], None] = lambda _: None,
        choose: Callable[[], float] = random.random,
        time: TimeSource = REAL_TIME,
        threads: Threads = REAL_THREADS,
    ) -> None:
        self.name = name
        self._target = run
        self._on_death = on_death
        self._backoff = Backoff(pauses, choose=choose)
        self._noted = noted
        self._time = time
        self._threads = threads
        self._news = threading.Condition()
        self._status = ThreadStatus(name, "running", time.utc())
        self._ending = False
        self._final = False  # it returned, or stays dead
        self._pause_s = 0.0
        self._began_s = time.monotonic_s()
        with self._news:  # which the thread takes first: from then on its owner knows it
            self._thread = threads.start(name, self._run)

    @property
    def alive(self) -> bool:
        """Whether it runs or will run again."""
        return not self._final and (self._thread.alive or self._restarts)

    @property
    def error(self) -> BaseException | None:
        """The exception after which it stays dead; None while it runs or will run again, and after it returned."""
        return None if self.alive else self._thread.error

    def end(self) -> None:
        """Cuts a pause short, and lets the thread stay dead if it dies again. Its owner lets `run` return."""
        with self._news:
            self._ending = True
            self._news.notify_all()

    def join(self, timeout_s: float | None = None) -> None:
        """Waits until it has returned or stays dead, or for `timeout_s`. Call `end()` first."""
        self._thread.join(timeout_s)

    def check(self) -> None:
        """Raises the exception after which it stays dead, if there is one."""
        error = self.error
        if error is not None:
            raise error

    def status(self) -> ThreadStatus:
        """The state; a thread that died so that it could not start itself again is started here."""
        with self._news:
            dead = not self._final and not self._thread.alive
            error = self._thread.error or RuntimeError("it ended")
        if dead:
            self._note(error, last=not self._restarts)
            with self._news:
                if not self._final and not self._thread.alive:
                    self._thread = self._threads.start(self.name, self._run)
        with self._news:
            return self._status

    @property
    def _restarts(self) -> bool:
        return self._on_death == "restart" and not self._ending

    def _run(self) -> None:
        while True:
            last = self._ending or self._on_death != "restart"
            try:
                self._pause()
                last = self._ending or self._on_death != "restart"
                self._target()
                with self._news:
                    self._final = True
                    self._enter("ended")
                return
            except BaseException as error:  # panics of Rust and SystemExit too
                self._note(error, last=last)
                if last:
                    raise

    def _pause(self) -> None:
        with self._news:
            if self._pause_s:
                self._time.wait_for(self._news, lambda: self._ending, self._pause_s)
            self._pause_s = 0.0
            self._began_s = self._time.monotonic_s()
            self._enter("running")

    def _note(self, error: BaseException, *, last: bool) -> None:
        """Records a death. last: it is not started again. The lock is free while `noted` is called."""
        reason = described(error)
        with self._news:
            again = self._status.error == reason
            self._pause_s = self._backoff(lasted_s=self._time.monotonic_s() - self._began_s)
            restarts = self._status.restarts + (not last)
            self._status = replace(self._status, restarts=restarts)
            self._final = last
            self._enter("failed" if last else "backing off", error)
        if not again:  # its number of restarts says how often
            then = "is not started again" if last else "is started again"
            fields = {"thread_name": self.name, "error": reason, "restarts": restarts}
            _log.error("the thread %s died and %s: %s", self.name, then, reason, extra=fields, exc_info=error)
        try:
            self._noted(reason)
        except BaseException:  # the thread is still started again
            _log.exception("the death of the thread %s cannot be reported", self.name)

    def _enter(self, state: ThreadState, error: BaseException | None = None) -> None:
        if state != self._status.state:
            self._status = replace(self._status, state=state, since=self._time.utc())
        if error is not None:
            self._status = replace(self._status, error=described(error))


def described(error: BaseException) -> str:
    """`TypeError: …` on one line, or the type alone where the error has no message."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
