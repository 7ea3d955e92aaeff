"""The state of the service: its model, its lake, the feeds that are followed into it, and its searches."""

import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version

from deploy.server.asking.warm_search import WarmSearch
from deploy.server.search_times import SearchTimes
from deploy.server.showing.catalogue import Sources, lake_name
from deploy.server.workers import Workers
from pipeline.lake.audit.lake_status import LakeStatus
from pipeline.lake.audit.lake_status import status as read_status
from pipeline.lake.lake import Lake
from pipeline.live.status.follow_status import FollowStatus
from pipeline.live.status.state_folder import StateFolder
from schemas.errors import LakeError

_MAX_AGE_S = 5.0


class LakeState:
    """Reads the state. A summary of the lake reads its whole ledger, and is kept for some seconds."""

    def __init__(self, lake: Lake, sources: Sources, search: WarmSearch) -> None:
        self._lake = lake
        self._sources = sources
        self._search = search
        self._started = datetime.now(UTC)
        self._lock = threading.Lock()
        self._status: LakeStatus | None = None
        self._read_at = 0.0

    def followed(self) -> FollowStatus | None:
        """The last status of a follower of this lake; None where there never was one, or it cannot be read."""
        folder = StateFolder.of(self._lake.uri)
        try:
            return folder.read_status() if folder.status.exists() else None
        except LakeError:
            return None

    def __call__(self, searches: Workers, times: SearchTimes) -> dict[str, object]:
        """Returns the service's JSON."""
        model = self._search.model()
        answered, p50_ms, p95_ms = times.quantiles()
        return {
            "version": version("regionlake"),
            "started": self._started.isoformat(),
            "model": asdict(model) | {"error": None if model.error is None else self._sources.hide(model.error)},
            "lake": self._of_lake(),
            "feeds": self._feeds(),
            "searches": {
                "answered": answered,
                "running": searches.running,
                "waiting": searches.waiting,
                "p50_ms": p50_ms,
                "p95_ms": p95_ms,
            },
        }

    def _of_lake(self) -> dict[str, object]:
        listing = self._search.listing()
        status = self._summary()
        hide = self._sources.hide
        error = self._search.lake_error
        return {
            "name": lake_name(self._lake),
            "keyframes": len(listing),
            "regions": int(listing.regions.sum()),
            "sources": status.sources,
            "segments": status.segments,
            "generation": listing.generation,
            "disk_bytes": status.disk_bytes,
            "writer": None if status.writer is None else hide(status.writer),
            "error": None if error is None else hide(error),
            "refusals": [
                {"source": hide(each.source), "span_s": each.span_s, "state": each.state, "error": hide(each.error)}
                for each in status.refusals[:100]
            ],
        }

    def _summary(self) -> LakeStatus:
        with self._lock:
            if self._status is None or time.monotonic() - self._read_at > _MAX_AGE_S:
                self._status, self._read_at = read_status(self._lake), time.monotonic()
            return self._status

    def _feeds(self) -> list[dict[str, object]]:
        followed = self.followed()
        return [
            {
                "name": self._sources.hide(feed.name),
                "state": feed.state,
                "since": feed.since.isoformat(),
                "behind_s": feed.behind_s,
                "frames_per_s": feed.frames_per_s,
                "error": None if feed.last_error is None else self._sources.hide(feed.last_error),
                "reported": followed.at.isoformat() if followed is not None else None,
            }
            for feed in (() if followed is None else followed.feeds)
        ]
