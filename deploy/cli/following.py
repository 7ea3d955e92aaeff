"""`regionlake ingest --follow`: follows feeds until it is stopped."""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from deploy.cli.interrupt import ended_by_signal
from deploy.cli.output import console, print_json, results_only
from deploy.held_wording import held_note
from deploy.wording import counted, refused_line

if TYPE_CHECKING:
    from deploy.monitoring.service_manager import ServiceManager
    from pipeline.lake.upkeep.config import UpkeepConfig
    from pipeline.live.engines.live_engine import LiveEngine
    from pipeline.live.feeds.feed_list import FeedEntry
    from pipeline.live.status.follow_status import FollowStatus
    from pipeline.live.status.state_folder import StateFolder
    from pipeline.plan.plan import Plan
    from pipeline.runtime.threads import ThreadStatus


def follow(
    names: Sequence[str],
    feeds: Path | None,
    timezone: str | None,
    name_time: str | None,
    lake: str,
    plan: "Plan",
    *,
    engine: Literal["local", "ray"],
    upkeep: "UpkeepConfig",
    video_sound: bool,
    metrics_port: int | None,
    metrics_host: str,
    as_json: bool,
) -> None:
    """Follows feeds until Ctrl-C or SIGTERM, and commits what was received by then; a second signal ends it at once.

    names: addresses of streams, folders, and files that grow. feeds: a file of feeds, read again whenever it changes.
    timezone, name_time: of the names of files in the folders that are named.
    upkeep: runs in the same process as the commits; its limits of video say whether video is kept. video_sound: with
    its sound. metrics_port, metrics_host: metrics are served there.
    """
    from deploy.monitoring.disk_metrics import disks_of
    from deploy.monitoring.metrics import serve_metrics
    from deploy.monitoring.service_manager import ServiceManager
    from pipeline.lake.kept_reduction import with_kept_reduction
    from pipeline.live.follow import Follower
    from pipeline.live.status.state_folder import StateFolder, follow_json
    from pipeline.ring.config import RingConfig
    from pipeline.ring.feed_ring import rings_of_state

    state = StateFolder.of(lake)
    ring = None
    if upkeep.video_max_age is not None or upkeep.video_max_bytes is not None:
        ring = RingConfig(folder=str(rings_of_state(state.path).absolute()), sound=video_sound)
    manager = ServiceManager.of(os.environ)
    lines = _Lines(state, manager)
    listed = _Listed(_named(names, timezone, name_time), feeds, state, lines)
    first = listed.read()  # raises for an unreadable file before anything is opened
    plan = with_kept_reduction(plan, lake)
    if "REGIONLAKE_LOG" not in os.environ:
        # the log of a service says what happened to its feeds
        logging.getLogger("pipeline.live").setLevel(logging.INFO)
    metrics = None
    if metrics_port is not None:
        metrics = serve_metrics(metrics_port, lambda: lines.latest, host=metrics_host, disks=disks_of(lake))

    def other_threads() -> "tuple[ThreadStatus, ...]":
        return () if metrics is None else (metrics.thread,)

    ending = "ending: the frames received so far are being committed"
    with (
        results_only(),
        metrics or nullcontext(),
        manager,
        ended_by_signal(ending) as ended,
        _engine(engine, lake, plan, upkeep) as running,
    ):
        typer.echo(f"following {counted(len(first), 'feed')} into {lake}; Ctrl-C ends it", err=True)
        follower = Follower(
            running,
            plan,
            listed.read_and_note,
            state=state,
            ring=ring,
            on_status=lines.show,
            other_threads=other_threads,
        )
        status = follower.run(ended.is_set)
    if as_json:
        print_json(follow_json(status))
    else:
        _print(status)


class _Lines:
    """Stores the status of a follower, reports it to the service manager, and shows a line of it now and then.

    latest: the last status.
    """

    def __init__(self, state: "StateFolder", manager: "ServiceManager") -> None:
        from deploy.cli.progress import Throttle

        self.latest: FollowStatus | None = None
        self._state = state
        self._manager = manager
        self._lines = Throttle()

    def show(self, status: "FollowStatus") -> None:
        self.latest = status
        line = status_line(status)
        try:
            self._state.write_status(status)
        except OSError as error:  # a full disk must not end a follower, which waits until there is room again
            line = f"the status cannot be written to {self._state.status}: {error.strerror or error}"
        self._manager.ready()
        self._manager.alive(line)
        self.print(line)

    def print(self, line: str) -> None:
        with suppress(OSError):  # the terminal is gone
            self._lines(line)


class _Listed:
    """The feeds of a command: those that it names, and those of a file, which is read again and again."""

    def __init__(self, named: "dict[str, FeedEntry]", feeds: Path | None, state: "StateFolder", lines: _Lines) -> None:
        from pipeline.lake.upkeep.upkeep_folder import UpkeepFolder
        from pipeline.live.feeds.noted_feeds import NotedFeeds

        self._named = named
        self._feeds = feeds
        self._noted = NotedFeeds(UpkeepFolder(state.path), feeds, self._named)
        self._lines = lines

    def read(self) -> "Mapping[str, FeedEntry]":
        from pipeline.live.feeds.feed_list import FeedList

        return self._named if self._feeds is None else {**self._named, **FeedList(self._feeds).read()}

    def read_and_note(self) -> "Mapping[str, FeedEntry]":
        """The feeds, which are noted for upkeep."""
        entries = self.read()
        trouble = self._noted.note(entries)
        if trouble is not None:
            self._lines.print(trouble)
        return entries


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


def _named(names: Sequence[str], timezone: str | None, name_time: str | None) -> "dict[str, FeedEntry]":
    from pipeline.live.feeds.feed_list import entry_of

    entries = [entry_of(name) for name in names]
    if (timezone or name_time) and not any(entry.is_folder for entry in entries):
        raise typer.BadParameter(
            "is for folders that the command names; in the file of feeds it is `timezone` of a folder's feed",
            param_hint="--timezone" if timezone else "--name-time",
        )
    entries = [replace(each, timezone=timezone, name_time=name_time) if each.is_folder else each for each in entries]
    for entry in entries:
        entry.check()
    return {entry.shown: entry for entry in entries}


def status_line(status: "FollowStatus") -> str:
    """`3 of 4 feeds live · 30.1 frames/s · 41 keyframes in the lake, 7 shed, 0 frames lost`."""
    live = sum(feed.state == "live" for feed in status.feeds)
    rate = sum(feed.frames_per_s for feed in status.feeds)
    shed = sum(feed.shed for feed in status.feeds)
    lost = sum(sum(feed.lost.values()) for feed in status.feeds)
    line = (
        f"{live} of {counted(len(status.feeds), 'feed')} live · {rate:.1f} frames/s · "
        f"{counted(status.sink.keyframes, 'keyframe')} in the lake, {shed:,} shed, {counted(lost, 'frame')} lost"
    )
    troubles = [f"{feed.name}: {feed.last_error}" for feed in status.feeds if feed.state != "live" and feed.last_error]
    if status.sink.error:
        waiting = counted(status.sink.spooled, "batch waits", "batches wait")
        troubles.append(f"the lake is out of reach, {waiting} on disk: {status.sink.error}")
    troubles += [f"{feed.name}: {feed.video.trouble}" for feed in status.feeds if feed.video and feed.video.trouble]
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
            f"{feed.name}: {counted(feed.received, 'frame')} → {counted(feed.kept, 'keyframe')}, "
            f"{feed.not_selected:,} not selected, {feed.shed:,} shed{lost}; "
            f"{counted(sum(feed.restarts.values()), 'restart')}",
            soft_wrap=True,
        )
    commits = counted(status.sink.commits, "commit")
    out.print(f"{counted(status.sink.keyframes, 'keyframe')} committed to the lake in {commits}")
    if status.sink.refused:
        out.print(refused_line(status.sink.refused, status.sink.refusal), soft_wrap=True)
    if status.sink.spooled:
        waiting = counted(status.sink.spooled, "batch waits", "batches wait")
        out.print(f"{waiting} on disk for the lake; the next run commits what waits")
