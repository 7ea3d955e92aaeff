"""The time until a keyframe can be found: catches keyframes counted twice or for another feed, and wrong quantiles."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.live.commits.batch import Batch
from pipeline.live.status.search_latency import BUCKETS_S, SearchLatency
from schemas.clock import Clock, Span
from schemas.sources import Segment, SegmentReport, Source, SourceKind
from tests.simulation import SimulatedTime

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def _batch(name: str, took_s: Sequence[float], *, kind: SourceKind = "feed") -> Batch:
    clock = Clock(Fraction(1, 1000))
    uri = f"{name}#2026-05-01T11:50:00.000Z" if kind == "feed" else name
    source = Source(uri, uri, kind, clock, Span(0, 10**6), 64, 48, (0,), 25.0, "h264")
    shown = [NOW - timedelta(seconds=s) for s in took_s]
    frames = pa.table({"time": pa.array(shown, pa.timestamp("us", tz="UTC"))})
    segment = Segment(source, Span(0, 1000), "segment")
    return Batch(rows=(SegmentRows(segment, "plan", SegmentReport(25, 0, 0, 999, ()), frames, frames, None),))


def test_quantiles_buckets_and_sum_are_those_of_the_keyframes() -> None:
    rng = np.random.default_rng(3)
    took_s = [float(round(s, 3)) for s in rng.gamma(2.0, 3.0, 500)]
    findable = SearchLatency(time=SimulatedTime(NOW))
    for at in range(0, 500, 50):
        findable.add(_batch("gate", took_s[at : at + 50]), folders={})
    status = findable.status()
    assert status.p50_s == pytest.approx(np.quantile(took_s, 0.50, method="inverted_cdf"))
    assert status.p95_s == pytest.approx(np.quantile(took_s, 0.95, method="inverted_cdf"))
    assert status.within == tuple(sum(s <= bucket for s in took_s) for bucket in BUCKETS_S)
    assert status.sum_s == pytest.approx(sum(took_s))
    assert status.keyframes == {"gate": 500}


def test_feeds_are_counted_apart_whatever_their_names() -> None:
    findable = SearchLatency(time=SimulatedTime(NOW))
    findable.add(_batch("gate", [1.0, 2.0]), folders={})
    findable.add(_batch("gate-2", [1.0]), folders={})
    findable.add(_batch("gate", []), folders={})
    assert findable.status().keyframes == {"gate": 2, "gate-2": 1}


def test_a_clock_that_is_ahead_counts_as_at_once() -> None:
    findable = SearchLatency(time=SimulatedTime(NOW))
    findable.add(_batch("gate", [-30.0, 4.0]), folders={})
    status = findable.status()
    assert (status.p50_s, status.sum_s, status.within[0], status.timed) == (0.0, 4.0, 1, 2)


def test_files_of_a_folder_are_counted_for_its_feed_and_not_timed() -> None:
    findable = SearchLatency(time=SimulatedTime(NOW))
    for path in ("/drop/a#1.mp4", "/drop/sub/b.mp4", "/dropped/c.mp4"):
        findable.add(_batch(path, [5.0, 6.0], kind="video"), folders={"/drop": "recorder"})
    status = findable.status()
    assert (status.keyframes, status.timed, status.p50_s) == ({"recorder": 4}, 0, None)


def test_nothing_is_known_of_nothing() -> None:
    status = SearchLatency(time=SimulatedTime(NOW)).status()
    assert (status.p50_s, status.p95_s, status.keyframes) == (None, None, {})


def test_what_is_older_than_a_minute_is_in_the_totals_alone() -> None:
    time = SimulatedTime(NOW)
    findable = SearchLatency(time=time)
    findable.add(_batch("gate", [40.0]), folders={})
    time.sleep(50)
    findable.add(_batch("gate", [-48.0]), folders={})
    assert findable.status().p95_s == pytest.approx(40.0)
    time.sleep(15)
    status = findable.status()
    assert status.p95_s == pytest.approx(2.0)
    assert status.keyframes == {"gate": 2}
