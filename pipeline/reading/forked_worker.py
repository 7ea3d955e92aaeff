"""A worker process that is forked from this one and does one task after another.

Forking saves the seconds in which a fresh Python imports decoders. The fork has one thread, whatever this process has,
so that a sandbox binds all of it.
"""

import os
import resource
import signal
import socket
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Generic, NoReturn, TypeVar

from operators.sandbox.kernel import end_with_parent

Task = TypeVar("Task")
_DONE = b"done"
_MOST_LOGGED_BYTES = 1 << 16  # of what a worker prints, which a hostile file may cause


class WorkerEnded(Exception):  # noqa: N818, no error of this process
    """The worker has ended. status: as `os.waitpid` returns it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ForkedWorker(Generic[Task]):
    """Forks in the constructor; ends with this process. Use it from the thread that made it.

    prepare: called once in the worker, before its first task. work: called with each task and the descriptor that was
    sent with it, which is closed afterwards; it returns a descriptor, or None.
    What the worker prints appears on this process's standard error.
    """

    def __init__(self, prepare: Callable[[], None], work: Callable[[Task, int | None], int | None]) -> None:
        ours, theirs = socket.socketpair()
        printed, prints = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                end_with_parent()
                if os.getppid() != parent:  # it ended before that
                    os._exit(0)
                ours.close()
                os.close(printed)
                os.dup2(prints, 1)
                os.dup2(prints, 2)
                os.close(prints)
                prepare()
                _serve(theirs, work)
            except BaseException:  # a fork must not return into the code of its parent
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        theirs.close()
        os.close(prints)
        self._socket = ours
        self._tasks = Connection(os.dup(ours.fileno()))
        self._printed = printed
        self._left_bytes = _MOST_LOGGED_BYTES

    def __call__(self, task: Task, descriptor: int | None = None, *, cpu_s: float | None = None) -> int | None:
        """Does a task in the worker; returns the descriptor that it sends back.

        cpu_s: the kernel ends the worker (SIGXCPU) after so many seconds of CPU time. Raises WorkerEnded.
        """
        try:
            self._limit_cpu(cpu_s)
            self._tasks.send((task, descriptor is not None))
            if descriptor is not None:
                socket.send_fds(self._socket, [b"."], [descriptor])
            while self._tasks not in (ready := wait([self._tasks, self._printed])):
                self._relay()
            assert ready
            answer = self._tasks.recv_bytes(len(_DONE) + 1)  # never unpickled: the worker may be hostile
            if not answer.startswith(_DONE):
                raise EOFError
            if len(answer) == len(_DONE):
                return None
            _, [received], _, _ = socket.recv_fds(self._socket, 1, 1)
        except (EOFError, OSError):
            raise WorkerEnded(self._end()) from None
        return received

    def close(self) -> None:
        """Kills the worker."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._end()

    def _end(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        while self._relay():
            pass
        self._tasks.close()
        self._socket.close()
        os.close(self._printed)
        return status

    def _relay(self) -> bool:
        """Copies what the worker printed to standard error, up to a limit; returns False once there is no more."""
        printed = os.read(self._printed, 1 << 12)
        if printed and self._left_bytes > 0:
            with suppress(OSError):
                os.write(2, printed[: self._left_bytes])
            self._left_bytes -= len(printed)
        return bool(printed)

    def _limit_cpu(self, cpu_s: float | None) -> None:
        if cpu_s is not None:
            used_s = time.clock_gettime(~self.pid << 3 | 2)  # the clock of a process, as in clock_getcpuclockid(3)
            _, hard = resource.prlimit(self.pid, resource.RLIMIT_CPU)
            soft = int(used_s + cpu_s) + 1
            resource.prlimit(self.pid, resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))


def _serve(end: socket.socket, work: Callable[[Task, int | None], int | None]) -> None:
    tasks = Connection(os.dup(end.fileno()))
    while True:
        try:
            task, with_descriptor = tasks.recv()
        except EOFError:
            return
        descriptor: int | None = None
        if with_descriptor:
            _, [descriptor], _, _ = socket.recv_fds(end, 1, 1)
        answer = work(task, descriptor)
        if descriptor is not None:
            os.close(descriptor)
        tasks.send_bytes(_DONE if answer is None else _DONE + b"+")
        if answer is not None:
            socket.send_fds(end, [b"."], [answer])
            os.close(answer)


def end_as(status: int) -> NoReturn:
    """Ends this process as another ended. status: as `os.waitpid` returns it."""
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) or 1)
