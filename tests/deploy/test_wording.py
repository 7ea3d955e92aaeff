"""Times, sizes and names: catches texts that mislead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.wording import clock_time, counted, is_picture, lasted, reason, short_count, short_names, short_size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.00"), (8.24, "0:08.24"), (59.999, "1:00.00"), (3725.5, "1:02:05.50"), (-0.04, "-0:00.04")],
)
def test_times_are_read_off_like_on_a_player(seconds: float, text: str) -> None:
    assert clock_time(seconds) == text


@given(st.floats(0, 1e6))
def test_a_printed_time_is_within_half_a_hundredth(seconds: float) -> None:
    *clock, rest = clock_time(seconds).split(":")
    minutes = sum(int(part) * 60 ** (len(clock) - 1 - i) for i, part in enumerate(clock))
    assert minutes * 60 + float(rest) == pytest.approx(seconds, abs=0.00501)
    assert float(rest) < 60


@given(st.lists(st.sampled_from(["/a/x.mp4", "/b/x.mp4", "/b/y.mp4", "s3://bucket/y.mp4", "z.mp4"])))
def test_short_names_tell_sources_apart(uris: list[str]) -> None:
    names = short_names(uris)
    assert set(names) == set(uris)
    assert len(set(names.values())) == len(names)
    assert all(uri.endswith(name) for uri, name in names.items())


def test_files_of_recorders_are_named_with_their_cameras() -> None:
    frigate = "/media/frigate/recordings/2026-05-01/12/{}/30.05.mp4"
    uris = [frigate.format("gate"), frigate.format("yard"), "/v/porch_20260501123005.mkv", "/v/bikes.mp4"]
    shown = short_names([*uris, "gate#2026-05-01T12:00:00.250Z"])
    assert [shown[uri] for uri in uris] == ["gate/30.05.mp4", "yard/30.05.mp4", "porch_20260501123005.mkv", "bikes.mp4"]
    assert shown["gate#2026-05-01T12:00:00.250Z"] == "gate#2026-05-01T12:00:00.250Z"


@pytest.mark.parametrize(
    ("count", "one", "many", "text"),
    [(0, "pin", None, "0 pins"), (1, "pin", None, "1 pin"), (2000, "batch", "batches", "2,000 batches")],
)
def test_one_thing_is_not_counted_as_several(count: int, one: str, many: str | None, text: str) -> None:
    assert counted(count, one, many) == text


@pytest.mark.parametrize(
    ("uri", "picture"), [("/a/b.JPG", True), ("s3://b/c.webp", True), ("/a/b.mp4", False), ("/a/jpg", False)]
)
def test_pictures_are_known_by_their_names(uri: str, picture: bool) -> None:
    assert is_picture(uri) == picture


def test_a_reason_names_its_source_once() -> None:
    assert reason("/a.mp4", "/a.mp4 is empty") == "/a.mp4 is empty"
    assert reason("s3://b/a.mp4", "access denied") == "s3://b/a.mp4: access denied"


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (8.9, "8 s"), (59.9, "59 s"), (60, "1 min"), (7500, "2 h"), (200_000, "2 d")]
)
def test_how_long_is_in_one_unit_and_never_more_than_it_was(seconds: float, text: str) -> None:
    assert lasted(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999_999, "999,999"), (1_234_567, "1.23 M"), (43_210_000, "43.2 M"), (432_100_000, "432 M")],
)
def test_counts_fit_seven_letters(count: int, text: str) -> None:
    assert short_count(count) == text
    assert len(text) <= 7


@pytest.mark.parametrize(("size", "text"), [(0, "0.0 kB"), (1234, "1.2 kB"), (56_789, "57 kB"), (2.5e6, "2.5 MB")])
def test_sizes_have_a_unit(size: float, text: str) -> None:
    assert short_size(size) == text
