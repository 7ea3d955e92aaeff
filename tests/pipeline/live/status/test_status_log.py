"""The log of feeds: catches changes that are not logged, logged twice, or logged without their fields."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.lake.upkeep.holds import Held
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.live.status.follow_status import FollowStatus, SinkStatus
from pipeline.live.status.status_log import StatusLog

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
GATE = FeedStatus("gate", "gate", "connecting", NOON)


def _status(*feeds: FeedStatus, list_error: str | None = None) -> FollowStatus:
    return FollowStatus(NOON, NOON, 1, feeds, SinkStatus(0, 0, 0, 0, 0, None), list_error)


def _logged(caplog: pytest.LogCaptureFixture, statuses: Sequence[FollowStatus]) -> list[tuple[str, dict[str, object]]]:
    """Level and fields of every line."""
    caplog.set_level(logging.INFO)
    log = StatusLog()
    for status in statuses:
        log.report(status)
    given = ("feed", "state", "before", "lasted_s", "reason", "restarts", "error")
    return [(r.levelname, {k: vars(r)[k] for k in given if k in vars(r)}) for r in caplog.records]


def test_changes_of_state_are_logged_once_with_how_long_it_lasted(caplog: pytest.LogCaptureFixture) -> None:
    live = replace(GATE, state="live", since=NOON + timedelta(seconds=2.5))
    logged = _logged(caplog, [_status(GATE), _status(GATE), _status(live), _status(replace(live, received=9))])
    assert logged == [
        ("INFO", {"feed": "gate", "state": "connecting"}),
        ("INFO", {"feed": "gate", "state": "live", "before": "connecting", "lasted_s": 2.5}),
    ]


def test_a_restart_is_logged_with_its_reason_though_the_state_is_the_same_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    once = replace(GATE, restarts={"no frame for 10 s": 1})
    twice = replace(GATE, restarts={"no frame for 10 s": 1, "broke off": 1})
    logged = _logged(caplog, [_status(GATE), _status(once), _status(once), _status(twice)])
    assert logged[1:] == [
        ("WARNING", {"feed": "gate", "reason": "no frame for 10 s", "restarts": 1}),
        ("WARNING", {"feed": "gate", "reason": "broke off", "restarts": 2}),
    ]


def test_a_feed_that_was_replaced_counts_from_nothing(caplog: pytest.LogCaptureFixture) -> None:
    first = replace(GATE, restarts={"broke off": 5})
    again = replace(GATE, restarts={"broke off": 1})
    logged = _logged(caplog, [_status(first), _status(GATE), _status(again)])
    assert logged[-1] == ("WARNING", {"feed": "gate", "reason": "broke off", "restarts": 1})
    assert len(logged) == 3  # five at first sight, in one line; the state; and the one


def test_feeds_that_come_go_and_fail_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    failed = FeedStatus("yard", "yard", "failed", NOON, last_error="the environment has no PASSWORD")
    logged = _logged(caplog, [_status(GATE), _status(GATE, failed), _status(failed)])
    assert logged[1:] == [
        ("WARNING", {"feed": "yard", "state": "failed", "error": "the environment has no PASSWORD"}),
        ("INFO", {"feed": "gate"}),
    ]


def test_a_list_that_cannot_be_read_is_logged_once_and_when_it_can_again(caplog: pytest.LogCaptureFixture) -> None:
    bad = _status(list_error="feeds.toml cannot be read")
    logged = _logged(caplog, [_status(), bad, bad, _status()])
    assert logged == [("WARNING", {"error": "feeds.toml cannot be read"}), ("WARNING", {})]


def test_what_upkeep_holds_back_is_logged_once_by_feed_and_reason(caplog: pytest.LogCaptureFixture) -> None:
    share = replace(_status(), held=(Held("gate", "share", 3, 30, 4, 40),))
    both = replace(share, held=(*share.held, Held("gate", "clock ahead", 1, 10, 4, 40)), clock_ahead_s=86400.0)
    logged = _logged(caplog, [share, share, both, _status(), share])
    assert logged == [("ERROR", {"feed": "gate", "reason": reason}) for reason in ("share", "clock ahead", "share")]
    assert "the clock jumped 1 day, 0:00:00 ahead, and 1 of 4 recordings" in caplog.text
