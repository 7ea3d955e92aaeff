"""Brings hits to a webhook one after the other, for as long as it takes, and writes down what could not be brought."""

import json
import logging
import random
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.runtime.backoff import Backoff, BackoffConfig
from pipeline.runtime.threads import REAL_THREADS, RunningThread, Threads
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from pipeline.watch.json_lines import JsonLines
from pipeline.watch.watch_state import KeptHit, WatchState
from pipeline.watch.webhook import Attempt, Webhook
from schemas.errors import WatchError

_log = logging.getLogger(__name__)
PAUSES = BackoffConfig(first_s=0.5, longest_s=60.0)
_JOIN_S = 3.0


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """delivered, given_up: hits, since the watcher began. waiting: hits. error: why the last attempt failed; None where
    it did not."""

    delivered: int
    given_up: int
    waiting: int
    error: str | None


@dataclass(slots=True)
class _Outcome:
    """What became of a hit, until it is written down. letter: that is still to be written."""

    hit: KeptHit
    letter: str | None = None
    given_up: bool = False


class Deliveries:
    """Sends what a WatchState says is to be sent, in its order, in a thread of its own.

    give_up_s: a hit that was found so long ago goes to the dead-letter file after a failure, and those of that age
        behind it follow without an attempt while the webhook is out of reach. What it refuses goes there at once.
    dead_letter: JSON lines `{"given_up_at", "webhook", "error", "hit": {…}}`. Raises WatchError where it cannot be
        written.
    A kill between an answer and its note in the state sends a hit twice, one between a letter and its note writes two:
    receivers know it by its `id`. A state or a file that takes no note holds up the hits behind, and sends none again.
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
        self._thread: RunningThread | None = None

    def start(self) -> None:
        self._thread = self._threads.start("webhook", self._run)

    def nudge(self) -> None:
        """There may be something to send."""
        with self._news:
            self._nudged = True
            self._news.notify_all()

    def status(self) -> DeliveryStatus:
        with self._news:
            delivered, given_up, error = self._delivered, self._given_up, self._error
        return DeliveryStatus(delivered, given_up, self._state.unsent(), error)

    def stop(self) -> None:
        """Ends after the attempt that is under way, which is left to itself if it takes long; the rest stays kept."""
        with self._news:
            self._stopped = True
            self._news.notify_all()
        if self._thread is not None:
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
                    if isinstance(error, WatchError):  # no room for the note or the letter: it is tried anew
                        _log.warning("what became of a hit cannot be written: %s", error)
                    else:  # without its words, which may hold the address
                        where = "".join(traceback.format_tb(error.__traceback__))
                        _log.error("hits wait, for sending them raised %s:\n%s", type(error).__name__, where)
                    self._wait(self._backoff(lasted_s=0.0))

    def _next(self) -> _Outcome | None:
        """Of the first hit that is to be sent; None after a wait, or a failure."""
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
        """None where it failed, and is to be tried again."""
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
            _log.warning("the webhook %s takes hits again", self._webhook.config.shown)
        with self._news:
            self._error = None
        self._backoff = Backoff(self._pauses, choose=self._choose)
        self._not_before = 0.0

    def _failed(self, attempt: Attempt) -> None:
        if self._error is None:
            _log.warning("the webhook %s takes no hits, they wait: %s", self._webhook.config.shown, attempt.error)
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
        return _Outcome(hit, json.dumps(letter, ensure_ascii=False), given_up=True)

    def _write_down(self) -> None:
        """What became of the last hit, if it is not yet. Raises WatchError: then the rest of it is tried anew."""
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
