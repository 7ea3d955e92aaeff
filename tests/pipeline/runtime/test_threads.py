"""Catches a thread that ended while its owner continues as if it ran."""

import sys
import threading

import pytest

from pipeline.runtime.threads import REAL_THREADS, RunningThread, Threads
from tests.simulation import Simulation


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
