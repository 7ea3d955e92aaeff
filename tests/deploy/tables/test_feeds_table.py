"""The table of feeds: catches lines that are folded or cut off, and feeds in trouble that are not shown."""

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from deploy.cli.following import status_line
from deploy.tables.feeds_table import feed_line, feeds_screen, follower_line, mask_notes
from pipeline.lake.upkeep.holds import Held
from pipeline.live.feeds.feed_status import FEED_STATES, FeedState, FeedStatus
from pipeline.live.status.follow_status import FindableStatus, FollowStatus, SinkStatus
from pipeline.ring.config import VideoStatus
from pipeline.runtime.threads import ThreadStatus

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ERROR = "no frame for 10 s: the decoder was killed"


def _feed(name: str, state: FeedState = "live", *, error: str | None = None) -> FeedStatus:
    since = NOW - timedelta(minutes=3)
    lost = {error: 250} if error else {}
    restarts = {error: 3} if error else {}
    rate = 24.96 if state == "live" else 0.0
    return FeedStatus(
        name, name, state, since, rate, 0.31, 12_345_678, shed=12, lost=lost, restarts=restarts, last_error=error
    )


def _status(feeds: Sequence[FeedStatus]) -> FollowStatus:
    sink = SinkStatus(2, 1_200_000, 0, 512, 3204, None)
    findable = FindableStatus(1.26, 2.94, {feed.name: 4321 for feed in feeds}, 3204)
    return FollowStatus(NOW, NOW - timedelta(hours=2), 4711, tuple(feeds), sink, None, findable)


def _many(count: int) -> list[FeedStatus]:
    return [_feed(f"camera-{n:03}", *(("stalled",) if n % 50 == 49 else ())) for n in range(count)]


def _lines(status: FollowStatus, *, width: int, height: int = 24, gone: str | None = None) -> list[str]:
    console = Console(width=width, height=height, force_terminal=True, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(feeds_screen(status, now=NOW, gone=gone, width=width, height=height))
    return captured.get().splitlines()


def _row(lines: Sequence[str], name: str) -> list[str]:
    return next(line for line in lines if line.startswith(name)).split()


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize(("feeds", "height"), [(16, 24), (200, 24), (200, 60), (0, 24), (1, 12)])
def test_it_fits_the_terminal_unfolded(width: int, feeds: int, height: int) -> None:
    lines = _lines(_status(_many(feeds)), width=width, height=height)
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width
    assert any(line.startswith("lake: 3,204 keyframes in 512 commits") for line in lines), "the foot is never cut off"
    assert sum(line.startswith("camera-") for line in lines) >= min(feeds, 12 if height == 24 else 1)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.builds(
            _feed,
            st.text("abcdefgh-日本[/]", min_size=1, max_size=60),
            st.sampled_from(FEED_STATES),
            error=st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["M"]), max_size=300),
        ),
        max_size=40,
        unique_by=lambda feed: feed.name,
    ),
    st.integers(80, 200),
    st.integers(14, 60),
)
def test_whatever_names_and_errors_hold(feeds: list[FeedStatus], width: int, height: int) -> None:
    lines = _lines(_status(feeds), width=width, height=height)
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [80, 160])
def test_a_row_describes_the_feed(width: int) -> None:
    lines = _lines(_status([_feed("gate"), _feed("yard", "stalled", error=ERROR)]), width=width)
    received = ["12.3", "M"] if width == 160 else []
    assert _row(lines, "gate") == ["gate", "live", "3", "min", "25.0", "0.3", "s", *received, "4,321", "12", "0", "0"]
    yard = ["yard", "stalled", "3", "min", "0.0", "–", *received, "4,321", "12", "250", "3"]
    assert _row(lines, "yard") == yard + (ERROR.split() if width == 160 else [])
    assert any(ERROR in line for line in lines if "lost" not in line), "at any width"
    assert f"frames lost: 250 {ERROR}" in [line.rstrip() for line in lines]


def test_feeds_are_sorted_by_name_and_distinguished_by_their_ends() -> None:
    names = [f"north-entrance-upper-level-{n}" for n in (3, 1, 2)]
    rows = [line.split()[0] for line in _lines(_status([_feed(n) for n in names]), width=80) if line.startswith("n")]
    assert [row[-1] for row in rows] == ["1", "2", "3"]


def test_those_in_trouble_come_first_where_not_all_fit_and_the_rest_is_counted() -> None:
    lines = _lines(_status(_many(200)), width=80)
    assert [line.split()[0] for line in lines if " stalled" in line and line.startswith("camera")] == [
        "camera-049",
        "camera-099",
        "camera-149",
        "camera-199",
    ]
    shown = sum(line.startswith("camera-") for line in lines)
    assert f"… and {200 - shown} more: {200 - shown} live" in [line.rstrip() for line in lines]


def test_a_follower_that_is_gone_a_lake_out_of_reach_and_a_bad_list_stand_above_and_below() -> None:
    status = replace(_status([_feed("gate")]), list_error="feeds.toml cannot be read")
    status = replace(
        status, sink=replace(status.sink, error="no space left", spooled=7, refused=2, refusal="old\nplan")
    )
    status = replace(status, held=(Held("gate", "share", 3, 30, 4, 40),))
    lines = [line.rstrip() for line in _lines(status, width=80, gone="the follower is not running")]
    assert "upkeep holds back 3 of 4 recordings of gate (share); see: regionlake status" in lines
    assert lines[0] == "the follower is not running"
    assert "the list of feeds stays as it was: feeds.toml cannot be read" in lines
    assert "the lake is out of reach, rows wait: no space left" in lines
    assert any("7 on disk" in line for line in lines)
    assert any("2 batches are refused by the lake (regionlake spool list): old" in line for line in lines)


def test_a_thread_that_died_stands_above_the_feeds_until_it_runs_again() -> None:
    dead = ThreadStatus("sink", "backing off", NOW, restarts=3, error="Panic: struck")
    died = replace(_status([_feed("gate")]), threads=(dead, ThreadStatus("model", "running", NOW)))
    said = "the thread sink died and is backing off: Panic: struck"
    assert said in [line.rstrip() for line in _lines(died, width=80)]
    assert said in follower_line(died, gone=None)
    assert said in status_line(died)
    again = replace(died, threads=(replace(dead, state="running"),))
    assert "Panic" not in "".join(_lines(again, width=80)) + status_line(again)


def test_lines_for_a_file_tell_the_same() -> None:
    line = feed_line(_feed("yard", "stalled", error=ERROR), keyframes=4321, reported_at=NOW)
    assert line == (
        "yard: stalled for 3 min, 0.0 frames/s, 12,345,678 received, 4,321 keyframes, 12 shed, 250 lost, 3 restarts; "
        f"last error: {ERROR}"
    )
    above = follower_line(_status([_feed("gate"), _feed("yard", "stalled")]), gone=None)
    assert above.startswith("2 feeds, 25 frames/s: 1 live, 1 stalled; lake: 3,204 keyframes")


def test_a_feed_whose_certificate_is_not_verified_is_marked() -> None:
    feed = replace(_feed("gate"), unverified=True)
    assert "live (certificate not verified) for" in feed_line(feed, keyframes=0, reported_at=NOW)
    console = Console(width=140, height=20, record=True, file=io.StringIO())
    console.print(feeds_screen(_status([feed, _feed("yard")]), now=NOW, gone=None, width=140, height=20))
    shown = console.export_text()
    assert "live*" in shown
    assert "* the certificate of the server is not verified" in shown


@pytest.mark.parametrize("masks", [0, 2])
def test_a_feed_with_masks_says_what_is_kept_of_it(masks: int) -> None:
    feed = replace(_feed("gate"), masks=masks)
    line = feed_line(feed, keyframes=1, reported_at=NOW)
    assert ("(2 masks, no video)" in line) == (masks > 0)
    kept = replace(feed, video=VideoStatus())
    assert ("(2 masks, video encoded again)" in feed_line(kept, keyframes=1, reported_at=NOW)) == (masks > 0)
    notes = [note.plain for note in mask_notes(_status([feed, replace(kept, name="yard")]))]
    if masks:
        assert notes == [
            "gate: 2 privacy masks are black in all that is kept of it, and no video is kept",
            "yard: 2 privacy masks are black in all that is kept of it, and its video is encoded again with them",
        ]
    else:
        assert notes == []
