"""A fresh Python beside this one, which can be killed when a decoder hangs in it, and dies when we do.

It is not forked (the parent has threads) and not started through `multiprocessing` (which would import the caller's
`__main__` again).
"""

import os
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import Connection, Pipe
from typing import Any


class Child:
    """Runs `code`, which calls `child_connection()` first; `connection` is the other end of what that returns."""

    def __init__(self, code: str) -> None:
        self.connection, theirs = Pipe()
        lifeline_read, self._lifeline = os.pipe()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        command = [sys.executable, "-c", code, str(theirs.fileno()), str(lifeline_read)]
        try:
            self._process = subprocess.Popen(
                command,
                pass_fds=(theirs.fileno(), lifeline_read),
                env=environment,
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for us alone: one that still imports would show where
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

    def ask_to_end(self) -> None:
        """SIGTERM, from any thread: for a child that minds it."""
        self._process.terminate()

    def kill(self) -> None:
        """From any thread; what is read from the connection ends."""
        self._process.kill()

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
        self.connection.close()
        os.close(self._lifeline)

    def exit_reason(self) -> str:
        """Why it is gone: a signal's name or an exit code."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def child_connection() -> tuple[Connection, Any]:
    """In the child: the connection to its parent, whose end is ours too, and to whom Ctrl-C is left; and the first that
    comes through it. Raises SystemExit where the parent was interrupted while we started.
    """
    descriptor, lifeline = map(int, sys.argv[1:3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent closes us
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    connection = Connection(descriptor)
    try:
        return connection, connection.recv()
    except EOFError:
        raise SystemExit(0) from None


def _end_with_parent(lifeline: int) -> None:
    os.read(lifeline, 1)  # returns when the last copy of the other end is closed, by close() or by death
    os._exit(0)
