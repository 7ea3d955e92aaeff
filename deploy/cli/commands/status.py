"""`regionlake status`: shows what a lake holds, what could not be read, and who is writing it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.options import JsonOption, LakeOption
from deploy.cli.output import console, print_json
from deploy.cli.without_pandas import import_arrow_without_pandas
from deploy.wording import clock_time, counted, lasted, reason, refused_line, short_count, short_size
from schemas.visible_text import visible

if TYPE_CHECKING:
    from pipeline.lake.audit.lake_status import LakeStatus, RecordedFeed
    from pipeline.lake.upkeep.upkeep_status import UpkeepStatus
    from pipeline.live.status.follow_status import FollowStatus
    from pipeline.ring.report import KeptVideo
    from schemas.vectors import VectorSpace


def status(
    lake: LakeOption,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show the feeds that are followed into the lake instead, until Ctrl-C.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a lake holds and what could not be read.

    With --follow, a terminal shows a table that is updated every second; elsewhere, a line for each feed is
    printed every ten seconds, or with --json one object every second.
    """
    from pipeline.live.status.state_folder import StateFolder, follow_json

    folder = StateFolder.of(lake)
    if follow:
        from deploy.cli.feeds_view import print_feeds_json, show_feeds

        print_feeds_json(folder) if as_json else show_feeds(folder)
        return
    import_arrow_without_pandas()
    from pipeline.lake.audit.lake_status import status as read_status
    from pipeline.lake.lake import Lake
    from pipeline.lake.upkeep.upkeep_folder import UpkeepFolder
    from pipeline.lake.upkeep.upkeep_status import upkeep_json
    from pipeline.ring.feed_ring import rings_of_state
    from pipeline.ring.report import kept_video

    found = read_status(Lake.open(lake))
    followed = folder.read_status() if folder.status.exists() else None
    upkeep = UpkeepFolder(folder.path).last_status()
    video = kept_video(rings_of_state(folder.path))
    if as_json:
        follower = followed and follow_json(followed)
        shown = {"follower": follower, "upkeep": upkeep and upkeep_json(upkeep), "refused_batches": folder.refusals()}
        print_json({**asdict(found), **shown, "video": [_video_json(each) for each in video]})
        return
    _print(found)
    if folder.refusals():
        why = None if followed is None else followed.sink.refusal
        console().print(refused_line(folder.refusals(), why), soft_wrap=True)
    if upkeep is not None:
        _print_upkeep(upkeep, lake)
    if found.feeds or followed is not None:
        _print_feeds(found.feeds, followed)
    for each in video:
        held = f"{short_size(each.bytes)} in {counted(each.files, 'file')}"
        times = f"{each.first:%Y-%m-%d %H:%M:%S} to {each.last:%Y-%m-%d %H:%M:%S}"
        console().print(visible(f"video of {each.feed}: {held}, {times}"), soft_wrap=True)


def _video_json(video: "KeptVideo") -> dict[str, object]:
    return {**asdict(video), "first": video.first.isoformat(), "last": video.last.isoformat()}


def _print(found: "LakeStatus") -> None:
    from rich.table import Table

    out = console()
    own, *further = found.spaces.items()
    out.print(f"{found.uri}: vectors of {_space(own[1])}", soft_wrap=True)
    for column, space in further:
        seen = f"{found.embedded[column]:,} of {counted(found.tables['frames'].rows, 'keyframe')}"
        out.print(f"  and of {_space(space)} in {column}: {seen}", soft_wrap=True)
    out.print(f"sources: {_counts(found.sources)} · segments: {_counts(found.segments)}")
    out.print(
        f"{counted(found.frames_decoded, 'frame')} decoded, {counted(found.near_duplicates, 'near-duplicate')} dropped"
    )
    table = Table("table", "rows", "size", "fragments", "version", box=None, pad_edge=False)
    for name, size in found.tables.items():
        table.add_row(name, f"{size.rows:,}", short_size(size.data_bytes), str(size.fragments), str(size.version))
    out.print(table)
    held = {name: size for name, size in found.vector_bytes.items() if size}
    if held:
        out.print(f"vectors of a keyframe: {', '.join(f'{name} {short_size(size)}' for name, size in held.items())}")
    if found.disk_bytes is not None:
        out.print(f"on disk, old versions included: {short_size(found.disk_bytes)}")
    out.print(visible(f"being written by: {found.writer}") if found.writer else "nobody is writing it")
    for refusal in found.refusals:
        where = "" if refusal.span_s is None else " [{} to {}]".format(*map(clock_time, refusal.span_s))
        out.print(f"{refusal.state}{where}: {reason(refusal.source, refusal.error)}", soft_wrap=True)


def _print_upkeep(upkeep: "UpkeepStatus", lake: str) -> None:
    from deploy.held_wording import held_line

    ago = lasted((datetime.now(UTC) - upkeep.at).total_seconds())
    removed = counted(upkeep.removed, "recording or file", "recordings or files")
    passes = "one pass" if upkeep.passes == 1 else f"{upkeep.passes:,} passes, the last one"
    console().print(f"upkeep: {passes} {ago} ago; {removed} removed ({short_size(upkeep.removed_bytes)})")
    if upkeep.last is not None:
        for held in upkeep.last.held:
            console().print(held_line(held, ahead_s=upkeep.last.clock_ahead_s, lake=lake), soft_wrap=True)
    if upkeep.last_error is not None:
        failed = f"upkeep failed in {counted(upkeep.failed_passes, 'pass', 'passes')}: {upkeep.last_error}"
        console().print(visible(failed), soft_wrap=True)


def _print_feeds(recorded: "Sequence[RecordedFeed]", followed: "FollowStatus | None") -> None:
    """Prints what the lake holds of each feed, and the state of the feeds that are followed."""
    from rich.table import Table
    from rich.text import Text

    from deploy.cli.feeds_view import gone_text
    from deploy.tables.feeds_table import mask_notes, state_text, troubles

    out, now = console(), datetime.now(UTC)
    in_lake = {feed.name: feed for feed in recorded}
    live = {feed.name: feed for feed in followed.feeds} if followed is not None else {}
    gone = "nobody follows feeds" if followed is None else gone_text(followed, now=now)
    table = Table(box=None, pad_edge=False)
    table.add_column("feed")
    table.add_column("state", max_width=40)
    for title in ("recordings", "keyframes", "shed", "frames lost"):
        table.add_column(title, justify="right")
    table.add_column("recorded since")
    for name in sorted({*in_lake, *live}):
        held, feed = in_lake.get(name), live.get(name)
        if feed is None:
            state = Text("not followed", style="dim")
        elif gone is not None:
            state = Text(f"was {feed.state}", style="dim")
        else:
            state = state_text(feed.state).append(f" for {lasted((now - feed.since).total_seconds())}", style="default")
        counts = (held.recordings, held.keyframes, held.shed, sum(held.lost.values())) if held else (0, 0, 0, 0)
        since = held.first[:19].replace("T", " ") if held else "–"
        table.add_row(Text(visible(name)), state, *map(short_count, counts), visible(since))
    out.print(table)
    if gone is not None:
        out.print(gone, soft_wrap=True)
    elif followed is not None:
        out.print(
            f"followed by process {followed.pid}, which reported {lasted((now - followed.at).total_seconds())} ago"
        )
        for trouble in troubles(followed):
            out.print(trouble, soft_wrap=True)
    for note in () if followed is None else mask_notes(followed):
        out.print(note, soft_wrap=True)
    for each in recorded:
        for why, frames in each.lost.items():
            lost = f"{frames:,}" if frames else "some"
            out.print(visible(f"{each.name} lost {lost} frames: {why}"), soft_wrap=True)


def _space(space: "VectorSpace") -> str:
    return f"{space.model}@{space.revision}, {space.dimension}-d"


def _counts(states: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in sorted(states.items())) or "none"
