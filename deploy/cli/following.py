"""`regionlake ingest --follow`: follows feeds until it is stopped."""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from deploy.cli.interrupt import ended_by_signal
from deploy.cli.output import console, print_json, results_only
from deploy.held_wording import held_note
from deploy.wording import refused_line

if TYPE_CHECKING:
    from pipeline.lake.upkeep.config import UpkeepConfig
    from pipeline.live.engines.live_engine import LiveEngine
    from pipeline.live.feeds.feed_list import FeedEntry
    from pipeline.live.status.follow_status import FollowStatus
    from pipeline.plan.plan import Plan
    from pipeline.runtime.threads import ThreadStatus


def follow(
    names: Sequence[str],
    feeds: Path | None,
    lake: str,
    plan: "Plan",
    *,
    engine: Literal["local", "ray"],
    upkeep: "UpkeepConfig",
    metrics_port: int | None,
    metrics_host: str,
    as_json: bool,
) -> None:
    """Follows feeds until Ctrl-C or SIGTERM, and commits what was received by then; a second signal ends it at once.

    names: addresses of streams, folders, and files that grow. feeds: a file of feeds, read again whenever it changes.
    upkeep: runs in the same process as the commits. metrics_port, metrics_host: metrics are served there.
    """
    from deploy.cli.progress import Throttle
    from deploy.metrics import serve_metrics
    from pipeline.lake.upkeep.upkeep_folder import UpkeepFolder
    from pipeline.live.feeds.noted_feeds import NotedFeeds
    from pipeline.live.follow import Follower
    from pipeline.live.status.follow_status import FollowStatus
    from pipeline.live.status.state_folder import StateFolder, follow_json

    named = _named(names)
    state = StateFolder.of(lake)

    def listed() -> "Mapping[str, FeedEntry]":
        from pipeline.live.feeds.feed_list import FeedList

        return named if feeds is None else {**named, **FeedList(feeds).read()}

    noted = NotedFeeds(UpkeepFolder(state.path), feeds, named)

    def listed_and_noted() -> "Mapping[str, FeedEntry]":
        entries = listed()
        trouble = noted.note(entries)
        if trouble is not None:
            with suppress(OSError):  # the terminal is gone
                lines(trouble)
        return entries

    first = listed()  # raises for an unreadable file before anything is opened
    lines = Throttle()
    latest: FollowStatus | None = None
    if "REGIONLAKE_LOG" not in os.environ:
        # the log of a service says what happened to its feeds
        logging.getLogger("pipeline.live").setLevel(logging.INFO)

    def on_status(status: "FollowStatus") -> None:
        nonlocal latest
        latest = status
        line = status_line(status)
        try:
            state.write_status(status)
        except OSError as error:  # a full disk must not end a follower, which waits until there is room again
            line = f"the status cannot be written to {state.status}: {error.strerror or error}"
        with suppress(OSError):  # the terminal is gone
            lines(line)

    metrics = None if metrics_port is None else serve_metrics(metrics_port, lambda: latest, host=metrics_host)

    def other_threads() -> "tuple[ThreadStatus, ...]":
        return () if metrics is None else (metrics.thread,)

    ending = "ending: the frames received so far are being committed"
    with (
        results_only(),
        metrics or nullcontext(),
        ended_by_signal(ending) as ended,
        _engine(engine, lake, plan, upkeep) as running,
    ):
        typer.echo(f"following {len(first)} feeds into {lake}; Ctrl-C ends it", err=True)
        follower = Follower(
            running, plan, listed_and_noted, state=state, on_status=on_status, other_threads=other_threads
        )
        status = follower.run(ended.is_set)
    if as_json:
        print_json(follow_json(status))
    else:
        _print(status)


def _engine(name: Literal["local", "ray"], lake: str, plan: "Plan", upkeep: "UpkeepConfig") -> "LiveEngine":
    from operators.runtime.glibc_malloc import share_heaps
    from pipeline.lake.local_folder import local_folder
    from pipeline.live.commits.committer_with_upkeep import open_committer_with_upkeep
    from pipeline.live.engines.live_local_engine import LocalLiveEngine

    folder = local_folder(lake)
    make_writer = partial(open_committer_with_upkeep, lake if folder is None else str(folder.resolve()), plan, upkeep)
    if name == "local":
        share_heaps()  # like open_committer_with_upkeep, and before models start threads of their own
        return LocalLiveEngine(plan, make_writer)
    # importing Ray takes a second, which local runs save
    from pipeline.live.engines.live_ray_engine import RayLiveEngine

    return RayLiveEngine(plan, make_writer, on_this_node=folder is not None)


def _named(names: Sequence[str]) -> "dict[str, FeedEntry]":
    from pipeline.live.feeds.feed_list import entry_of

    entries = map(entry_of, names)
    return {entry.shown: entry for entry in entries}


def status_line(status: "FollowStatus") -> str:
    """`3 of 4 feeds live · 30.1 frames/s · 41 keyframes in the lake, 7 shed, 0 frames lost`."""
    live = sum(feed.state == "live" for feed in status.feeds)
    rate = sum(feed.frames_per_s for feed in status.feeds)
    shed = sum(feed.shed for feed in status.feeds)
    lost = sum(sum(feed.lost.values()) for feed in status.feeds)
    line = (
        f"{live} of {len(status.feeds)} feeds live · {rate:.1f} frames/s · "
        f"{status.sink.keyframes:,} keyframes in the lake, {shed:,} shed, {lost:,} frames lost"
    )
    troubles = [f"{feed.name}: {feed.last_error}" for feed in status.feeds if feed.state != "live" and feed.last_error]
    if status.sink.error:
        troubles.append(f"the lake is out of reach, {status.sink.spooled} batches wait on disk: {status.sink.error}")
    troubles += [f"the thread {thread.name} died and is {thread.state}: {thread.error}" for thread in status.dead]
    if status.sink.refused:
        troubles.append(refused_line(status.sink.refused, status.sink.refusal))
    if status.list_error:
        troubles.append(status.list_error)
    troubles += map(held_note, status.held)
    return " · ".join([line, *troubles[:3]])


def _print(status: "FollowStatus") -> None:
    out = console()
    for feed in status.feeds:
        lost = "".join(f", {frames:,} lost ({reason})" for reason, frames in feed.lost.items())
        out.print(
            f"{feed.name}: {feed.received:,} frames → {feed.kept:,} keyframes, {feed.not_selected:,} not selected, "
            f"{feed.shed:,} shed{lost}; {sum(feed.restarts.values())} restarts",
            soft_wrap=True,
        )
    out.print(f"{status.sink.keyframes:,} keyframes committed to the lake in {status.sink.commits:,} commits")
    if status.sink.refused:
        out.print(refused_line(status.sink.refused, status.sink.refusal), soft_wrap=True)
    if status.sink.spooled:
        out.print(f"{status.sink.spooled:,} batches wait on disk for the lake; the next run commits them")
