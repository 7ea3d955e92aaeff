"""Metrics for Prometheus: catches counters that decrease, names and labels that change, and text it cannot parse."""

import os
import socket
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.monitoring.metrics import MetricsServer, serve_metrics
from pipeline.lake.upkeep.holds import Held
from pipeline.live.feeds.feed_status import FEED_STATES, FeedStatus
from pipeline.live.status.follow_status import FindableStatus, FollowStatus, SinkStatus
from pipeline.live.status.search_latency import BUCKETS_S
from pipeline.runtime.threads import ThreadStatus
from schemas.errors import InvalidValueError
from tests.listening import listening
from tests.waiting import wait_until

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
GATE = FeedStatus(
    "gate",
    "gate",
    "live",
    NOON,
    frames_per_s=24.5,
    behind_s=0.25,
    received=1000,
    kept=40,
    waiting=2,
    shed=3,
    damaged=4,
    lost={"broke off": 5, "no frame for 10 s": 6},
    restarts={"broke off": 2},
)
YARD = FeedStatus("yard", "yard", "backing off", NOON, behind_s=0.1, last_error="broke off")
STATUS = FollowStatus(
    at=NOON + timedelta(seconds=60),
    started=NOON,
    pid=1,
    feeds=(GATE, YARD),
    sink=SinkStatus(1, 2000, 3, 4, 41, None, refused=2),
    findable=FindableStatus(1.0, 2.0, {"gate": 41}, 41, tuple(range(29, 29 + len(BUCKETS_S))), 77.5),
)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class _Follower:
    """Reports the status that it is given."""

    def __init__(self) -> None:
        self.status: FollowStatus | None = None


@pytest.fixture
def follower() -> _Follower:
    return _Follower()


@pytest.fixture
def server(follower: _Follower) -> Iterator[MetricsServer]:
    with serve_metrics(0, lambda: follower.status) as server:
        yield server


def _scrape(server: MetricsServer) -> Samples:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _of(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"regionlake_{name}", frozenset(labels.items())]


def test_every_figure_of_the_status_is_there_by_feed(server: MetricsServer, follower: _Follower) -> None:
    follower.status = STATUS
    samples = _scrape(server)
    expected = {
        "feed_frames_received_total": 1000,
        "feed_frames_damaged_total": 4,
        "feed_keyframes_total": 41,
        "feed_keyframes_shed_total": 3,
        "feed_keyframes_waiting": 2,
        "feed_behind_seconds": 0.25,
        "feed_frames_per_second": 24.5,
        "feed_state_since_seconds": NOON.timestamp(),
    }
    assert {name: _of(samples, name, feed="gate") for name in expected} == expected
    assert _of(samples, "feed_frames_lost_total", feed="gate", reason="broke off") == 5
    assert _of(samples, "feed_frames_lost_total", feed="gate", reason="no frame for 10 s") == 6
    assert _of(samples, "feed_restarts_total", feed="gate", reason="broke off") == 2
    states = {state: _of(samples, "feed_state", feed="yard", state=state) for state in FEED_STATES}
    assert [state for state, on in states.items() if on] == ["backing off"]
    assert ("regionlake_feed_behind_seconds", frozenset({("feed", "yard")})) not in samples, "that was"
    assert _of(samples, "sink_in_reach") == 1
    sink = (
        "waiting_batches",
        "waiting_bytes",
        "spooled_batches",
        "commits_total",
        "keyframes_total",
        "refused_batches",
    )
    assert [_of(samples, f"sink_{name}") for name in sink] == [1, 2000, 3, 4, 41, 2]
    assert _of(samples, "follower_status_time_seconds") == STATUS.at.timestamp()


def test_the_time_to_be_found_is_a_histogram(server: MetricsServer, follower: _Follower) -> None:
    follower.status = STATUS
    samples = _scrape(server)
    name = "frame_to_findable_seconds"
    buckets = [_of(samples, f"{name}_bucket", le=str(bucket)) for bucket in BUCKETS_S]
    assert buckets == list(range(29, 29 + len(BUCKETS_S)))
    assert _of(samples, f"{name}_bucket", le="+Inf") == _of(samples, f"{name}_count") == 41
    assert _of(samples, f"{name}_sum") == 77.5


def test_counters_go_on_when_another_feed_takes_the_name(server: MetricsServer, follower: _Follower) -> None:
    follower.status = STATUS
    _scrape(server)
    new = FeedStatus("gate", "gate", "live", NOON, received=10, shed=5, restarts={"refused": 1})  # shed has grown
    for received in (10, 20):
        follower.status = replace(STATUS, feeds=(replace(new, received=received),))
        samples = _scrape(server)
        assert _of(samples, "feed_frames_received_total", feed="gate") == 1000 + received
        assert _of(samples, "feed_keyframes_shed_total", feed="gate") == 3 + 5
        assert _of(samples, "feed_restarts_total", feed="gate", reason="broke off") == 2
        assert _of(samples, "feed_restarts_total", feed="gate", reason="refused") == 1
    follower.status = replace(STATUS, feeds=())
    assert not any("feed" in dict(labels) for _, labels in _scrape(server)), "a removed feed has no metrics"
    follower.status = replace(STATUS, feeds=(replace(new, received=1, shed=0),))
    assert _of(_scrape(server), "feed_frames_received_total", feed="gate") == 1000 + 20 + 1


def test_a_lake_out_of_reach_and_a_bad_list_can_be_alerted_on(server: MetricsServer, follower: _Follower) -> None:
    follower.status = replace(STATUS, sink=replace(STATUS.sink, error="no space left"), list_error="is no TOML")
    samples = _scrape(server)
    assert _of(samples, "sink_in_reach") == _of(samples, "feed_list_readable") == 0


def test_what_upkeep_holds_back_can_be_alerted_on(server: MetricsServer, follower: _Follower) -> None:
    follower.status = STATUS
    assert not any(name == "regionlake_upkeep_held_recordings" for name, _ in _scrape(server))
    held = Held("gate", "clock ahead", 3, 30, 4, 40)
    follower.status = replace(STATUS, held=(held,), clock_ahead_s=60.0)
    samples = _scrape(server)
    assert _of(samples, "upkeep_held_recordings", feed="gate", reason="clock ahead") == 3
    assert _of(samples, "upkeep_held_bytes", feed="gate", reason="clock ahead") == 30
    assert _of(samples, "upkeep_clock_ahead_seconds") == 60


def test_a_server_whose_thread_dies_serves_again(
    server: MetricsServer, follower: _Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower.status = STATUS
    listening = server._server

    def die() -> None:
        monkeypatch.undo()
        raise SystemExit

    monkeypatch.setattr(listening, "service_actions", die)  # what `serve_forever` calls in each of its rounds
    wait_until(lambda: server.thread.restarts == 1)
    wait_until(lambda: server.thread.state == "running")
    assert _of(_scrape(server), "sink_in_reach") == 1


def test_a_thread_that_died_can_be_alerted_on(server: MetricsServer, follower: _Follower) -> None:
    dead = ThreadStatus("sink", "backing off", NOON, restarts=3, error="Panic: struck")
    follower.status = replace(STATUS, threads=(dead, ThreadStatus("model", "running", NOON)))
    samples = _scrape(server)
    assert [_of(samples, "thread_running", thread=name) for name in ("sink", "model")] == [0, 1]
    assert _of(samples, "thread_restarts_total", thread="sink") == 3


def test_before_the_first_status_there_is_the_process_alone(server: MetricsServer) -> None:
    samples = _scrape(server)
    assert ("process_resident_memory_bytes", frozenset()) in samples
    assert not any(name.startswith("regionlake_") for name, _ in samples)


def test_a_port_that_is_taken_is_refused_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidValueError, match=f"{port}: .*choose another port"):
            serve_metrics(port, lambda: None, host="127.0.0.1")


def test_metrics_are_served_on_loopback_unless_another_address_is_chosen() -> None:
    with serve_metrics(0, lambda: None) as server:
        assert ("127.0.0.1", server.port) in listening({os.getpid()})
    with serve_metrics(0, lambda: None, host="0.0.0.0") as server:
        assert ("0.0.0.0", server.port) in listening({os.getpid()})
    with pytest.raises(InvalidValueError, match=r"203\.0\.113\.7:0: .*choose another port or host"):
        serve_metrics(0, lambda: None, host="203.0.113.7")
