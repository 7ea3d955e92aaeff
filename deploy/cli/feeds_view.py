"""Shows the feeds that a follower follows, from the status that it writes: a table in a terminal, lines elsewhere."""

import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live

from deploy.cli.output import print_json, screen
from deploy.tables.feeds_table import feed_line, feeds_screen, follower_line
from deploy.wording import lasted
from pipeline.live.status.follow_status import FollowStatus
from pipeline.live.status.state_folder import StateFolder, follow_json

_EVERY_S = 1.0  # the status is written as often
_LINES_EVERY_S = 10.0
_SILENT_S = 5.0
_LATE_S = 2.0  # once the status is this old, its process is looked up


def show_feeds(folder: StateFolder) -> None:
    """Shows the feeds until Ctrl-C. Raises LakeError if no feeds were ever followed into the lake."""
    console = screen()
    try:
        if console.is_terminal and not console.is_dumb_terminal:
            _show_table(folder, console)
        else:
            _show_lines(folder)
    except KeyboardInterrupt:
        return


def print_feeds_json(folder: StateFolder) -> None:
    """Prints the status every second as one line of JSON, with whether the follower is `running`, until Ctrl-C."""
    try:
        for status, gone in _statuses(folder, every_s=_EVERY_S):
            print_json({"running": gone is None, **follow_json(status)})
            sys.stdout.flush()
    except KeyboardInterrupt:
        return


def gone_text(status: FollowStatus, *, now: datetime) -> str | None:
    """A message that the follower has ended or hangs, and since when; None while it runs."""
    silent_s = (now - status.at).total_seconds()
    # only if the status is late: a follower on another machine, or in a container, has no process here
    runs = _runs(status.pid) if silent_s > _LATE_S else True
    if silent_s <= _SILENT_S and runs:
        return None
    since = f"{status.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {lasted(silent_s)} ago"
    return f"the follower {'has been silent' if runs else 'has not been running'} since {since}"


def _show_table(folder: StateFolder, console: Console) -> None:
    folder.read_status()  # raises before the screen is cleared
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for status, gone in _statuses(folder, every_s=_EVERY_S):
            width, height = console.size
            screen = feeds_screen(status, now=datetime.now(UTC), gone=gone, width=width, height=height)
            live.update(screen, refresh=True)


def _show_lines(folder: StateFolder) -> None:
    for status, gone in _statuses(folder, every_s=_LINES_EVERY_S):
        now = datetime.now(UTC)
        print(f"{now:%H:%M:%S} {follower_line(status, gone=gone)}")
        for feed in status.feeds:
            keyframes = status.findable.keyframes.get(feed.name, 0)
            reported_at = now if gone is None else status.at
            print(f"{now:%H:%M:%S} {feed_line(feed, keyframes=keyframes, reported_at=reported_at)}")
        sys.stdout.flush()


def _statuses(folder: StateFolder, *, every_s: float) -> Iterator[tuple[FollowStatus, str | None]]:
    while True:
        status = folder.read_status()
        yield status, gone_text(status, now=datetime.now(UTC))
        time.sleep(every_s)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process of another user
        return True
    return True
