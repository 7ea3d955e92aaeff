"""An actor of Ray that is made again when it dies, after growing pauses, as threads are in `threads.py`."""

import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import ray

from pipeline.runtime.backoff import Backoff, BackoffConfig
from pipeline.runtime.threads import RESTARTS, ThreadState, ThreadStatus, described
from pipeline.runtime.time_source import REAL_TIME, TimeSource

_log = logging.getLogger(__name__)


class SupervisedActor:
    """make: starts the actor, whose constructor runs later. Whoever calls the actor reports its death by `died`.

    Not thread-safe.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Any],
        *,
        kill: Callable[[Any], None] = ray.kill,
        pauses: BackoffConfig = RESTARTS,
        choose: Callable[[], float] = random.random,
        time: TimeSource = REAL_TIME,
    ) -> None:
        self._make = make
        self._end_actor = kill
        self._backoff = Backoff(pauses, choose=choose)
        self._time = time
        self.status = ThreadStatus(name, "running", time.utc())
        self._made_s = self._due_s = time.monotonic_s()
        self.current: Any = make()  # None until a dead one is made again

    def actor(self) -> Any:
        """The actor; None while it is dead and its pause is not over."""
        if self.current is None and self.status.state == "backing off" and self._time.monotonic_s() >= self._due_s:
            self._made_s = self._time.monotonic_s()
            try:
                self.current = self._make()
            except Exception as error:
                self.died(error)
            else:
                self._enter("running")
        return self.current

    def died(self, error: BaseException) -> None:
        """Records that a call failed because the actor is dead, or not to be trusted any more; ends it for certain."""
        self._kill()
        reason = described(error)[:500]
        again = self.status.error == reason
        self._due_s = self._time.monotonic_s() + self._backoff(lasted_s=self._time.monotonic_s() - self._made_s)
        self.status = replace(self.status, restarts=self.status.restarts + 1, error=reason)
        self._enter("backing off")
        if not again:  # its number of restarts says how often
            fields = {"actor": self.status.name, "error": reason, "restarts": self.status.restarts}
            _log.error("the actor %s died and is started again: %s", self.status.name, reason, extra=fields)

    def end(self) -> None:
        """Ends the actor for ever."""
        self._kill()
        self._enter("ended")

    def _kill(self) -> None:
        actor, self.current = self.current, None
        if actor is not None:
            with suppress(Exception):  # it is dead already
                self._end_actor(actor)

    def _enter(self, state: ThreadState) -> None:
        if state != self.status.state:
            self.status = replace(self.status, state=state, since=self._time.utc())
