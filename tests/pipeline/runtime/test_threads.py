"""Catches a thread that ended while its owner continues as if it ran, and one that is not started again."""

import random
import sys
import threading
from collections.abc import Callable

import pytest

from pipeline.runtime.threads import (
    REAL_THREADS,
    OnDeath,
    RunningThread,
    SupervisedThread,
    Threads,
    described,
)
from tests.deadly_time import Panic
from tests.simulation import Simulation

Run = Callable[[], None]


def _started(threads: Threads, error: BaseException | None) -> RunningThread:
    def run() -> None:
        if error is not None:
            raise error

    return threads.start("worker", run)


@pytest.mark.parametrize("error", [ValueError("a list of another length"), MemoryError(), SystemExit(1)])
def test_whatever_ends_a_thread_is_seen_by_its_owner(error: BaseException) -> None:
    simulation = Simulation(0)
    for threads in (REAL_THREADS, simulation):
        thread = simulation.run(lambda threads=threads: _joined(_started(threads, error)))  # type: ignore[misc]
        assert not thread.alive
        assert thread.error is error
        with pytest.raises(type(error)):
            thread.check()


def test_a_thread_that_ends_by_itself_has_no_error() -> None:
    thread = _joined(_started(REAL_THREADS, None))
    thread.check()
    assert thread.error is None


def test_threads_carry_their_name_and_keep_no_process_alive() -> None:
    seen: list[threading.Thread] = []
    _joined(REAL_THREADS.start("sink", lambda: seen.append(threading.current_thread())))
    assert (seen[0].name, seen[0].daemon) == ("sink", True)
    assert "sink" not in {thread.name for thread in threading.enumerate()}
    assert sys.exc_info() == (None, None, None)


def _joined(thread: RunningThread) -> RunningThread:
    thread.join()
    return thread


def supervised(simulation: Simulation, run: Callable[[], None], on_death: OnDeath = "restart") -> SupervisedThread:
    return SupervisedThread("worker", run, on_death=on_death, choose=lambda: 1.0, time=simulation, threads=simulation)


@pytest.mark.parametrize("error", [ValueError("of another length"), MemoryError(), SystemExit(1), Panic("PyErr")])
def test_a_supervised_thread_that_dies_runs_again_after_growing_pauses(error: BaseException) -> None:
    simulation = Simulation(0)
    began_s: list[float] = []

    def run() -> None:
        began_s.append(simulation.monotonic_s())
        if len(began_s) < 4:
            raise error

    def main() -> SupervisedThread:
        thread = supervised(simulation, run)
        simulation.sleep(0.1)
        status = thread.status()
        assert (status.state, status.restarts, status.error) == ("backing off", 1, described(error))
        assert thread.alive
        thread.check()
        thread.join()
        return thread

    thread = simulation.run(main)
    assert began_s == [0.0, 0.5, 1.5, 3.5]
    assert (thread.status().state, thread.status().restarts) == ("ended", 3)
    assert thread.error is None


@pytest.mark.parametrize("on_death", ["fail", "end"])
def test_what_is_not_started_again_is_failed_and_tells_its_owner(on_death: OnDeath) -> None:
    simulation = Simulation(0)

    def run() -> None:
        raise Panic("once")

    def main() -> SupervisedThread:
        thread = supervised(simulation, run, on_death)
        thread.join()
        return thread

    thread = simulation.run(main)
    assert (thread.status().state, thread.status().error, thread.alive) == ("failed", "Panic: once", False)
    with pytest.raises(Panic):
        thread.check()


def test_a_thread_that_dies_while_it_is_to_end_completes_its_work_once_more_without_a_pause() -> None:
    simulation = Simulation(0)
    runs = 0

    def run() -> None:
        nonlocal runs
        runs += 1
        raise Panic(str(runs))

    def main() -> SupervisedThread:
        thread = supervised(simulation, run)
        simulation.sleep(0.1)
        thread.end()
        thread.join()
        return thread

    thread = simulation.run(main)
    assert (runs, simulation.monotonic_s()) == (2, 0.1)
    assert (thread.status().state, thread.status().error, thread.status().restarts) == ("failed", "Panic: 2", 1)


def test_a_thread_that_is_killed_anywhere_even_while_it_waits_to_be_started_again_goes_on() -> None:
    for seed in range(20):
        simulation = Simulation(seed)
        done: list[float] = []
        stopped = False

        def run(simulation: Simulation = simulation, done: list[float] = done) -> None:
            while not stopped:  # noqa: B023
                simulation.sleep(0.05)
                done.append(simulation.monotonic_s())

        def main(simulation: Simulation = simulation, done: list[float] = done, run: Run = run) -> None:
            nonlocal stopped
            stopped = False
            thread = supervised(simulation, run)
            chance = random.Random(seed)  # noqa: B023
            for _ in range(5):
                simulation.sleep(chance.uniform(0, 2))
                simulation.kill("worker", Panic("killed"))
            simulation.sleep(30)
            assert thread.status().state == "running"
            assert thread.status().restarts == 5
            assert done[-1] > simulation.monotonic_s() - 1
            stopped = True
            thread.end()
            thread.join()
            assert thread.status().state == "ended"

        simulation.run(main)


def test_one_that_cannot_start_itself_again_is_started_by_whoever_asks_for_its_state() -> None:
    class Broken(Simulation):
        """The clock raises too, so that nothing of the death can be recorded in the thread."""

        broken = False

        def monotonic_s(self) -> float:
            if self.broken:
                raise Panic("no clock")
            return super().monotonic_s()

    simulation = Broken(0)
    runs = 0

    def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            simulation.broken = True
            raise Panic("first")

    def main() -> None:
        thread = supervised(simulation, run)
        simulation.sleep(0.1)
        assert simulation.running == []
        simulation.broken = False
        assert thread.status().state == "backing off"
        thread.join()
        assert (runs, thread.status().state) == (2, "ended")

    simulation.run(main)
