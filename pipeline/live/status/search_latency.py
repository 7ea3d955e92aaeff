"""Measures how soon a keyframe can be found: the time from the moment that it shows until its row is in the lake."""

import math
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence

from pipeline.live.commits.batch import Batch
from pipeline.live.status.follow_status import FindableStatus
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.file_names import path_of_uri
from schemas.sources import Source, feed_name

BUCKETS_S = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0)
_WINDOW_S = 60.0
_WINDOW_KEYFRAMES = 4096  # sorted once a second


class SearchLatency:
    """Counts the keyframes of batches as they are committed. Thread-safe.

    A feed whose clock is ahead of ours counts as found at once, not before.
    """

    def __init__(self, *, time: TimeSource = REAL_TIME) -> None:
        self._time = time
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, float]] = deque(maxlen=_WINDOW_KEYFRAMES)  # committed at, latency in s
        self._keyframes: Counter[str] = Counter()
        self._timed = 0
        self._within = [0] * len(BUCKETS_S)
        self._sum_s = 0.0

    def add(self, batch: Batch, *, folders: Mapping[str, str]) -> None:
        """Counts a batch that was committed. folders: absolute path → name of each feed that is a folder of files.

        Keyframes of files are counted and not timed, because files may be old.
        """
        now, at_s = self._time.utc(), self._time.monotonic_s()
        with self._lock:
            for rows in batch.rows:
                name = _feed_of(rows.segment.source, folders)
                if name is not None:
                    self._keyframes[name] += rows.frames.num_rows
                if rows.segment.source.kind == "feed":
                    for shown in rows.frames["time"].to_pylist():
                        self._took(max(0.0, (now - shown).total_seconds()), at_s)

    def status(self) -> FindableStatus:
        oldest_s = self._time.monotonic_s() - _WINDOW_S
        with self._lock:
            while self._recent and self._recent[0][0] < oldest_s:
                self._recent.popleft()
            took_s = sorted(seconds for _, seconds in self._recent)
            return FindableStatus(
                p50_s=_quantile(took_s, 0.50),
                p95_s=_quantile(took_s, 0.95),
                keyframes=dict(self._keyframes),
                timed=self._timed,
                within=tuple(self._within),
                sum_s=self._sum_s,
            )

    def _took(self, seconds: float, at_s: float) -> None:
        self._recent.append((at_s, seconds))
        self._timed += 1
        self._sum_s += seconds
        for place, bucket_s in enumerate(BUCKETS_S):
            self._within[place] += seconds <= bucket_s


def _feed_of(source: Source, folders: Mapping[str, str]) -> str | None:
    """The feed of a source; None for a file from a folder that is no longer followed."""
    if source.kind == "feed":
        return feed_name(source.uri)
    path = path_of_uri(source.uri)
    return next((name for folder, name in folders.items() if path.startswith(f"{folder}/")), None)


def _quantile(ascending: Sequence[float], share: float) -> float | None:
    """The least of the values that at least `share` of them do not exceed; never a mean of two."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)] if ascending else None
