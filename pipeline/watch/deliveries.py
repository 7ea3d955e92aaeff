"""Delivers hits to a webhook in order, retries those that fail, and keeps those that it gives up in a file."""

import json
import logging
import random
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.runtime.backoff import Backoff, BackoffConfig
from pipeline.runtime.threads import REAL_THREADS, SupervisedThread, Threads
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from pipeline.watch.json_lines import JsonLines
from pipeline.watch.watch_state import KeptHit, WatchState
from pipeline.watch.webhook import Attempt, Webhook
from schemas.errors import WatchError
from schemas.visible_text import visible_json

_log = logging.getLogger(__name__)
PAUSES = BackoffConfig(first_s=0.5, longest_s=60.0)
_JOIN_S = 3.0


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """The state of the deliveries.

    delivered, given_up: numbers of hits since the watcher began. waiting: hits still to be sent.
    error: why the last attempt failed; None if it succeeded.
    """

    delivered: int
    given_up: int
    waiting: int
    error: str | None


@dataclass(slots=True)
class _Outcome:
    """The outcome of a hit, until it is recorded in the state. letter: dead letter that is still to be written."""

    hit: KeptHit
    letter: str | None = None
    given_up: bool = False


class Deliveries:
    """Sends the unsent hits of a WatchState in order, in a thread of its own.

    give_up_s: age from which a hit goes to the dead-letter file after a failure; while the webhook is out of reach,
        the next hits of that age follow without an attempt. Hits that the webhook refuses go there at once.
    dead_letter: JSON lines `{"given_up_at", "webhook", "error", "hit": {…}}`. Raises WatchError where it cannot be
        written.
    A kill between an answer and its record in the state sends a hit twice, and a kill between a letter and its record
    writes the letter twice: receivers recognise a hit by its `id`. While the state or the dead-letter file cannot be
    written, the next hits wait, and no hit is sent again.
    """

    def __init__(
        self,
        state: WatchState,
        webhook: Webhook,
        *,
        dead_letter: Path,
        give_up_s: float,
        pauses: BackoffConfig = PAUSES,
        choose: Callable[[], float] = random.random,
        time: TimeSource = REAL_TIME,
        threads: Threads = REAL_THREADS,
    ) -> None:
        self._state = state
        self._webhook = webhook
        self._dead_letter = JsonLines(dead_letter)
        self._give_up_s = give_up_s
        self._pauses = pauses
        self._choose = choose
        self._time = time
        self._threads = threads
        self._news = threading.Condition()
        self._stopped = self._nudged = False
        self._delivered = self._given_up = 0
        self._error: str | None = None
        self._outcome: _Outcome | None = None
        self._backoff = Backoff(pauses, choose=choose)
        self._not_before = 0.0  # monotonic
        self._thread: SupervisedThread | None = None

    def start(self) -> None:
        self._thread = SupervisedThread(
            "webhook", self._run, choose=self._choose, time=self._time, threads=self._threads
        )

    def nudge(self) -> None:
        """Wakes the thread, because there may be something to send."""
        with self._news:
            self._nudged = True
            self._news.notify_all()

    def status(self) -> DeliveryStatus:
        with self._news:
            delivered, given_up, error = self._delivered, self._given_up, self._error
        thread = None if self._thread is None else self._thread.status()
        if thread is not None and thread.state in ("backing off", "failed"):
            error = f"the thread that sends hits died: {thread.error}"
        return DeliveryStatus(delivered, given_up, self._state.unsent(), error)

    def stop(self) -> None:
        """Ends after the current attempt, which is abandoned if it takes long; the other hits stay in the state."""
        with self._news:
            self._stopped = True
            self._news.notify_all()
        if self._thread is not None:
            self._thread.end()
            self._thread.join(_JOIN_S)
        self._webhook.close()
        if self._thread is not None:
            self._thread.check()

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._outcome = self._outcome or self._next()
                self._write_down()
            except Exception as error:  # a thread that ends would never send again
                if not self._stopped:
                    if isinstance(error, WatchError):  # the state or the letter cannot be written now: retried
                        _log.warning("the outcome of a hit cannot be recorded, the next hits wait: %s", error)
                    else:  # without its message, which may hold the address
                        where = "".join(traceback.format_tb(error.__traceback__))
                        _log.error("hits wait because sending them raised %s:\n%s", type(error).__name__, where)
                    self._wait(self._backoff(lasted_s=0.0))

    def _next(self) -> _Outcome | None:
        """The outcome of the first unsent hit; None after a wait or a failure."""
        hit = self._state.first_unsent()
        if hit is None:
            self._wait(1.0)
            return None
        if self._error is not None and self._is_old(hit):
            return self._as_letter(hit, self._error)
        pause_s = self._not_before - self._time.monotonic_s()
        if pause_s > 0:
            self._wait(min(pause_s, max(0.0, hit.found_at + self._give_up_s - self._time.utc().timestamp())))
            return None
        return self._try(hit)

    def _try(self, hit: KeptHit) -> _Outcome | None:
        """Sends a hit once; returns None where that failed and is to be retried."""
        attempt = self._webhook.post(hit.line, key=hit.id)
        match attempt.outcome:
            case "delivered":
                self._reached()
                return _Outcome(hit)
            case "refused":
                self._reached()
                return self._as_letter(hit, attempt.error)
            case "failed":
                self._failed(attempt)
                return None

    def _reached(self) -> None:
        if self._error is not None:
            _log.warning("the webhook %s accepts hits again", self._webhook.config.shown)
        with self._news:
            self._error = None
        self._backoff = Backoff(self._pauses, choose=self._choose)
        self._not_before = 0.0

    def _failed(self, attempt: Attempt) -> None:
        if self._error is None:
            _log.warning("the webhook %s failed, hits wait: %s", self._webhook.config.shown, attempt.error)
        with self._news:
            self._error = attempt.error
        pause_s = max(self._backoff(lasted_s=0.0), min(attempt.wait_s, self._give_up_s))
        self._not_before = self._time.monotonic_s() + pause_s

    def _is_old(self, hit: KeptHit) -> bool:
        return self._time.utc().timestamp() - hit.found_at >= self._give_up_s

    def _as_letter(self, hit: KeptHit, error: str) -> _Outcome:
        letter = {
            "given_up_at": self._time.utc().isoformat(timespec="milliseconds"),
            "webhook": self._webhook.config.shown,
            "error": error,
            "hit": json.loads(hit.line),
        }
        return _Outcome(hit, visible_json(letter), given_up=True)

    def _write_down(self) -> None:
        """Records the outcome of the last hit, if it is not recorded yet. A call after a WatchError does the rest."""
        outcome = self._outcome
        if outcome is None:
            return
        if outcome.letter is not None:
            self._dead_letter.append([outcome.letter])
            outcome.letter = None
        self._state.settle(outcome.hit)
        self._outcome = None
        with self._news:
            self._given_up += outcome.given_up
            self._delivered += not outcome.given_up

    def _wait(self, seconds: float) -> None:
        with self._news:
            self._time.wait_for(self._news, lambda: self._stopped or self._nudged, seconds)
            self._nudged = False
