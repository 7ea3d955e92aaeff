"""Keeps a watcher running beside the service, with the watches that are saved at any time."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.live.status.state_folder import StateFolder
from pipeline.runtime.backoff import Backoff, BackoffConfig
from pipeline.runtime.threads import SupervisedThread
from pipeline.search.target import Target
from pipeline.watch.matcher import with_targets
from pipeline.watch.saved_watches import SavedWatches
from pipeline.watch.watch import Watch
from pipeline.watch.watch_list import ListedWatch
from pipeline.watch.watch_state import WatchState
from pipeline.watch.watcher import Watcher
from schemas.errors import DecodeError, QueryError, RegionLakeError

_NAME = "_service"  # no watch of the command line has this name unless it is given
MOST_WATCHES = 100
_BEGIN_S = 20.0  # how long a change waits until it is in effect: the model may still be being loaded
_PAUSES = BackoffConfig(first_s=1.0, longest_s=30.0)


@dataclass(frozen=True, slots=True)
class KeeperStatus:
    """watching: number of watches that are evaluated. behind: segments that are still to be evaluated.

    errors: of watches that cannot be evaluated, by name. error: why none is; None if they are.
    """

    watching: int
    behind: int
    errors: dict[str, str]
    error: str | None


class WatchKeeper:
    """Evaluates the saved watches on everything that becomes part of the lake, in a thread of its own.

    It continues where it was when the service was stopped, also with what arrived meanwhile. A watch begins with what
    is committed after it was saved or resumed. One process at a time watches a lake for the service: while another
    does, this one waits.
    """

    def __init__(self, lake: Lake, *, encoder: Callable[[], Encoder], poll_s: float = 0.5) -> None:
        self._uri = lake.uri
        self._encoder = encoder
        self._poll_s = poll_s
        self._state = StateFolder.of(lake.uri)
        self.saved = SavedWatches(self._file("toml"))
        self.alarms = self._file("jsonl")
        self._news = threading.Condition()
        self._wanted, self._begun = 1, 0  # numbers of changes
        self._ended = False
        self._watcher: Watcher | None = None
        self._status = KeeperStatus(0, 0, {}, None)
        self._thread = SupervisedThread("watches", self._run)

    def save(self, listed: ListedWatch, *, new: bool) -> None:
        """Saves a watch as SavedWatches does, and begins to evaluate it."""
        self._state.make_own()
        self.saved.save(listed, most=MOST_WATCHES, new=new)
        self._changed()

    def remove(self, name: str) -> bool:
        """Returns whether there was one of that name; its alarms stay in the file."""
        removed = self.saved.path.exists() and self.saved.remove(name)
        if removed:
            self._changed()
        return removed

    def _changed(self) -> None:
        """Begins again with the watches that are saved now; waits for that, or until it has failed."""
        until = time.monotonic() + _BEGIN_S
        with self._news:
            self._wanted += 1
            wanted = self._wanted
            self._news.notify_all()
            while self._begun < wanted and not self._ended and (left := until - time.monotonic()) > 0:
                self._news.wait(left)

    def status(self) -> KeeperStatus:
        with self._news:
            watcher, status = self._watcher, self._status
        if watcher is None:
            return status
        now = watcher.status()
        return KeeperStatus(status.watching, now.behind, status.errors, now.error)

    def close(self) -> None:
        with self._news:
            self._ended = True
            self._news.notify_all()
        self._thread.end()
        self._thread.join()

    def _run(self) -> None:
        pauses = Backoff(_PAUSES)
        while not self._ended:
            wanted = self._wanted
            try:
                self._watch(wanted)
                pauses = Backoff(_PAUSES)
            except RegionLakeError as error:
                self._note(wanted, KeeperStatus(0, 0, {}, str(error)), None)
                self._wait(wanted, pauses(lasted_s=0.0))

    def _watch(self, wanted: int) -> None:
        """Watches until the watches have changed, or the service ends."""
        watches = [each.watch for each in self.saved.read() if not each.paused]
        path = self._file("sqlite")
        if not watches:
            if path.exists():
                with closing(WatchState(path)) as state:
                    state.begin([], seen={})  # the next watch begins with what is committed from then on
            self._note(wanted, KeeperStatus(0, 0, {}, None), None)
            self._wait(wanted, None)
            return
        lake = Lake.open(self._uri)
        ready, errors = self._targets(watches, lake)
        with closing(WatchState(path)) as state:
            watcher = Watcher(lake, ready, state, out=self.alarms, poll_s=self._poll_s)
            self._note(wanted, KeeperStatus(len(ready), 0, errors, None), watcher)
            try:
                watcher.run(lambda: self._ended or self._wanted != wanted)
            finally:
                with self._news:
                    self._watcher = None

    def _targets(self, watches: Sequence[Watch], lake: Lake) -> tuple[list[tuple[Watch, Target]], dict[str, str]]:
        """Each watch with its target; and by name, why others have none: their picture is gone, say."""
        encoder = self._encoder() if any(watch.query.by_meaning for watch in watches) else None
        ready, errors = [], {}
        for watch in watches:
            try:
                ready += with_targets([watch], lake, encoder)
            except (QueryError, DecodeError) as error:
                errors[watch.name] = str(error)
        return ready, errors

    def _note(self, wanted: int, status: KeeperStatus, watcher: Watcher | None) -> None:
        with self._news:
            self._begun, self._status, self._watcher = wanted, status, watcher
            self._news.notify_all()

    def _wait(self, wanted: int, seconds: float | None) -> None:
        with self._news:
            self._news.wait_for(lambda: self._ended or self._wanted != wanted, seconds)

    def _file(self, suffix: str) -> Path:
        return self._state.path / "watch" / f"{_NAME}.{suffix}"
