"""Catches an hour that is guessed where clocks are changed, and a name that overrules a better clock or is ignored."""

import os
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reading.recorder_times import Dated, dated, utc_of_local
from pipeline.reading.sources import Location
from schemas.clock import Clock, Span
from schemas.recorder_names import KNOWN_FORMS, NameRule
from schemas.sources import Source, SourceKind

BERLIN = NameRule("Europe/Berlin", given=True)
START, LENGTH_S = 5, 10  # of the clip: PTS 5 s to 15 s


def of_name(
    path: str | Path,
    rule: NameRule = KNOWN_FORMS,
    *,
    container: datetime | None = None,
    kind: SourceKind = "video",
) -> Dated:
    """A probed file whose container says that it began at this time."""
    began = None if container is None else container - (datetime(1970, 1, 1, 0, 0, START) - datetime(1970, 1, 1))
    clock, span = Clock(Fraction(1, 10), began), Span(10 * START, 10 * (START + LENGTH_S))
    source = Source(str(path), "a" * 32, kind, clock, span, 64, 48, (span.start,), 10.0, "h264")
    return dated(source, Location(str(path), str(path)), rule)


def began(found: Dated) -> datetime | None:
    return found.source.clock.utc(found.source.span.start)


def written(path: Path, moment: datetime) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (moment.timestamp(), moment.timestamp()))
    return path


def test_the_first_frame_has_the_time_of_the_name_in_the_zone_that_is_given() -> None:
    assert began(of_name("/v/yard_2026-05-01_12-30-00.ts")) == datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
    assert began(of_name("/v/yard_2026-05-01_12-30-00.ts", BERLIN)) == datetime(2026, 5, 1, 10, 30, tzinfo=UTC)
    said = of_name("/frigate/2026-05-01/12/gate/30.00.mp4", BERLIN)  # which is in UTC always
    assert (began(said), said.note) == (datetime(2026, 5, 1, 12, 30, tzinfo=UTC), None)
    assert began(of_name("/frigate/2026-05/01/12/gate/30.00.mp4", BERLIN)) == datetime(2026, 5, 1, 10, 30, tzinfo=UTC)


def test_the_container_comes_before_a_mere_name_and_after_a_recorder_and_a_rule_of_the_user() -> None:
    phone = datetime(2026, 5, 1, 10, 30, 0, 250000, UTC)
    assert began(of_name("/v/VID_20260501_123000.mp4", container=phone)) == phone
    assert began(of_name("/v/VID_20260501_123000.mp4", NameRule(given=True), container=phone)) == datetime(
        2026, 5, 1, 12, 30, tzinfo=UTC
    )
    assert began(of_name("/f/2026-05-01/12/gate/30.00.mp4", container=phone)) == datetime(
        2026, 5, 1, 12, 30, tzinfo=UTC
    )
    # of a time that agrees it has the fractions of the second, as newer releases of Frigate write it
    assert began(of_name("/f/2026-05-01/10/gate/30.00.mp4", container=phone)) == phone


def test_pictures_and_names_without_a_time_are_left_as_they_are() -> None:
    for path, kind in (("/v/2026-05-01_12-30-00.mp4", "picture"), ("/v/bikes.mp4", "video")):
        found = of_name(path, kind=kind)  # type: ignore[arg-type]
        assert (began(found), found.note) == (None, None)
    missed = of_name("/v/bikes.mp4", NameRule(pattern="%Y-%m-%d %H", given=True))
    assert missed.note is not None
    assert "has no time like" in missed.note


def test_an_hour_that_was_twice_is_not_known_unless_the_container_or_the_file_decides_it(tmp_path: Path) -> None:
    name = "yard_2026-10-25_02-30-00.mp4"
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    unknown = of_name(f"/v/{name}", BERLIN)
    assert began(unknown) is None
    assert unknown.note is not None
    assert "was twice" in unknown.note
    assert began(of_name(f"/v/{name}", BERLIN, container=second)) == second
    for moment in (first, second):
        file = written(tmp_path / name, datetime.fromtimestamp(moment.timestamp() + LENGTH_S + 3, UTC))
        decided = of_name(file, BERLIN)
        assert began(decided) == moment
        assert decided.note is not None
        assert "by when the file was written" in decided.note
    written(tmp_path / name, datetime(2026, 11, 1, tzinfo=UTC))  # a copy
    assert began(of_name(tmp_path / name, BERLIN)) is None


def test_an_hour_that_never_was_is_not_known_and_a_wrong_time_of_the_container_does_not_stand_for_it() -> None:
    found = of_name("/v/yard_2026-03-29_02-30-00.mp4", BERLIN, container=datetime(2026, 3, 29, 6, tzinfo=UTC))
    assert began(found) is None
    assert found.note is not None
    assert "never was" in found.note


def test_zoneminders_day_takes_the_time_at_which_the_file_was_written_unless_it_is_a_copy(tmp_path: Path) -> None:
    file = tmp_path / "events" / "3" / "2026-05-01" / "77" / "77-video.mp4"
    written(file, datetime(2026, 4, 30, 22, 0, 20, tzinfo=UTC))  # 20 s after midnight in Berlin
    found = of_name(file, BERLIN)
    assert began(found) == datetime(2026, 4, 30, 22, 0, 10, tzinfo=UTC)
    assert found.note is not None
    assert "its path has the day alone" in found.note
    written(file, datetime(2026, 5, 9, tzinfo=UTC))
    copy = of_name(file, BERLIN)
    assert began(copy) is None
    assert copy.note is not None
    assert "copied" in copy.note


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)),
    st.sampled_from(
        ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
    ),
)
def test_every_moment_is_among_those_at_which_its_clock_shows_its_time(moment: datetime, zone: str) -> None:
    exact = moment.replace(tzinfo=UTC)
    local = exact.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    found = utc_of_local(local, ZoneInfo(zone))
    assert exact in found
    assert list(found) == sorted(set(found))
    assert all(each.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local for each in found)


@pytest.mark.parametrize("hour", [1, 3])
def test_hours_beside_a_change_of_the_clock_are_certain(hour: int) -> None:
    for day in ("2026-03-29", "2026-10-25"):
        found = of_name(f"/v/yard_{day}_{hour:02}-30-00.mp4", BERLIN)
        assert began(found) is not None
        assert found.note is None
