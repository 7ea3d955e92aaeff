"""A child process with a fresh Python, which can be killed when a decoder hangs in it, and which dies with its parent.

It is not forked (the parent has threads) and not started through `multiprocessing` (which would import the caller's
`__main__` again).
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, Pipe
from types import MappingProxyType
from typing import Any

from pipeline.reading.messages import receive


class Child:
    """Runs `code`, which calls `child_connection()` first; `connection` is the parent's end of that connection.

    environment: variables that the child has in addition.
    """

    def __init__(self, code: str, *, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self.connection, theirs = Pipe()
        lifeline_read, self._lifeline = os.pipe()
        path = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        command = [sys.executable, "-c", code, str(theirs.fileno()), str(lifeline_read)]
        try:
            self._process = subprocess.Popen(
                command,
                pass_fds=(theirs.fileno(), lifeline_read),
                env={**os.environ, **path, **environment},
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C reaches only the parent: a child that still imports would print a traceback
            )
        except BaseException:
            self.connection.close()
            os.close(self._lifeline)
            raise
        finally:
            theirs.close()
            os.close(lifeline_read)

    @property
    def pid(self) -> int:
        return self._process.pid

    def receive(self) -> object:
        """The child's next message, which can name values of readers only. Raises EOFError, or OSError."""
        return receive(self.connection)

    def ask_to_end(self) -> None:
        """Sends SIGTERM, from any thread, to a child that handles it."""
        self._process.terminate()

    def kill(self) -> None:
        """Kills the child, from any thread; reading from the connection then ends."""
        self._process.kill()

    def close(self) -> None:
        """Kills the child and closes the connection."""
        self._process.kill()
        self._process.wait()
        self.connection.close()
        os.close(self._lifeline)

    def exit_reason(self) -> str:
        """Why the child has ended: the name of a signal, or an exit code."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def child_connection(prepare: Callable[[Any], None] = lambda _: None) -> tuple[Connection, Any]:
    """Called in the child: the connection to its parent, and the first object that the parent sent.

    prepare: called with that object, before the child has a thread of its own.

    From then on the child ignores Ctrl-C and ends with its parent. Raises SystemExit where the parent was interrupted
    while the child was starting.
    """
    descriptor, lifeline = map(int, sys.argv[1:3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent closes the child
    connection = Connection(descriptor)
    try:
        first = connection.recv()
    except EOFError:
        raise SystemExit(0) from None
    prepare(first)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    return connection, first


def _end_with_parent(lifeline: int) -> None:
    os.read(lifeline, 1)  # returns when the last copy of the other end is closed, by close() or by death
    os._exit(0)
