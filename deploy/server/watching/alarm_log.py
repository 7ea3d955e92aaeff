"""The alarms of watches, read from the file of JSON lines to which the watcher writes them."""

import json
import os
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from deploy.server.access.source_grants import EVERY_SOURCE, SourceGrants
from schemas.errors import WatchError

Alarm = Mapping[str, Any]  # a line: `id`, `watch`, `found_at`, and a hit as `regionlake search --json` prints it
_KEPT = 1000
_FEW = timedelta(days=7)


@dataclass(slots=True)
class _OfWatch:
    """newest: the last alarms, oldest first. times: of all alarms, in seconds since 1970, as they were found, each with
    the URI of its source."""

    newest: deque[Alarm] = field(default_factory=lambda: deque(maxlen=_KEPT))
    times: list[tuple[float, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AlarmCount:
    """recent: in the seven days before a moment. newest: when the last was, UTC; None without alarms."""

    total: int
    recent: int
    newest: datetime | None


class AlarmLog:
    """Reads what was added to the file since the last call. Any thread may call it.

    Of each watch the last thousand alarms can be listed; all are counted, and stay in the file.
    Raises WatchError where the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: tuple[int, int] | None = None
        self._read_to = 0
        self._of: dict[str, _OfWatch] = {}

    def newest(
        self, watch: str, *, limit: int, before: str | None = None, grants: SourceGrants = EVERY_SOURCE
    ) -> tuple[list[Alarm], bool]:
        """Alarms of a watch, newest first, and whether there are more. before: the id of an alarm; those before it.

        grants: only alarms of sources that may be seen.
        """
        with self._lock:
            self._read()
            alarms = list(self._of.get(watch, _OfWatch()).newest)[::-1]
        alarms = [alarm for alarm in alarms if grants.allow(str(alarm["source"]))]
        if before is not None:
            ids = [alarm["id"] for alarm in alarms]
            alarms = alarms[ids.index(before) + 1 :] if before in ids else []
        return alarms[:limit], len(alarms) > limit

    def count(self, watch: str, *, now: datetime, grants: SourceGrants = EVERY_SOURCE) -> AlarmCount:
        """grants: only alarms of sources that may be seen."""
        with self._lock:
            self._read()
            of_watch = self._of.get(watch, _OfWatch()).times
            times = [seconds for seconds, source in of_watch if grants.allow(source)]
            since = (now - _FEW).timestamp()
            recent = sum(since <= each for each in times)
            newest = datetime.fromtimestamp(max(times), now.tzinfo) if times else None
            return AlarmCount(len(times), recent, newest)

    def knows(self, watch: str) -> bool:
        """Whether there is an alarm of a watch of this name."""
        with self._lock:
            self._read()
            return watch in self._of

    def _read(self) -> None:
        try:
            with self.path.open("rb") as file:
                about = os.fstat(file.fileno())
                if self._file != (about.st_dev, about.st_ino) or about.st_size < self._read_to:
                    self._file, self._read_to, self._of = (about.st_dev, about.st_ino), 0, {}
                file.seek(self._read_to)
                content = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise WatchError(f"the alarms in {self.path} cannot be read: {error}") from None
        whole = content.rfind(b"\n") + 1  # a line that is being written is read by the next call
        self._read_to += whole
        for line in content[:whole].splitlines():
            self._add(line)

    def _add(self, line: bytes) -> None:
        try:
            alarm = json.loads(line)
            seconds, source = moment_of(alarm).timestamp(), str(alarm["source"])
            own = self._of.setdefault(str(alarm["watch"]), _OfWatch())
        except (ValueError, TypeError, KeyError):  # a line of another program
            return
        own.newest.append(alarm)
        own.times.append((seconds, source))


def moment_of(alarm: Alarm) -> datetime:
    """When what an alarm shows was there, or, where that is not known, when it was found."""
    return datetime.fromisoformat(alarm.get("time") or alarm["found_at"])
