"""How long searches took: a histogram for Prometheus, and quantiles of the last ones."""

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from deploy.server.workers import Workers

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LAST = 1000


class SearchTimes:
    """Times of answered searches, from the request's arrival to its answer. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: deque[float] = deque(maxlen=_LAST)
        self._counts = [0] * (len(BUCKETS_S) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        with self._lock:
            self._last.append(seconds)
            self._counts[bisect_left(BUCKETS_S, seconds)] += 1
            self._sum_s += seconds

    def quantiles(self) -> tuple[int, float | None, float | None]:
        """The number of answers, and of the last of them the median and the 95th percentile, in ms."""
        with self._lock:
            last, answered = sorted(self._last), sum(self._counts)
        if not last:
            return answered, None, None
        p50_ms, p95_ms = (round(1000 * last[int(share * (len(last) - 1))], 1) for share in (0.5, 0.95))
        return answered, p50_ms, p95_ms

    def histogram(self) -> tuple[list[tuple[str, float]], float]:
        """Buckets, each with those before it, and the sum of seconds."""
        with self._lock:
            counts, sum_s = list(self._counts), self._sum_s
        total, buckets = 0, []
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return buckets, sum_s


class ServiceCollector(Collector):
    """Metrics of the service itself."""

    def __init__(self, times: SearchTimes, searches: Workers) -> None:
        self._times = times
        self._searches = searches

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily("regionlake_search_seconds", "Time to answer a search over HTTP.")
        buckets, sum_s = self._times.histogram()
        family.add_metric([], buckets, sum_s)
        yield family
        yield GaugeMetricFamily(
            "regionlake_searches_running", "Searches that are being answered.", value=self._searches.running
        )
        yield GaugeMetricFamily("regionlake_searches_waiting", "Searches that wait.", value=self._searches.waiting)

    def describe(self) -> list[Metric]:
        return []
