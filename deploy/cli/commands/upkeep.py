"""`regionlake upkeep`: joins small files, removes old recordings, and reports what it did."""

import sys
import time
from contextlib import closing, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.options import (
    JsonOption,
    KeepVersionsOption,
    LakeOption,
    MaxAgeOption,
    MaxBytesOption,
    RemoveShareOption,
    VideoMaxAgeOption,
    VideoMaxBytesOption,
    VideoMovingMaxAgeOption,
    chosen_upkeep,
)
from deploy.cli.output import EXIT_FAILED, Json, console, print_json
from deploy.cli.values import parse_duration
from deploy.held_wording import held_line
from deploy.wording import counted, short_size
from schemas.visible_text import visible

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake
    from pipeline.lake.upkeep.config import UpkeepConfig
    from pipeline.lake.upkeep.upkeep_status import PassReport, UpkeepStatus


def upkeep(
    lake: LakeOption,
    every: Annotated[
        str | None,
        typer.Option(
            metavar="60s|5m", help="Run a pass this often until stopped, instead of once.", show_default=False
        ),
    ] = None,
    max_age: MaxAgeOption = None,
    max_bytes_per_feed: MaxBytesOption = None,
    video_max_age: VideoMaxAgeOption = None,
    video_max_bytes: VideoMaxBytesOption = None,
    video_moving_max_age: VideoMovingMaxAgeOption = None,
    remove_share: RemoveShareOption = None,
    release: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FEED", help="Let the next pass remove what the last one held back of a feed; repeatable."
        ),
    ] = None,
    trust_clock: Annotated[
        bool, typer.Option("--trust-clock", help="Confirm that the clock is right, although it jumped.")
    ] = False,
    keep_versions: KeepVersionsOption = None,
    tune: Annotated[
        bool,
        typer.Option(
            "--tune",
            help="Instead of a pass: build or refresh the index by which large lakes answer almost exactly, and "
            "measure its recall. With --every: beside the passes, whenever a tenth of the regions is new.",
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw the recall that --tune measures: .png, .svg or .pdf.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Join small files, and remove recordings beyond an age or size.

    While feeds are followed into the lake, the follower does the pass, with the settings of this command. Pinned shots
    are kept. If a pass is killed, the next writer of the lake completes it.

    A pass holds back what would be more than half of a feed, and what only a clock that jumped makes too old; the exit
    code is then 1. --release and --trust-clock also take effect in the next pass of a follower.

    --tune changes nothing in the tables, and may run while others write and search.
    """
    if plot is not None and (not tune or every is not None):
        raise typer.BadParameter("needs --tune, without --every", param_hint="--plot")
    if tune and every is None:
        from deploy.cli.tuning import tune_lake

        tune_lake(lake, plot=plot, as_json=as_json)
        return
    from pipeline.lake.lake import Lake
    from pipeline.lake.lease.writer_lease import writer_of

    config = chosen_upkeep(
        max_age=max_age,
        max_bytes_per_feed=max_bytes_per_feed,
        video_max_age=video_max_age,
        video_max_bytes=video_max_bytes,
        video_moving_max_age=video_moving_max_age,
        remove_share=remove_share,
        keep_versions=keep_versions,
    )
    released = bool(release) or trust_clock
    if released:
        _release(lake, release or [], trust_clock=trust_clock)
    if every is None:
        opened = Lake.open(lake)
        limited = max_age is not None or max_bytes_per_feed is not None
        if released and not limited and (writer := writer_of(lake)) is not None:
            typer.echo(f"released: process {writer} writes the lake, and its next pass of upkeep removes it", err=True)
            return
        status = _one_pass(opened, config, None, wait_s=10.0)
        assert status.last is not None
        print_json(report_json(status.last)) if as_json else _print(lake, status.last)
        if status.last.errors or status.last.held:
            raise typer.Exit(EXIT_FAILED)
        return
    every_s = parse_duration(every, option="--every").total_seconds()
    if every_s < 1.0:
        raise typer.BadParameter(f"a pass is run once a second at most, got {every!r}", param_hint="--every")
    _serve(lake, config, every_s=every_s, tune=tune, as_json=as_json)


def _release(lake: str, feeds: list[str], *, trust_clock: bool) -> None:
    """Releases what the last pass held back of these feeds. Raises QueryError if it held nothing of one of them."""
    from pipeline.lake.upkeep.clock_check import read_clock
    from pipeline.lake.upkeep.upkeep_folder import Release, UpkeepFolder
    from pipeline.live.status.state_folder import StateFolder
    from pipeline.runtime.time_source import REAL_TIME
    from schemas.errors import QueryError

    folder = UpkeepFolder(StateFolder.of(lake).path)
    status = folder.last_status()
    held = status.last.held if status is not None and status.last is not None else ()
    for feed in feeds:
        if not any(each.feed == feed for each in held):
            names = ", ".join(sorted({each.feed for each in held})) or "nothing"
            raise QueryError(f"the last pass held back nothing of {feed}; it held back: {names}")
    ids = tuple(name for each in held if each.feed in feeds for name in each.ids)
    folder.release(Release(ids, read_clock(REAL_TIME) if trust_clock else None))


def _serve(lake: str, config: "UpkeepConfig", *, every_s: float, tune: bool, as_json: bool) -> None:
    """Runs a pass every `every_s` seconds until it is interrupted."""
    from deploy.cli.interrupt import interruptible
    from deploy.cli.tuning import TuningBeside
    from operators.runtime.glibc_malloc import share_heaps
    from pipeline.lake.lake import Lake
    from schemas.errors import LakeError

    share_heaps()
    status: UpkeepStatus | None = None
    opened = Lake.open(lake)
    beside = TuningBeside(lake)
    with closing(beside), interruptible() as check:
        while True:
            due_s = time.monotonic() + every_s
            try:
                status = _one_pass(opened, config, status, wait_s=0.5)
            except LakeError as error:  # another process writes it, or it is out of reach: the next pass tries again
                _print_skipped(str(error), as_json=as_json)
            else:
                assert status.last is not None
                print_json(report_json(status.last)) if as_json else _print(lake, status.last)
            if tune and (said := beside.look()) is not None:
                print_json({"tuning": said}) if as_json else console().print(visible(said), soft_wrap=True)
            sys.stdout.flush()  # else a pipe buffers it until there are 8 kB
            while time.monotonic() < due_s:
                check()
                time.sleep(min(0.2, max(0.0, due_s - time.monotonic())))


def _one_pass(lake: "Lake", config: "UpkeepConfig", earlier: "UpkeepStatus | None", *, wait_s: float) -> "UpkeepStatus":
    from pipeline.lake.upkeep.upkeep import Upkeep
    from pipeline.lake.upkeep.upkeep_folder import UpkeepFolder
    from pipeline.lake.upkeep.upkeep_status import write_upkeep_status
    from pipeline.lake.writing.committer import Committer
    from pipeline.lake.writing.completion import no_shots
    from pipeline.live.handed.follower_link import FollowerEndedError, find_follower
    from pipeline.live.status.state_folder import StateFolder

    if follower := find_follower(lake.uri):
        with closing(follower), suppress(FollowerEndedError):
            return follower.upkeep(config)
    folder = UpkeepFolder(StateFolder.of(lake.uri).path)
    # without a plan: sources whose segments are all done but which are not complete wait for their next ingest
    with Committer(lake, plan=None, fold_shots=no_shots, wait_s=wait_s) as committer:
        upkeep = Upkeep(
            committer,
            config,
            earlier=earlier,
            folder=folder,
            on_status=lambda status: write_upkeep_status(folder.status, status),
        )
        upkeep.run_pass()
        return upkeep.status()


def report_json(report: "PassReport") -> Json:
    """The object that `regionlake upkeep --json` prints."""
    return {
        **asdict(report),
        "began": report.began.isoformat(),
        "ended": report.ended.isoformat(),
        "seconds": round(report.seconds, 3),
    }


def _print(lake: str, report: "PassReport") -> None:
    from rich.table import Table

    out = console()
    table = Table("table", "fragments", "size", "versions forgotten", "freed", box=None, pad_edge=False)
    for one in report.tables:
        table.add_row(
            one.table,
            f"{one.fragments_before:,} → {one.fragments_after:,}",
            f"{short_size(one.bytes_before)} → {short_size(one.bytes_after)}",
            f"{one.versions:,}",
            short_size(one.freed_bytes),
        )
    out.print(table)
    removed = counted(report.removed, "recording or file", "recordings or files")
    fewer = counted(report.joined_rows, "row")
    pinned = f", {report.trimmed:,} cut to their pinned shots" if report.trimmed else ""
    removed += f" removed ({short_size(report.removed_bytes)}){pinned}"
    out.print(f"{lake}: {removed}; {fewer} fewer in the ledger; {report.seconds:.1f} s")
    if report.video_files or report.video_pinned or report.video_moving:
        beyond = f", {report.video_pinned:,} beyond the limits are pinned" if report.video_pinned else ""
        beyond += f", {report.video_moving:,} show something moving" if report.video_moving else ""
        gone = f"{counted(report.video_files, 'file')} removed ({short_size(report.video_bytes)})"
        out.print(f"video of feeds: {gone}{beyond}", soft_wrap=True)
    if report.video_waits:
        out.print("video is not removed by its age: the clock jumped; run upkeep with --trust-clock if it is right")
    if report.indexed:
        out.print(f"indexes refreshed: {', '.join(report.indexed)}")
    for held in report.held:
        out.print(held_line(held, ahead_s=report.clock_ahead_s, lake=lake), soft_wrap=True)
    for error in report.errors:
        out.print(visible(f"failed: {error}"), soft_wrap=True)


def _print_skipped(why: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"skipped": why, "at": datetime.now(UTC).isoformat()})
    else:
        console().print(visible(f"skipped: {why}"), soft_wrap=True)
