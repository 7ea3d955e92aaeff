"""Names of recordings: catches a name that is not read back as it was written, and files that are taken for feeds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.sources import feed_name, recording_began, recording_uri


def test_a_recording_is_named_by_its_feed_and_the_millisecond_it_began_in_utc() -> None:
    began = datetime(2026, 5, 1, 14, 0, 0, 250_999, timezone(timedelta(hours=2)))
    assert recording_uri("gate", began) == "gate#2026-05-01T12:00:00.250Z"


@given(feed=st.text(min_size=1), began=st.datetimes(datetime(1970, 1, 1), datetime(2500, 1, 1), timezones=st.just(UTC)))
def test_what_is_written_is_read(feed: str, began: datetime) -> None:
    uri = recording_uri(feed, began)
    assert feed_name(uri) == feed
    assert abs(datetime.fromisoformat(recording_began(uri)) - began) < timedelta(milliseconds=1)


@pytest.mark.parametrize("uri", ["/videos/take #2.mp4", "rtsp://host/#1", "gate", "#", "a#2026-05-01"])
def test_what_is_no_recording_is_its_own_name(uri: str) -> None:
    assert feed_name(uri) == uri
    assert recording_began(uri) == ""
