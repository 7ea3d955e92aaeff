"""Runs `regionlake ingest --follow` beside the service, and starts it again when it ends."""

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.runtime.backoff import Backoff, BackoffConfig
from pipeline.runtime.threads import SupervisedThread

_log = logging.getLogger(__name__)
_PAUSES = BackoffConfig(first_s=1.0, longest_s=60.0)
_END_S = 60.0  # the follower commits what it received
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """running: whether the process runs. error: how it ended last, if it is to be started again."""

    running: bool
    error: str | None


class FollowerProcess:
    """A follower in a process of its own, so that decoding and models do not hold up searches.

    arguments: those of `regionlake ingest --follow` besides the lake. Its log goes to standard error. It also ends
    when this process is killed.
    """

    def __init__(self, lake: str, arguments: Sequence[str]) -> None:
        self._command = [sys.executable, "-m", "deploy.server.feeding.follower_main", "--lake", lake, *arguments]
        self._lock = threading.Lock()
        self._ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._error: str | None = None
        self._thread = SupervisedThread("follower", self._run)

    def status(self) -> FollowerStatus:
        with self._lock:
            return FollowerStatus(self._process is not None and self._process.poll() is None, self._error)

    def close(self) -> None:
        """Ends the follower, after it has committed what it received."""
        with self._lock:
            self._ended = True
            process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
        self._thread.end()
        self._thread.join()

    def _run(self) -> None:
        pauses = Backoff(_PAUSES)
        while not self._ended:
            began = time.monotonic()
            process = self._started()
            if process is None:
                return
            code = self._wait(process)
            if self._ended:
                return
            self._note(f"the follower ended with exit code {code}; its log says why")
            pause = pauses(lasted_s=time.monotonic() - began)
            until = time.monotonic() + pause
            while not self._ended and time.monotonic() < until:
                time.sleep(_LOOK_S)

    def _started(self) -> "subprocess.Popen[bytes] | None":
        with self._lock:
            if self._ended:
                return None
            # a group of its own: Ctrl-C reaches the service, which then ends it
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
            )
            return self._process

    def _wait(self, process: "subprocess.Popen[bytes]") -> int:
        asked = None
        while (code := process.poll()) is None:
            if self._ended:
                asked = asked or time.monotonic()
                if time.monotonic() - asked > _END_S:
                    process.kill()
            time.sleep(_LOOK_S)
        return code

    def _note(self, error: str) -> None:
        _log.warning("%s", error)
        with self._lock:
            self._error = error
