"""The state of the service: its model, its lake, the feeds that are followed into it, and its searches."""

import threading
import time
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version

from deploy.server.asking.seen_search import SeenSearch
from deploy.server.asking.warm_search import WarmSearch
from deploy.server.search_times import SearchTimes
from deploy.server.showing.catalogue import Sources, lake_name
from deploy.server.showing.lake_storage import lake_storage
from deploy.server.workers import Workers
from pipeline.lake.audit.lake_status import LakeStatus
from pipeline.lake.audit.lake_status import status as read_status
from pipeline.lake.lake import Lake
from pipeline.live.status.follow_status import FollowStatus
from pipeline.live.status.state_folder import StateFolder
from schemas.errors import LakeError

_MAX_AGE_S = 5.0
_MOST_REFUSALS = 100


class LakeSummary:
    """Reads the summary of a lake, which is kept for some seconds: it needs the whole ledger."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._lock = threading.Lock()
        self._status: LakeStatus | None = None
        self._read_at = 0.0

    def __call__(self) -> LakeStatus:
        with self._lock:
            if self._status is None or time.monotonic() - self._read_at > _MAX_AGE_S:
                self._status, self._read_at = read_status(self._lake), time.monotonic()
            return self._status


class LakeState:
    """Reads the state of the service, as far as it is about these sources. started: of the service; by default now."""

    def __init__(
        self,
        lake: Lake,
        summary: LakeSummary,
        sources: Sources,
        search: WarmSearch | SeenSearch,
        *,
        started: datetime | None = None,
    ) -> None:
        self._lake = lake
        self._summary = summary
        self._sources = sources
        self._search = search
        self._started = started or datetime.now(UTC)

    def seen_by(self, sources: Sources, search: SeenSearch) -> "LakeState":
        return LakeState(self._lake, self._summary, sources, search, started=self._started)

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

    def storage(self) -> dict[str, object]:
        """Returns the service's JSON."""
        return lake_storage(self._summary(), self._sources, name=lake_name(self._lake))

    def _of_lake(self) -> dict[str, object]:
        listing = self._search.listing()
        summary = self._summary()
        hide = self._sources.hide
        error = self._search.lake_error
        return {
            "name": lake_name(self._lake),
            "keyframes": len(listing),
            "regions": int(listing.regions.sum()),
            **self._counts(summary),
            "generation": listing.generation,
            "error": None if error is None else hide(error),
            "refusals": [
                {"source": hide(each.source), "span_s": each.span_s, "state": each.state, "error": hide(each.error)}
                for each in summary.refusals
                if self._sources.grants.allow(each.source)
            ][:_MOST_REFUSALS],
        }

    def _counts(self, summary: LakeStatus) -> dict[str, object]:
        """What is about the lake as a whole is not for somebody who sees a part of it."""
        if self._sources.grants.everything:
            writer = None if summary.writer is None else self._sources.hide(summary.writer)
            return {
                "sources": summary.sources,
                "segments": summary.segments,
                "disk_bytes": summary.disk_bytes,
                "writer": writer,
            }
        states = Counter(source.state for source in self._sources().sources.values())
        return {"sources": dict(states), "segments": {}, "disk_bytes": None, "writer": None}

    def _feeds(self) -> list[dict[str, object]]:
        followed = self.followed()
        if followed is None:
            return []
        return [
            {
                "name": self._sources.hide(feed.name),
                "state": feed.state,
                "since": feed.since.isoformat(),
                "behind_s": feed.behind_s,
                "frames_per_s": feed.frames_per_s,
                "error": None if feed.last_error is None else self._sources.hide(feed.last_error),
                "reported": followed.at.isoformat(),
            }
            for feed in followed.feeds
            if self._sources.grants.allow(feed.name)
        ]
