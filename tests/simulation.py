"""Simulated time and threads for tests: hours pass in milliseconds, and a seed chooses which thread runs."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

T = TypeVar("T")
BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)


class SimulatedTime:
    """A TimeSource for one thread, which advances only when the test or a wait says so."""

    def __init__(self, began: datetime = BEGAN) -> None:
        self._began = began
        self._now_s = 0.0
        self.reboots = 0

    def set_clock(self, by: timedelta) -> None:
        """Sets the wall clock ahead, or back; no time passes."""
        self._began += by

    def utc(self) -> datetime:
        return self._began + timedelta(seconds=self._now_s)

    def monotonic_s(self) -> float:
        return self._now_s

    def since_boot_s(self) -> float:
        return self._now_s

    def boot(self) -> str:
        return f"boot {self.reboots}"

    def sleep(self, seconds: float) -> None:
        self._now_s += seconds

    def wait_for(
        self, condition: threading.Condition, true: Callable[[], object], timeout_s: float | None = None
    ) -> bool:
        del condition  # no other thread exists that could notify it
        if not true():
            assert timeout_s is not None, "it would wait for ever"
            self._now_s += timeout_s
        return bool(true())


@dataclass(eq=False, slots=True)
class _Task:
    """A thread of a simulation. go: released at its turn. ready: the condition for which it waits, until `until_s`."""

    name: str
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ready: Callable[[], object] = lambda: True
    until_s: float | None = None
    fault: BaseException | None = None
    ended: bool = False
    error: BaseException | None = None


class Simulation:
    """A TimeSource and Threads. One of its threads runs at a time, until it waits or sleeps; the next one is drawn from
    those that can continue. If none can, time advances to the first deadline.

    The code runs unchanged in real threads; a wait that does not use this TimeSource or these Threads stops the
    simulation. While it waits, a thread may hold no lock but that of the condition for which it waits.
    trace: (seconds, thread) of each turn, in order.
    """

    def __init__(self, seed: int, *, began: datetime = BEGAN) -> None:
        self._chance = random.Random(seed)
        self._began = began
        self._now_s = 0.0
        self.reboots = 0
        self._tasks: list[_Task] = []
        self._current = threading.local()
        self.trace: list[tuple[float, str]] = []

    def set_clock(self, by: timedelta) -> None:
        """Sets the wall clock ahead, or back; no time passes."""
        self._began += by

    def run(self, main: Callable[[], T]) -> T:
        """Runs `main` as the first of the threads, and returns its result."""
        task = _Task("main")
        self._tasks.append(task)
        self._current.task = task
        try:
            return main()
        finally:
            task.ended = True

    # -- TimeSource ------------------------------------------------------------------------------

    def utc(self) -> datetime:
        return self._began + timedelta(seconds=self._now_s)

    def monotonic_s(self) -> float:
        return self._now_s

    def since_boot_s(self) -> float:
        return self._now_s

    def boot(self) -> str:
        return f"boot {self.reboots}"

    def sleep(self, seconds: float) -> None:
        self._wait(lambda: False, seconds)

    def wait_for(
        self, condition: threading.Condition, true: Callable[[], object], timeout_s: float | None = None
    ) -> bool:
        held = condition._release_save()  # type: ignore[attr-defined]  # as its own wait does: however often it is held
        try:
            self._wait(true, timeout_s)
        finally:
            condition._acquire_restore(held)  # type: ignore[attr-defined]
        return bool(true())

    def turn(self) -> None:
        """Lets a thread that can continue run, which may be the same."""
        self._wait(lambda: True, None)

    # -- Threads ---------------------------------------------------------------------------------

    def start(self, name: str, run: Callable[[], None]) -> "SimulatedThread":
        task = _Task(name)
        self._tasks.append(task)

        def in_turn() -> None:
            task.go.acquire()
            self._current.task = task
            try:
                self._strike(task)
                run()
            except BaseException as error:
                task.error = error
            task.ended = True
            self._next().go.release()

        threading.Thread(target=in_turn, name=name, daemon=True).start()
        return SimulatedThread(self, task)

    # -- faults ----------------------------------------------------------------------------------

    @property
    def running(self) -> list[str]:
        """The names of the threads that have not ended, without the first one."""
        return [task.name for task in self._tasks[1:] if not task.ended]

    def kill(self, name: str, error: BaseException) -> None:
        """Raises `error` in the thread of that name, where it waits; it gets its turn at once or soon."""
        [task] = [task for task in self._tasks if task.name == name and not task.ended]
        task.fault = error

    def _wait(self, ready: Callable[[], object], timeout_s: float | None) -> None:
        task: _Task = self._current.task
        task.ready, task.until_s = ready, None if timeout_s is None else self._now_s + timeout_s
        chosen = self._next()
        if chosen is not task:
            chosen.go.release()
            task.go.acquire()
        self._strike(task)

    def _strike(self, task: _Task) -> None:
        fault, task.fault = task.fault, None
        if fault is not None:
            raise fault

    def _next(self) -> _Task:
        going = [task for task in self._tasks if not task.ended]
        can = [task for task in going if task.fault is not None or task.ready()]
        if not can:
            deadlines = [task.until_s for task in going if task.until_s is not None]
            assert deadlines, f"each waits for another: {', '.join(task.name for task in going)}"
            self._now_s = max(self._now_s, min(deadlines))
            can = [task for task in going if task.until_s is not None and task.until_s <= self._now_s]
        chosen = self._chance.choice(can)
        chosen.ready, chosen.until_s = lambda: True, None
        self.trace.append((self._now_s, chosen.name))
        return chosen


class SimulatedLock:
    """A reentrant lock which its holder may keep while it waits in the simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._owner: _Task | None = None
        self._depth = 0

    def __enter__(self) -> None:
        task: _Task = self._simulation._current.task
        if self._owner is not task:
            self._simulation._wait(lambda: self._owner is None, None)
        self._owner, self._depth = task, self._depth + 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None


class SimulatedThread:
    def __init__(self, simulation: Simulation, task: _Task) -> None:
        self._simulation = simulation
        self._task = task

    @property
    def alive(self) -> bool:
        return not self._task.ended

    @property
    def error(self) -> BaseException | None:
        return self._task.error

    def join(self, timeout_s: float | None = None) -> None:
        self._simulation._wait(lambda: self._task.ended, timeout_s)

    def check(self) -> None:
        if self._task.error is not None:
            raise self._task.error
