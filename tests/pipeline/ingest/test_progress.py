"""Catches a remaining time that is missing, or computed from the wrong counts."""

from dataclasses import replace

import pytest

from pipeline.ingest.progress import Progress

BEGUN = Progress(
    elapsed_s=10.0,
    sources=1,
    segments=2,
    backlog_segments=6,
    frames_decoded=100,
    keyframes=4,
    regions=40,
    media_s=20.0,
    media_total_s=50.0,
)


def test_video_counts_by_its_length() -> None:
    assert BEGUN.eta_s == pytest.approx(15.0)


def test_pictures_count_by_their_number() -> None:
    assert replace(BEGUN, media_s=0.0, media_total_s=0.0).eta_s == pytest.approx(30.0)


def test_nothing_is_promised_before_anything_was_read() -> None:
    assert replace(BEGUN, media_s=0.0).eta_s is None
    assert replace(BEGUN, segments=0, media_s=0.0, media_total_s=0.0).eta_s is None
