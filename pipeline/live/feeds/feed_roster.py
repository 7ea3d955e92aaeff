"""The feeds that are followed: they come, pause and leave as a list says, which is read again and again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pipeline.live.account.losses import Received
from pipeline.live.engines.live_engine import FeedHandle
from pipeline.live.feeds.feed_list import FeedEntry
from pipeline.live.feeds.feed_starter import FeedStarter
from pipeline.live.feeds.feed_status import FeedStatus
from schemas.errors import LakeError, PlanError

ListFeeds = Callable[[], Mapping[str, FeedEntry]]


@dataclass(slots=True)
class _Followed:
    entry: FeedEntry
    handle: FeedHandle | None  # None where it could not be started
    error: str | None = None

    def status(self) -> FeedStatus | None:
        return None if self.handle is None else self.handle.status()


class FeedRoster:
    """on_removed: called with the name of a feed that is not followed any more.

    A feed that leaves is asked to stop, and stays among the handles until everything that it received was taken; its
    counts go on where a feed of the same name follows.
    list_error: why the list could not be read; the feeds of the last one go on. folders: absolute path → name of each
    feed that is a folder of files; made anew and never changed, for other threads read it.
    """

    def __init__(
        self, list_feeds: ListFeeds, starter: FeedStarter, *, on_removed: Callable[[str], None], started: datetime
    ) -> None:
        self._list_feeds = list_feeds
        self._starter = starter
        self._on_removed = on_removed
        self._started = started
        self._feeds: dict[str, _Followed] = {}
        self._leaving: list[_Followed] = []
        self._counted: dict[str, FeedStatus] = {}  # the counts of those that are gone, by name
        self.list_error: str | None = None
        self.folders: Mapping[str, str] = {}

    def update(self) -> None:
        """Follows what the list says now."""
        try:
            wanted = self._list_feeds()
        except PlanError as error:  # somebody is editing it
            self.list_error = str(error)
            return
        self.list_error = None
        for name in set(self._feeds) - set(wanted):
            self._remove(name)
        for name, entry in wanted.items():
            self._follow(name, entry)
        self.folders = {
            str(Path(each.handle.status().uri).absolute()): name
            for name, each in self._feeds.items()
            if each.handle is not None and each.entry.is_folder
        }

    def handles(self, *, folders: bool) -> list[FeedHandle]:
        """Those that are followed or leave: folders of files, or all others."""
        followed = (*self._feeds.values(), *self._leaving)
        return [each.handle for each in followed if each.handle is not None and each.entry.is_folder == folders]

    def dismiss_ended(self) -> None:
        """Lets those go that have left."""
        for followed in [each for each in self._leaving if each.handle is None or each.handle.ended]:
            self._leaving.remove(followed)
            status = followed.status()
            if status is not None:
                before = self._counted.get(status.name)
                self._counted[status.name] = status if before is None else status.after(before)

    def stop(self) -> None:
        """Asks all to stop; what they received can still be taken."""
        for followed in self._feeds.values():
            if followed.handle is not None:
                followed.handle.stop()

    @property
    def ended(self) -> bool:
        """Whether every feed has stopped, and everything was taken."""
        return all(handle.ended for folders in (False, True) for handle in self.handles(folders=folders))

    def statuses(self) -> tuple[FeedStatus, ...]:
        """Of each feed in the list, by name, with the counts of those before it."""
        return tuple(self._status(name, followed) for name, followed in sorted(self._feeds.items()))

    def received(self) -> Iterator[Received]:
        """Of each recording that goes on, or whose end was not taken."""
        for followed in (*self._feeds.values(), *self._leaving):
            if followed.handle is not None:
                yield from followed.handle.received()

    def _follow(self, name: str, entry: FeedEntry) -> None:
        followed = self._feeds.get(name)
        if followed is not None and replace(followed.entry, paused=False) != replace(entry, paused=False):
            self._remove(name)
            followed = None
        if followed is None or followed.handle is None:
            followed = self._feeds[name] = self._start(name, entry)
        if followed.handle is not None and entry.paused != followed.entry.paused:
            followed.handle.pause() if entry.paused else followed.handle.resume()
        followed.entry = entry

    def _start(self, name: str, entry: FeedEntry) -> _Followed:
        try:
            return _Followed(entry, self._starter.start(name, entry))
        except (PlanError, LakeError) as error:  # it is tried again
            return _Followed(entry, None, str(error))

    def _remove(self, name: str) -> None:
        followed = self._feeds.pop(name)
        self._on_removed(name)
        if followed.handle is not None:
            followed.handle.stop()
            self._leaving.append(followed)

    def _status(self, name: str, followed: _Followed) -> FeedStatus:
        failed = FeedStatus(name, followed.entry.shown, "failed", self._started, last_error=followed.error)
        status = followed.status() or failed
        leaving = [left.status() for left in self._leaving if left.handle is not None and left.handle.name == name]
        for before in (self._counted.get(name), *leaving):
            status = status if before is None else status.after(before)
        return status
