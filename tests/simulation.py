"""Time and threads that a test drives: hours pass in milliseconds, and threads take turns as a seed has it."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

T = TypeVar("T")
BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)


class SimulatedTime:
    """A TimeSource of one thread, which stands still but for what the test and its waits add to it."""

    def __init__(self, began: datetime = BEGAN) -> None:
        self._began = began
        self._now_s = 0.0

    def utc(self) -> datetime:
        return self._began + timedelta(seconds=self._now_s)

    def monotonic_s(self) -> float:
        return self._now_s

    def sleep(self, seconds: float) -> None:
        self._now_s += seconds

    def wait_for(
        self, condition: threading.Condition, true: Callable[[], object], timeout_s: float | None = None
    ) -> bool:
        del condition  # nobody else would notify it
        if not true():
            assert timeout_s is not None, "it would wait for ever"
            self._now_s += timeout_s
        return bool(true())


@dataclass(eq=False, slots=True)
class _Task:
    """A thread of a simulation. go: released where it is its turn. ready: what it waits for, until `until_s`."""

    name: str
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ready: Callable[[], object] = lambda: True
    until_s: float | None = None
    ended: bool = False
    error: BaseException | None = None


class Simulation:
    """A TimeSource and Threads. Of its threads one runs at a time, until it waits or sleeps; which one is next is drawn
    from those that can go on. Where none can, time passes until the first deadline.

    Real threads run the code as it is; whatever they wait for in another way than by these seams stops the simulation.
    No thread may hold a lock while it waits, other than the condition that it waits for.
    trace: (seconds, thread) of each turn, in order.
    """

    def __init__(self, seed: int, *, began: datetime = BEGAN) -> None:
        self._chance = random.Random(seed)
        self._began = began
        self._now_s = 0.0
        self._tasks: list[_Task] = []
        self._current = threading.local()
        self.trace: list[tuple[float, str]] = []

    def run(self, main: Callable[[], T]) -> T:
        """What `main` returns, which is the first of the threads."""
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

    # -- Threads ---------------------------------------------------------------------------------

    def start(self, name: str, run: Callable[[], None]) -> "SimulatedThread":
        task = _Task(name)
        self._tasks.append(task)

        def in_turn() -> None:
            task.go.acquire()
            self._current.task = task
            try:
                run()
            except BaseException as error:
                task.error = error
            task.ended = True
            self._next().go.release()

        threading.Thread(target=in_turn, name=name, daemon=True).start()
        return SimulatedThread(self, task)

    def _wait(self, ready: Callable[[], object], timeout_s: float | None) -> None:
        task: _Task = self._current.task
        task.ready, task.until_s = ready, None if timeout_s is None else self._now_s + timeout_s
        chosen = self._next()
        if chosen is not task:
            chosen.go.release()
            task.go.acquire()

    def _next(self) -> _Task:
        going = [task for task in self._tasks if not task.ended]
        can = [task for task in going if task.ready()]
        if not can:
            deadlines = [task.until_s for task in going if task.until_s is not None]
            assert deadlines, f"each waits for another: {', '.join(task.name for task in going)}"
            self._now_s = max(self._now_s, min(deadlines))
            can = [task for task in going if task.until_s is not None and task.until_s <= self._now_s]
        chosen = self._chance.choice(can)
        chosen.ready, chosen.until_s = lambda: True, None
        self.trace.append((self._now_s, chosen.name))
        return chosen


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
