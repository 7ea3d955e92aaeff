"""Hours: catches a night that ends at midnight, a day of another time zone, and texts that are misread."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.watch.hours import DAYS, Hours
from schemas.errors import QueryError

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def included(text: str) -> list[str]:
    """The full hours of a week, `mon 20`, at which it reports."""
    hours = Hours.parse(text)
    moments = [MONDAY + timedelta(hours=number) for number in range(7 * 24)]
    return [f"{DAYS[moment.weekday()]} {moment.hour}" for moment in moments if hours.include(moment)]


def test_a_span_within_a_day_is_half_open() -> None:
    assert included("tue 08:00-10:00 UTC") == ["tue 8", "tue 9"]


def test_a_night_goes_on_into_the_next_morning() -> None:
    assert included("fri 22:00-02:00 UTC") == ["fri 22", "fri 23", "sat 0", "sat 1"]
    assert included("sun 23:00-01:00 UTC") == ["mon 0", "sun 23"]


def test_days_may_be_ranges_over_the_weekend_and_the_whole_day() -> None:
    assert {moment[:3] for moment in included("sat-mon,wed 00:00-24:00 UTC")} == {"sat", "sun", "mon", "wed"}
    assert len(included("sat-mon,wed 00:00-24:00 UTC")) == 4 * 24
    assert len(included("00:00-00:00 UTC")) == 7 * 24


def test_the_clock_is_that_of_the_zone() -> None:
    assert included("mon 08:00-09:00 Europe/Berlin") == ["mon 6"]  # summer time
    assert included("mon 00:00-01:00 Asia/Tokyo") == ["sun 15"]


@pytest.mark.parametrize(
    "text", ["mon-fri 20:00-06:00 Europe/Berlin", "08:30-17:05", "sun,tue 00:00-00:00 UTC", "sat 9:00-24:00"]
)
def test_its_text_is_read_as_the_same(text: str) -> None:
    hours = Hours.parse(text)
    assert Hours.parse(str(hours)) == hours


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "are no hours"),
        ("noon", "are no hours"),
        ("mon", "are no hours"),
        ("mox 08:00-09:00", "day"),
        ("25:00-26:00", "25:00"),
        ("08:60-09:00", "08:60"),
        ("08:00-09:00 Mars/Base", "Mars/Base"),
        ("08:00-09:00 ../../etc/passwd", "time zone"),
        ("08:00-09:00 Europe", "time zone"),
    ],
)
def test_mistakes_are_named(text: str, names: str) -> None:
    with pytest.raises(QueryError, match=names):
        Hours.parse(text)
