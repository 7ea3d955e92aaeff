"""Shows the feeds of a follower: as a table that fits the terminal, or one line for each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.console import Group
from rich.table import Table
from rich.text import Text

from deploy.held_wording import held_note
from deploy.wording import counted, lasted, refused_line, short_count, short_size
from pipeline.live.feeds.feed_status import FEED_STATES, FeedState, FeedStatus
from pipeline.live.status.follow_status import FollowStatus
from schemas.visible_text import visible

_STYLES: dict[FeedState, str] = {
    "live": "green",
    "connecting": "cyan",
    "backing off": "yellow",
    "stalled": "red",
    "failed": "bold red",
    "paused": "dim",
}
_WELL: tuple[FeedState, ...] = ("live", "paused")
_RECEIVED_FROM = 100  # columns of a terminal
_ERROR_FROM = 120
_SPARE_LINES = 4  # kept for errors and losses where feeds do not all fit


def feeds_screen(status: FollowStatus, *, now: datetime, gone: str | None, width: int, height: int) -> Group:
    """Shows whether the follower runs, the feeds by name, the lake, and errors, within the given size.

    gone: a message that the follower does not run; None while it does. width: characters, at least 72. height: lines,
    at least 12. If there are too many feeds, those that are neither live nor paused are shown, and the rest is counted.
    """
    reported_at = now if gone is None else status.at
    head = _lines_above(status, gone=gone)
    foot = _sink_lines(status)
    shown, hidden = _that_fit(status.feeds, height - len(head) - len(foot) - 1)  # the table has a header
    if any(feed.unverified for feed in status.feeds):
        foot.insert(0, Text("* the certificate of the server is not verified", style="yellow"))
    if masked := sum(feed.masks > 0 for feed in status.feeds):
        foot.insert(0, Text(f"{counted(masked, 'feed has', 'feeds have')} privacy masks", style="dim"))
    if hidden:
        foot.insert(0, Text(f"… and {len(hidden)} more: {_states(hidden).plain}", style="dim"))
    left = height - len(head) - len(foot) - 1 - len(shown)
    foot += _trouble_lines(status.feeds, errors=width < _ERROR_FROM, most=left)
    for line in (*head, *foot):
        line.no_wrap, line.overflow = True, "ellipsis"
    table = _table(shown, status.findable.keyframes, reported_at=reported_at, width=width)
    return Group(*head, table, *foot)


def feed_line(feed: FeedStatus, *, keyframes: int, reported_at: datetime) -> str:
    """`gate: live for 3 min, 25.0 frames/s, 0.3 s behind, 4,500 received, 210 keyframes, 0 shed, 0 lost, 0 restarts`,
    and the last error. keyframes: in the lake."""
    behind = f"{_behind(feed)} behind, " if _behind(feed) else ""
    error = f"; last error: {_one_line(feed.last_error)}" if feed.last_error else ""
    state = f"{feed.state} (certificate not verified)" if feed.unverified else feed.state
    if feed.masks:
        state += f" ({counted(feed.masks, 'mask')}, {'no video' if feed.video is None else 'video encoded again'})"
    restarts = counted(sum(feed.restarts.values()), "restart")
    return (
        f"{visible(feed.name)}: {state} for {lasted((reported_at - feed.since).total_seconds())}, "
        f"{feed.frames_per_s:.1f} frames/s, {behind}{feed.received:,} received, {counted(keyframes, 'keyframe')}, "
        f"{feed.shed:,} shed, {sum(feed.lost.values()):,} lost, {restarts}{error}"
    )


def follower_line(status: FollowStatus, *, gone: str | None) -> str:
    """Whether the follower runs, how many feeds are in each state, and the state of the lake."""
    lines = _lines_above(status, gone=gone) + _sink_lines(status)
    return "; ".join(line.plain for line in lines)


def state_text(state: FeedState) -> Text:
    return Text(state, style=_STYLES[state])


def _lines_above(status: FollowStatus, *, gone: str | None) -> list[Text]:
    lines = [] if gone is None else [Text(gone, style="bold red")]
    rate = sum(feed.frames_per_s for feed in status.feeds)
    lines.append(
        Text(f"{counted(len(status.feeds), 'feed')}, {rate:,.0f} frames/s: ").append_text(_states(status.feeds))
    )
    return lines + troubles(status)


def troubles(status: FollowStatus) -> list[Text]:
    """What is wrong with the follower itself: its list of feeds, threads that died, and video that is not kept."""
    lines = []
    if status.list_error is not None:
        lines.append(Text(f"the list of feeds stays as it was: {_one_line(status.list_error)}", style="yellow"))
    for thread in status.dead:
        died = f"the thread {thread.name} died and is {thread.state}: {_one_line(thread.error or '')}"
        lines.append(Text(died, style="bold red"))
    for feed in status.feeds:
        if feed.video is not None and feed.video.trouble is not None:
            style = "yellow" if feed.video.error is None else "bold red"
            lines.append(Text(f"{visible(feed.name)}: {_one_line(feed.video.trouble)}", style=style))
    return lines


def mask_notes(status: FollowStatus) -> list[Text]:
    """What the privacy masks of the feeds mean for what is kept."""
    return [Text(f"{visible(feed.name)}: {feed.masked}", style="dim") for feed in status.feeds if feed.masked]


def _states(feeds: Sequence[FeedStatus]) -> Text:
    """`14 live, 1 stalled, 1 failed`."""
    counts = Counter(feed.state for feed in feeds)
    parts = [Text(f"{counts[state]} {state}", style=_STYLES[state]) for state in FEED_STATES if counts[state]]
    return Text(", ").join(parts) if parts else Text("none")


def _that_fit(feeds: Sequence[FeedStatus], lines: int) -> tuple[list[FeedStatus], list[FeedStatus]]:
    """The feeds that fit, by name, and those for which there is no line."""
    if len(feeds) <= lines:
        return sorted(feeds, key=lambda feed: feed.name), []
    urgent = sorted(feeds, key=lambda feed: (feed.state in _WELL, feed.name))
    most = max(1, lines - 1 - _SPARE_LINES)  # one line counts the others
    return sorted(urgent[:most], key=lambda feed: feed.name), urgent[most:]


def _table(feeds: Sequence[FeedStatus], keyframes: Mapping[str, int], *, reported_at: datetime, width: int) -> Table:
    received, errors = width >= _RECEIVED_FROM, width >= _ERROR_FROM
    table = Table(box=None, pad_edge=False, padding=(0, 1 if width < _RECEIVED_FROM else 2, 0, 0), expand=errors)
    table.add_column("feed", no_wrap=True)
    table.add_column("state", no_wrap=True)
    numbers = ["for", "frames/s", "behind", "received", "keyframes", "shed", "lost", "restarts"]
    for title in numbers if received else [title for title in numbers if title != "received"]:
        table.add_column(title, no_wrap=True, justify="right")
    if errors:
        table.add_column("last error", no_wrap=True, overflow="ellipsis", ratio=1)
    for feed in feeds:
        table.add_row(
            Text(_middle_out(visible(feed.name), max(12, width // 6))),
            state_text(feed.state).append("*" if feed.unverified else "", style="yellow"),
            lasted((reported_at - feed.since).total_seconds()),
            f"{feed.frames_per_s:.1f}",
            _behind(feed) or "–",
            *([short_count(feed.received)] if received else []),
            short_count(keyframes.get(feed.name, 0)),
            short_count(feed.shed),
            short_count(sum(feed.lost.values())),
            short_count(sum(feed.restarts.values())),
            *([Text(_one_line(feed.last_error or ""), style="dim" if feed.state in _WELL else "")] if errors else []),
        )
    return table


def _behind(feed: FeedStatus) -> str:
    """Empty for a feed that is not live: its last frame says nothing about now."""
    return f"{feed.behind_s:.1f} s" if feed.state == "live" and feed.behind_s is not None else ""


def _one_line(error: str) -> str:
    return visible(" ".join(error.split()))


def _middle_out(name: str, most: int) -> str:
    """The name shortened to `most` characters in its middle, as names often differ only at their ends."""
    if len(name) <= most:
        return name
    tail = most // 2
    return f"{name[: most - tail - 1]}…{name[-tail:]}"


def _sink_lines(status: FollowStatus) -> list[Text]:
    sink, findable = status.sink, status.findable
    lines = []
    if sink.error is not None:
        lines.append(Text(f"the lake is out of reach, rows wait: {_one_line(sink.error)}", style="bold red"))
    if sink.refused:
        lines.append(Text(refused_line(sink.refused, sink.refusal), style="bold red"))
    held = Text(f"lake: {counted(sink.keyframes, 'keyframe')} in {counted(sink.commits, 'commit')}")
    if findable.p50_s is not None and findable.p95_s is not None:
        held.append(f", findable after {findable.p50_s:.1f} s (p50), {findable.p95_s:.1f} s (p95)")
    batches = counted(sink.batches, "batch", "batches")
    waits = Text(f"waiting: {batches} ({short_size(sink.bytes)}) in memory, {sink.spooled:,} on disk")
    if sink.spooled:
        waits.stylize("yellow")
    waits.append(f" · process {status.pid} for {lasted((status.at - status.started).total_seconds())}")
    held_back = [Text(held_note(each), style="bold red") for each in status.held[:3]]
    return [*lines, *held_back, held, waits]


def _trouble_lines(feeds: Sequence[FeedStatus], *, errors: bool, most: int) -> list[Text]:
    """The errors of feeds in trouble, if the table has no column for them, and the frames lost by reason.

    most: lines; losses share one line if there is no room for more.
    """
    lines = [
        Text(f"{visible(feed.name)}: {_one_line(feed.last_error)}", style=_STYLES[feed.state])
        for feed in sorted(feeds, key=lambda feed: feed.name)
        if errors and feed.last_error and feed.state not in _WELL
    ]
    lost: Counter[str] = Counter()
    for feed in feeds:
        lost.update(feed.lost)
    reasons = [f"{short_count(frames)} {_one_line(reason)}" for reason, frames in lost.most_common()]
    losses = [Text(f"frames lost: {reason}", style="yellow") for reason in reasons]
    if losses and len(lines) + len(losses) > most:
        losses = [Text(f"{short_count(lost.total())} frames lost: {'; '.join(reasons)}", style="yellow")]
    return [*lines[: max(0, most - len(losses))], *losses][: max(0, most)]
