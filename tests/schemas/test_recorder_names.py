"""Catches files of recorders that lose their camera or their time, and names that are no times and are taken for some.

The layouts are those of Frigate's frigate/record/maintainer.py and ZoneMinder's src/zm_event.cpp.
"""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidValueError
from schemas.recorder_names import NameRule, camera_name, named_recording

NOON = datetime(2026, 5, 1, 12, 30, 5)


@pytest.mark.parametrize(
    ("path", "camera", "began"),
    [
        ("/media/frigate/recordings/2026-05-01/12/gate/30.05.mp4", "gate", NOON.replace(tzinfo=UTC)),
        ("/media/frigate/recordings/2026-05/01/12/gate/30.05.mp4", "gate", NOON),  # before 0.12: local time
        ("/clips/front-door-1777638605.5-abc123.mp4", "front-door", datetime(2026, 5, 1, 12, 30, 5, 500000, UTC)),
        ("/zm/events/3/26/05/01/12/30/05/77-video.mp4", "monitor-3", NOON),
        ("/v/2026-05-01_12-30-05.mp4", "v", NOON),
        ("/v/cam1/2026/05/01/20260501T123005Z.ts", "cam1", NOON.replace(tzinfo=UTC)),
        ("/v/yard_20260501123005.mkv", "yard", NOON),
        ("/v/phone/VID_20260501_123005.mp4", "phone", NOON),
        ("/v/cam_1777638605.ts", "cam", NOON.replace(tzinfo=UTC)),
        ("/v/cam-1777638605250.mp4", "cam", datetime(2026, 5, 1, 12, 30, 5, 250000, UTC)),
        ("/v/porch/2026-05-01/12-30-05.mp4", "porch", NOON),
        ("/v/front@20260501123005+0200.mp4", "front", NOON.replace(tzinfo=timezone(timedelta(hours=2)))),
        ("/v/yard_20260501_123005-20260501_130000_x.mp4", "yard", NOON),  # the first of two is its beginning
        ("/v/yard 2026-05-01 12.30.05-0001.mp4", "yard", NOON),  # a number, and no offset from UTC
    ],
)
def test_the_camera_and_the_beginning_are_in_the_path(path: str, camera: str, began: datetime) -> None:
    found = named_recording(path)
    assert found is not None
    assert (found.camera, found.began) == (camera, began)
    assert camera_name(path) == camera
    assert camera_name(f"{path}#2026-05-01T12:00:00.250Z") == camera  # of a name that was used again


@pytest.mark.parametrize(
    ("path", "day"),
    [("/zm/events/3/2026-05-01/77/77-video.mp4", date(2026, 5, 1)), ("/zm/events/3/77/77-video.h264.mp4", None)],
)
def test_two_layouts_of_zoneminder_do_not_say_the_time_of_day(path: str, day: date | None) -> None:
    found = named_recording(path)
    assert found is not None
    assert (found.camera, found.began, found.day) == ("monitor-3", None, day)


@pytest.mark.parametrize(
    "path",
    [
        "/v/bikes.mp4",
        "/v/2026-13-01_12-30-05.mp4",  # no month
        "/v/20260501.mp4",
        "/v/a1777638605f.mp4",  # a part of a hash
        "/v/12345678901234567890.mp4",
        "/v/2026-05-01_12-30-05.jpg",
        "/zm/events/3/2026-05-01/77/78-video.mp4",  # the event of another folder
        "yard_20260501123005.mkv",  # the name of a feed
        "gate",
    ],
)
def test_other_names_say_nothing_and_are_their_own_camera(path: str) -> None:
    assert named_recording(path) is None
    assert camera_name(path) == path


def test_a_pattern_is_found_in_the_path_and_where_it_occurs_twice_the_last_counts() -> None:
    found = named_recording("/v/01-05-2025/garage/01-05-2026/12h30.mp4", "%d-%m-%Y/%Hh%M")
    assert found is not None
    assert found.began == datetime(2026, 5, 1, 12, 30)
    twice = named_recording("/v/25.05.01.00/26.05.01.12.ts", "%y.%m.%d.%H")
    assert twice is not None
    assert twice.began == datetime(2026, 5, 1, 12)
    assert named_recording("/v/2026-05-01_12-30-05.mp4", "%d.%m.%Y %H") is None  # what was given is all that counts
    for number in ("0001-01-01 00", "9999-12-31 23"):  # no year of a recording; a time zone would end the ingest
        assert named_recording(f"/v/{number}.mp4", "%Y-%m-%d %H") is None


@given(
    st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1)),
    st.sampled_from(["%Y%m%d%H%M%S%f", "%y_%m_%d/%H.%M.%S.%f"]),
)
def test_a_time_that_strftime_writes_is_read_back(moment: datetime, pattern: str) -> None:
    found = named_recording(f"/v/{moment.strftime(pattern)}.mp4", pattern)
    assert found is not None
    assert found.began == moment


@pytest.mark.parametrize("pattern", ["%Q-%m", "%Y-%Y-%m-%d %H", "%H-%M", "no directive", "%Y-%m-%d", "%"])
def test_patterns_that_say_no_time_are_refused(pattern: str) -> None:
    with pytest.raises(InvalidValueError, match="%"):
        NameRule(pattern=pattern)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_zones_that_do_not_exist_are_refused(zone: str) -> None:
    with pytest.raises(InvalidValueError, match="time zone"):
        NameRule(zone)
