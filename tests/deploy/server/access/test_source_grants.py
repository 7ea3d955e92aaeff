"""Patterns of sources. Catches a pattern that shows a source which only begins like it, or has it as a part."""

import os

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deploy.server.access.source_grants import EVERY_SOURCE, SourceGrants, parts_of
from schemas.errors import InvalidValueError
from schemas.file_names import uri_of_path


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
        ("caf\\xe9.ts", "file:///caf%E9.ts", True),  # as the service shows it
        ("caf\\xe9.ts", "file:///caf%E8.ts", False),
        ("cam[1].mp4", "/videos/cam[1].mp4", True),
        ("cam[1].mp4", "/videos/cam1.mp4", True),  # a glob, too
        ("cam[1].mp4", "/videos/cam2.mp4", False),
        ("a?b.mp4", "/videos/a\nb.mp4", True),
        ("Gate", "gate", False),
    ],
)
def test_a_pattern_is_compared_with_whole_parts(pattern: str, source: str, seen: bool) -> None:
    assert SourceGrants((pattern,)).allow(source) is seen


@given(st.text(min_size=1).filter(str.isprintable))
def test_no_pattern_is_nothing_and_none_is_everything(source: str) -> None:
    assert EVERY_SOURCE.allow(source)
    assert not SourceGrants(()).allow(source)


# any bytes but those that part a path, and no line break, which no pattern has
@given(st.binary(min_size=1, max_size=20).filter(lambda name: not set(name) & set(b"/\0\n") and name not in (b"**",)))
def test_the_name_that_the_service_shows_grants_that_source(name: bytes) -> None:
    source = uri_of_path("/videos/" + os.fsdecode(name))
    shown = parts_of(source)[-1]
    assume(shown.isprintable() and shown.strip())
    assert SourceGrants((shown,)).allow(source)
    if not set(shown) & set("*?["):
        assert not SourceGrants((shown,)).allow(uri_of_path("/videos/another " + os.fsdecode(name)))


@pytest.mark.parametrize("pattern", ["", "/", " ", "a\nb"])
def test_a_pattern_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidValueError):
        SourceGrants((pattern,))
