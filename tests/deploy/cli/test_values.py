"""Values of options: catches boxes and times that are parsed as other values."""

from datetime import UTC, datetime

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli.values import parse_box, parse_moment, parse_zone

sides = st.floats(0, 1, width=32)


@given(st.tuples(sides, sides, sides, sides))
def test_a_box_is_what_was_written_or_is_refused(corners: tuple[float, float, float, float]) -> None:
    text = ",".join(map(repr, corners))
    x0, y0, x1, y1 = corners
    if x0 < x1 and y0 < y1:
        assert parse_box(text) == corners
    else:
        with pytest.raises(typer.BadParameter, match="x0 < x1"):
            parse_box(text)


@pytest.mark.parametrize(
    "text", ["", "0,0,1", "0,0,1,1,1", "a,b,c,d", "0 0 1 1", "-0.1,0,1,1", "0,0,640,480", "nan,0,1,1"]
)
def test_what_is_no_box_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="x0,y0,x1,y1") as refused:
        parse_box(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize("text", ["", "0,0 1,1", "0,0,640,480", "gate=0,0 1,1 1,0 0,1", "left"])
def test_what_is_no_zone_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="zone"):
        parse_zone(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), ("90", 90.0), ("1:30", 90.0), ("0:01:30.5", 90.5), ("2:00:00", 7200.0), ("7.", 7.0)],
)
def test_times_within_a_source_are_seconds(text: str, seconds: float) -> None:
    assert parse_moment(text) == seconds


@pytest.mark.parametrize("text", ["2026-05-01T12:00:00Z", "2026-05-01T14:00:00+02:00", "2026-05-01 12:00"])
def test_moments_are_utc_unless_they_say_otherwise(text: str) -> None:
    assert parse_moment(text) == datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "1:2:3:4", "-5", "12h"])
def test_what_is_no_time_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=repr(text)):
        parse_moment(text)
