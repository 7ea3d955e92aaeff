"""Logs how feeds changed from one status of the follower to the next.

They are logged here and not where they happen: a feed may run in an actor on another machine, whose log nobody reads.
A change that lasts less than a second shows in the restart that it led to.
"""

import logging

from pipeline.lake.upkeep.holds import HoldReason, held_text
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.live.status.follow_status import FollowStatus

_log = logging.getLogger(__name__)


class StatusLog:
    """Logs the changes between statuses, each of which is reported in order."""

    def __init__(self) -> None:
        self._feeds: dict[str, FeedStatus] = {}
        self._list_error: str | None = None
        self._held: set[tuple[str, HoldReason]] = set()

    def report(self, status: FollowStatus) -> None:
        feeds = {feed.name: feed for feed in status.feeds}
        for name in sorted(self._feeds.keys() - feeds.keys()):
            _log.info("feed %s is no longer followed", name, extra={"feed": name})
        for name, feed in feeds.items():
            self._report_feed(self._feeds.get(name), feed)
        if status.list_error != self._list_error:
            if status.list_error is None:
                _log.warning("the list of feeds can be read again")
            else:
                _log.warning("the list of feeds stays as it was", extra={"error": status.list_error})
        self._report_held(status)
        self._feeds, self._list_error = feeds, status.list_error

    def _report_held(self, status: FollowStatus) -> None:
        for each in status.held:
            if (each.feed, each.reason) not in self._held:
                fields = {
                    "feed": each.feed, "reason": each.reason, "recordings": each.recordings, "bytes": each.bytes
                }  # fmt: skip
                _log.error("upkeep: %s", held_text(each, ahead_s=status.clock_ahead_s), extra=fields)
        self._held = {(each.feed, each.reason) for each in status.held}

    def _report_feed(self, before: FeedStatus | None, feed: FeedStatus) -> None:
        known = before.restarts if before is not None else {}
        replaced = any(feed.restarts.get(reason, 0) < times for reason, times in known.items())
        for reason, times in feed.restarts.items():
            if times > (0 if replaced else known.get(reason, 0)):
                again = {"feed": feed.name, "reason": reason, "restarts": sum(feed.restarts.values())}
                _log.warning("feed %s is opened again: %s", feed.name, reason, extra=again)
        if before is not None and before.state == feed.state:
            return
        fields: dict[str, object] = {"feed": feed.name, "state": feed.state}
        if before is not None:
            fields["before"] = before.state
            fields["lasted_s"] = round((feed.since - before.since).total_seconds(), 1)
        if feed.state == "failed":  # a failure causes no restart
            fields["error"] = feed.last_error
            _log.warning("feed %s failed: %s", feed.name, feed.last_error, extra=fields)
        elif feed.state == "stalled" and feed.last_error:  # a file that does not grow causes no restart either
            fields["error"] = feed.last_error
            _log.info("feed %s is stalled: %s", feed.name, feed.last_error, extra=fields)
        else:
            _log.info("feed %s is %s", feed.name, feed.state, extra=fields)
