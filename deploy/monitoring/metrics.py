"""The metrics that Prometheus reads from a follower: its status, and how soon keyframes can be found."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector

from deploy.monitoring.disk_metrics import DiskCollector
from pipeline.live.feeds.feed_status import FEED_STATES, FeedStatus
from pipeline.live.status.follow_status import FindableStatus, FollowStatus, SinkStatus
from pipeline.live.status.search_latency import BUCKETS_S
from pipeline.ring.config import VideoStatus
from pipeline.runtime.threads import SupervisedThread, ThreadStatus
from schemas.errors import InvalidValueError

LOOPBACK = "127.0.0.1"
Count = tuple[str, str]  # its name, and its reason or an empty string

_COUNTS = {
    "frames_received": "Frames decoded.",
    "frames_damaged": "Frames that the decoder could not restore; they do not count as received.",
    "keyframes_shed": "Keyframes dropped because the models were busy.",
    "frames_lost": "Received frames that were lost by a fault, by reason.",
    "restarts": "Number of times that the feed was opened again, by the reason why it had ended.",
    "video_bytes": "Video written to the feed's ring, where it has one.",
    "video_packets_dropped": "Packets of its video that are not in the ring.",
}
_WITH_REASON = ("frames_lost", "restarts")


def serve_metrics(
    port: int,
    latest: Callable[[], FollowStatus | None],
    *,
    host: str = LOOPBACK,
    disks: Mapping[str, Path] = MappingProxyType({}),
) -> "MetricsServer":
    """Serves `http://host:port/metrics` from its own threads until it is closed. Labels contain only names of feeds.

    port: 0 takes any free one. latest: returns the last status, at every scrape; None before the first one.
    host: the address to listen on; names of feeds are read by whoever reaches it, so it is loopback unless chosen.
    disks: folders whose room is reported, by what they hold.
    Raises InvalidValueError if the port is taken or not allowed, or the address is none of this machine.
    """
    registry = CollectorRegistry()
    registry.register(FollowCollector(latest))
    registry.register(DiskCollector(disks))
    ProcessCollector(registry=registry)  # memory, open files, CPU seconds
    GCCollector(registry=registry)
    try:
        return MetricsServer(port, registry, host=host)
    except (OSError, OverflowError) as error:
        raise InvalidValueError(
            f"metrics cannot be served at {host}:{port}: {error}; choose another port or host"
        ) from None


class MetricsServer:
    """Listens on `port` until it is closed; a context manager. Its thread is started again when it dies."""

    def __init__(self, port: int, registry: CollectorRegistry, *, host: str) -> None:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        kind = type("Server", (ThreadingWSGIServer,), {"address_family": family})
        self._server: WSGIServer = make_server(
            str(address[0]), port, make_wsgi_app(registry), kind, handler_class=_Handler
        )
        self.port = int(self._server.server_port)
        self._thread = SupervisedThread("metrics", self._server.serve_forever)

    @property
    def thread(self) -> ThreadStatus:
        return self._thread.status()

    def close(self) -> None:
        self._thread.end()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Handler(WSGIRequestHandler):
    """Logs no request."""

    def log_message(self, *_: object) -> None: ...


class FollowCollector(Collector):
    """Metrics of the status that `latest` returns; safe for several threads.

    When the address of a feed changes, another feed takes its name and counts from zero. Its counters here continue:
    what the earlier feed had counted at the last scrape is added.
    """

    def __init__(self, latest: Callable[[], FollowStatus | None]) -> None:
        self._latest = latest
        self._lock = threading.Lock()
        self._last: dict[str, Counter[Count]] = {}  # by feed, from its last status
        self._before: dict[str, Counter[Count]] = {}  # by name, from earlier feeds with that name

    def collect(self) -> Iterator[Metric]:
        status = self._latest()
        if status is None:
            return
        yield _gauge("follower_start_time_seconds", "When the follower began.", status.started.timestamp())
        yield _gauge("follower_status_time_seconds", "When the other metrics were reported.", status.at.timestamp())
        yield _gauge("feed_list_readable", "Whether the list of feeds can be read.", float(status.list_error is None))
        yield from self._counters(status)
        yield from _gauges(status)
        yield from _sink(status.sink)
        yield from _upkeep(status)
        yield from _threads(status)
        yield _findable(status.findable)

    def describe(self) -> list[Metric]:
        """Nothing, because the metrics depend on the status."""
        return []

    def _counters(self, status: FollowStatus) -> Iterator[Metric]:
        totals = self._totals(status)
        for name, text in _COUNTS.items():
            labels = ["feed", "reason"] if name in _WITH_REASON else ["feed"]
            family = CounterMetricFamily(f"regionlake_feed_{name}", text, labels=labels)
            for feed, counts in totals.items():
                for (which, reason), total in counts.items():
                    if which == name:
                        family.add_metric([feed, reason][: len(labels)], total)
            yield family
        family = CounterMetricFamily("regionlake_feed_keyframes", "Keyframes in the lake.", labels=["feed"])
        for feed in totals:
            family.add_metric([feed], status.findable.keyframes.get(feed, 0))
        yield family

    def _totals(self, status: FollowStatus) -> dict[str, Counter[Count]]:
        totals = {}
        with self._lock:
            for feed in status.feeds:
                now, last = _counts(feed), self._last.get(feed.name, Counter())
                before = self._before.setdefault(feed.name, Counter())
                if any(now[which] < count for which, count in last.items()):
                    before.update(last)
                self._last[feed.name] = now
                totals[feed.name] = Counter({which: now[which] + before[which] for which in {**now, **before}})
        return totals


def _counts(feed: FeedStatus) -> Counter[Count]:
    return Counter(
        {
            ("frames_received", ""): feed.received,
            ("frames_damaged", ""): feed.damaged,
            ("keyframes_shed", ""): feed.shed,
            **({} if feed.video is None else _of_video(feed.video)),
            **{("frames_lost", reason): frames for reason, frames in feed.lost.items()},
            **{("restarts", reason): times for reason, times in feed.restarts.items()},
        }
    )


def _of_video(video: VideoStatus) -> dict[Count, int]:
    return {("video_bytes", ""): video.bytes, ("video_packets_dropped", ""): video.dropped}


def _gauges(status: FollowStatus) -> Iterator[Metric]:
    state = GaugeMetricFamily("regionlake_feed_state", "1 for the state that the feed is in.", labels=["feed", "state"])
    since = _of_feeds("state_since_seconds", "When the feed entered its state.")
    rate = _of_feeds("frames_per_second", "Frames received, over the last seconds.")
    behind = _of_feeds("behind_seconds", "Time between the moment that the newest frame shows and its arrival.")
    waiting = _of_feeds("keyframes_waiting", "Keyframes that wait for a model.")
    video = _of_feeds("video_kept", "Whether the feed's packets are kept, where they are to be.")
    for feed in status.feeds:
        for each in FEED_STATES:
            state.add_metric([feed.name, each], float(each == feed.state))
        since.add_metric([feed.name], feed.since.timestamp())
        rate.add_metric([feed.name], feed.frames_per_s)
        if feed.state == "live" and feed.behind_s is not None:
            behind.add_metric([feed.name], feed.behind_s)
        waiting.add_metric([feed.name], feed.waiting)
        if feed.video is not None:
            video.add_metric([feed.name], float(feed.video.error is None))
    yield from (state, since, rate, behind, waiting, video)


def _sink(sink: SinkStatus) -> Iterator[Metric]:
    yield _gauge("sink_in_reach", "Whether the lake takes rows.", float(sink.error is None))
    yield _gauge("sink_waiting_batches", "Batches that wait in memory.", sink.batches)
    yield _gauge("sink_waiting_bytes", "Size of the batches that wait in memory.", sink.bytes)
    yield _gauge("sink_spooled_batches", "Batches that wait on disk.", sink.spooled)
    yield _gauge("sink_refused_batches", "Batches on disk that the lake does not accept.", sink.refused)
    yield CounterMetricFamily("regionlake_sink_commits", "Batches committed to the lake.", value=sink.commits)
    yield CounterMetricFamily("regionlake_sink_keyframes", "Keyframes committed to the lake.", value=sink.keyframes)


def _upkeep(status: FollowStatus) -> Iterator[Metric]:
    held = {"recordings": "Recordings that upkeep holds back until they are released.", "bytes": "Their size."}
    for name, text in held.items():
        family = GaugeMetricFamily(f"regionlake_upkeep_held_{name}", text, labels=["feed", "reason"])
        for each in status.held:
            family.add_metric([each.feed, each.reason], each.recordings if name == "recordings" else each.bytes)
        yield family
    yield _gauge("upkeep_clock_ahead_seconds", "How far the clock jumped ahead, or back.", status.clock_ahead_s or 0.0)


def _threads(status: FollowStatus) -> Iterator[Metric]:
    running = GaugeMetricFamily(
        "regionlake_thread_running",
        "Whether a thread of the follower runs, and not waits to be restarted.",
        labels=["thread"],
    )
    restarts = CounterMetricFamily(
        "regionlake_thread_restarts", "Number of times that a thread died and was started again.", labels=["thread"]
    )
    for thread in status.threads:
        running.add_metric([thread.name], float(thread.state == "running"))
        restarts.add_metric([thread.name], thread.restarts)
    yield from (running, restarts)


def _findable(findable: FindableStatus) -> Metric:
    buckets = [(str(bucket), float(within)) for bucket, within in zip(BUCKETS_S, findable.within, strict=False)]
    family = HistogramMetricFamily(
        "regionlake_frame_to_findable_seconds",
        "Time from the moment that a keyframe shows until its row is in the lake.",
    )
    family.add_metric([], [*buckets, ("+Inf", findable.timed)], findable.sum_s)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"regionlake_{name}", text, value=value)


def _of_feeds(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"regionlake_feed_{name}", text, labels=["feed"])
