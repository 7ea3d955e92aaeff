"""Patterns of sources. Catches a pattern that shows a source which only begins like it, or has it as a part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.server.access.source_grants import EVERY_SOURCE, SourceGrants
from schemas.errors import InvalidValueError


@pytest.mark.parametrize(
    ("pattern", "source", "seen"),
    [
        ("gate", "gate", True),
        ("gate", "gate#2026-05-01T12:00:00.250Z", True),  # a recording
        ("gate", "gate-vault", False),
        ("gate", "old/gate", True),  # the last part of a path
        ("gate", "gate/bikes.mp4", False),
        ("yard*", "yard-2", True),
        ("yard*", "/srv/yard/secret.mp4", False),
        ("*", "anything", True),
        ("bikes.mp4", "/videos/may/bikes.mp4", True),
        ("may/bikes.mp4", "/videos/may/bikes.mp4", True),
        ("may/bikes.mp4", "/videos/june/bikes.mp4", False),
        ("may/**", "/videos/may/a/b.mp4", True),
        ("may/**", "/videos/may", False),
        ("may/**", "/videos/may-secret/b.mp4", False),
        ("/videos/**", "/videos/may/b.mp4", True),
        ("s3://bucket/a.mp4", "s3://bucket/a.mp4", True),
        ("caf*.ts", "file:///caf%E9.ts", True),
        ("Gate", "gate", False),
    ],
)
def test_a_pattern_is_compared_with_whole_parts(pattern: str, source: str, seen: bool) -> None:
    assert SourceGrants((pattern,)).allow(source) is seen


@given(st.text(min_size=1).filter(str.isprintable))
def test_no_pattern_is_nothing_and_none_is_everything(source: str) -> None:
    assert EVERY_SOURCE.allow(source)
    assert not SourceGrants(()).allow(source)


@pytest.mark.parametrize("pattern", ["", "/", " ", "a\nb"])
def test_a_pattern_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidValueError):
        SourceGrants((pattern,))
