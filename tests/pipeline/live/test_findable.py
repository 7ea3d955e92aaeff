"""Time until a keyframe can be found: catches keyframes that count for another feed or twice, and wrong quantiles."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import cast

import numpy as np
import pyarrow as pa
import pytest

from pipeline.live.findable import BUCKETS_S, Findable
from pipeline.live.spool import Batch
from pipeline.rows import SegmentRows
from schemas.clock import Clock, Span
from schemas.sources import Segment, SegmentReport, Source

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def _batch(feed: str, took_s: list[float | None]) -> Batch:
    clock = Clock(Fraction(1, 1000))
    uri = f"{feed}#2026-05-01T11:50:00.000Z"
    source = Source(uri, uri, "feed", clock, Span(0, 10**6), 64, 48, (0,), 25.0, "h264")
    shown = [None if s is None else NOW - timedelta(seconds=s) for s in took_s]
    frames = pa.table({"time": pa.array(shown, pa.timestamp("us", tz="UTC"))})
    segment = Segment(source, Span(0, 1000), "segment")
    return Batch(rows=(SegmentRows(segment, "plan", SegmentReport(25, 0, 0, 999, ()), frames, frames, None),))


def test_quantiles_buckets_and_sum_are_those_of_the_keyframes() -> None:
    rng = np.random.default_rng(3)
    took_s = [float(round(s, 3)) for s in rng.gamma(2.0, 3.0, 500)]
    findable = Findable(now=lambda: NOW)
    for at in range(0, 500, 50):
        findable.add(_batch("gate", cast("list[float | None]", took_s[at : at + 50])))
    status = findable.status()
    assert status.p50_s == pytest.approx(np.quantile(took_s, 0.50, method="inverted_cdf"))
    assert status.p95_s == pytest.approx(np.quantile(took_s, 0.95, method="inverted_cdf"))
    assert status.within == tuple(sum(s <= bucket for s in took_s) for bucket in BUCKETS_S)
    assert status.sum_s == pytest.approx(sum(took_s))
    assert status.keyframes == {"gate": 500}


def test_feeds_are_counted_apart_whatever_their_names() -> None:
    findable = Findable(now=lambda: NOW)
    findable.add(_batch("gate", [1.0, 2.0]))
    findable.add(_batch("gate-2", [1.0]))
    findable.add(_batch("gate", []))
    assert findable.status().keyframes == {"gate": 2, "gate-2": 1}


def test_a_clock_that_is_ahead_counts_as_at_once_and_none_not_at_all() -> None:
    findable = Findable(now=lambda: NOW)
    findable.add(_batch("gate", [-30.0, None]))
    status = findable.status()
    assert (status.p50_s, status.sum_s, status.within[0], status.timed) == (0.0, 0.0, 1, 1)
    assert status.keyframes == {"gate": 2}


def test_nothing_is_known_of_nothing() -> None:
    status = Findable(now=lambda: NOW).status()
    assert (status.p50_s, status.p95_s, status.keyframes) == (None, None, {})


def test_what_is_older_than_a_minute_is_in_the_totals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    at_s = 0.0
    monkeypatch.setattr("pipeline.live.findable.time.monotonic", lambda: at_s)
    findable = Findable(now=lambda: NOW)
    findable.add(_batch("gate", [40.0]))
    at_s = 50.0
    findable.add(_batch("gate", [2.0]))
    assert findable.status().p95_s == pytest.approx(40.0)
    at_s = 65.0
    status = findable.status()
    assert status.p95_s == pytest.approx(2.0)
    assert status.keyframes == {"gate": 2}
