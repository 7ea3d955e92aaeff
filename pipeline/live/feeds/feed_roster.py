"""Keeps the feeds that are followed in step with a list: starts, pauses, resumes and stops them."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pipeline.live.account.losses import Received
from pipeline.live.engines.live_engine import FeedHandle
from pipeline.live.feeds.feed_list import FeedEntry
from pipeline.live.feeds.feed_starter import FeedStarter
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.runtime.threads import described
from schemas.errors import LakeError, PlanError
from schemas.file_names import path_of_uri

_log = logging.getLogger(__name__)
ListFeeds = Callable[[], Mapping[str, FeedEntry]]


@dataclass(slots=True)
class _Followed:
    entry: FeedEntry
    handle: FeedHandle | None  # None where it could not be started
    error: str | None = None

    def status(self) -> FeedStatus | None:
        return None if self.handle is None else self.handle.status()


class FeedRoster:
    """The feeds that are followed.

    on_removed: called with the name of a feed that is no longer followed.
    A feed that is removed is asked to stop, and stays among the handles until everything that it received was polled;
    a later feed of the same name continues its counts.
    list_error: why the list could not be read; the feeds of the last list are kept. folders: absolute path → name of
    each feed that is a folder of files; replaced and never changed, because other threads read it.
    Thread-safe. `update` may wait for the file of feeds and for the lake, and keeps nobody else waiting.
    """

    def __init__(
        self, list_feeds: ListFeeds, starter: FeedStarter, *, on_removed: Callable[[str], None], started: datetime
    ) -> None:
        self._list_feeds = list_feeds
        self._starter = starter
        self._on_removed = on_removed
        self._started = started
        self._lock = threading.RLock()
        self._stopped = False
        self._feeds: dict[str, _Followed] = {}
        self._leaving: list[_Followed] = []
        self._counted: dict[str, FeedStatus] = {}  # the counts of removed feeds, by name
        self.list_error: str | None = None
        self.folders: Mapping[str, str] = {}

    def update(self) -> None:
        """Follows the current list. What raises leaves the feeds as they are, and is in `list_error`."""
        try:
            listed = self._list_feeds()
        except Exception as error:  # somebody is editing it; whatever is wrong with it, feeds continue
            self.list_error = str(error) if isinstance(error, PlanError) else described(error)
            return
        self.list_error = None
        for name in set(self._feeds) - set(listed):
            self._remove(name)
        for name, entry in listed.items():
            if self._stopped:
                return
            self._follow(name, entry)
        self.folders = {
            str(Path(path_of_uri(each.handle.status().uri)).absolute()): name
            for name, each in self._feeds.items()
            if each.handle is not None and each.entry.is_folder
        }

    def handles(self, *, folders: bool) -> list[FeedHandle]:
        """The feeds that are followed or were removed and not ended yet: folders of files, or all others."""
        with self._lock:
            followed = (*self._feeds.values(), *self._leaving)
        return [each.handle for each in followed if each.handle is not None and each.entry.is_folder == folders]

    def dismiss_ended(self) -> None:
        """Forgets removed feeds that have ended, and keeps their counts."""
        with self._lock:
            leaving = [each for each in self._leaving if each.handle is None or each.handle.ended]
            for followed in leaving:
                self._leaving.remove(followed)
                status = followed.status()
                if status is not None:
                    before = self._counted.get(status.name)
                    self._counted[status.name] = status if before is None else status.after(before)

    def stop(self) -> None:
        """Asks all feeds to stop, those too that are being started; what they received can still be polled."""
        with self._lock:
            self._stopped = True
            handles = [each.handle for each in self._feeds.values() if each.handle is not None]
        for handle in handles:
            handle.stop()

    @property
    def ended(self) -> bool:
        """Whether every feed has stopped, and everything was polled."""
        return all(handle.ended for folders in (False, True) for handle in self.handles(folders=folders))

    def statuses(self) -> tuple[FeedStatus, ...]:
        """The status of each feed in the list, in order of names, with the counts of earlier feeds of its name."""
        with self._lock:
            return tuple(self._status(name, followed) for name, followed in sorted(self._feeds.items()))

    def received(self) -> Iterator[Received]:
        """What was received of each recording that is current, or whose end was not polled."""
        with self._lock:
            followed = (*self._feeds.values(), *self._leaving)
        for each in followed:
            if each.handle is not None:
                yield from each.handle.received()

    def _follow(self, name: str, entry: FeedEntry) -> None:
        followed = self._feeds.get(name)
        if followed is not None and replace(followed.entry, paused=False) != replace(entry, paused=False):
            self._remove(name)
            followed = None
        if followed is None or followed.handle is None:
            followed = self._start(name, entry)
        if followed.handle is not None and entry.paused != followed.entry.paused:
            followed.handle.pause() if entry.paused else followed.handle.resume()
        followed.entry = entry

    def _start(self, name: str, entry: FeedEntry) -> _Followed:
        try:
            followed = _Followed(entry, self._starter.start(name, entry))
        except (PlanError, LakeError) as error:  # the next update tries again
            followed = _Followed(entry, None, str(error))
        except Exception as error:  # nobody foresaw it: the other feeds do not wait for this one
            before = self._feeds.get(name)
            if before is None or before.error != described(error):  # it is tried again every second
                _log.exception("feed %s cannot be started, and is tried again", name, extra={"feed": name})
            followed = _Followed(entry, None, described(error))
        with self._lock:
            self._feeds[name] = followed
            if self._stopped and followed.handle is not None:
                followed.handle.stop()
        return followed

    def _remove(self, name: str) -> None:
        with self._lock:
            followed = self._feeds[name]
            if followed.handle is not None:
                followed.handle.stop()
                self._leaving.append(followed)
            del self._feeds[name]
        self._on_removed(name)

    def _status(self, name: str, followed: _Followed) -> FeedStatus:
        failed = FeedStatus(name, followed.entry.shown, "failed", self._started, last_error=followed.error)
        status = followed.status() or failed
        leaving = [left.status() for left in self._leaving if left.handle is not None and left.handle.name == name]
        for before in (self._counted.get(name), *leaving):
            status = status if before is None else status.after(before)
        return status
