"""`regionlake ingest`: turns files, folders, globs and URLs into rows of a lake."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from deploy.cli.ingest_options import (
    Engine,
    EngineOption,
    FeedsOption,
    FollowOption,
    MetricsHostOption,
    MetricsPortOption,
    ReembedOption,
    ReplaceOption,
    SourcesArgument,
    ThumbnailsOption,
)
from deploy.cli.options import (
    FetchOption,
    JsonOption,
    LakeOption,
    MaxAgeOption,
    MaxBytesOption,
    ModelOption,
    NameTimeOption,
    PlanOption,
    ProposerOption,
    RemoveShareOption,
    SetOption,
    TimezoneOption,
    VideoMaxAgeOption,
    VideoMaxBytesOption,
    VideoMovingMaxAgeOption,
    VideoSoundOption,
    chosen_plan,
    chosen_upkeep,
)
from deploy.cli.output import EXIT_FAILED, Json, console, print_json, results_only
from deploy.cli.without_pandas import import_arrow_without_pandas
from deploy.wording import counted, reason
from pipeline.reading.addresses import public_uri
from schemas.recorder_names import NameRule

if TYPE_CHECKING:
    from operators.encoders.region_vectors import RegionVectorsConfig
    from pipeline.ingest.progress import IngestReport, Progress
    from pipeline.plan.plan import Plan

_NOTES = 20  # a thousand files of an hour that exists twice fill no screen


def ingest(
    lake: LakeOption,
    sources: SourcesArgument = None,
    plan: PlanOption = None,
    model: ModelOption = None,
    proposer: ProposerOption = None,
    settings: SetOption = None,
    engine: EngineOption = "local",
    replace: ReplaceOption = False,
    reembed: ReembedOption = False,
    thumbnails: ThumbnailsOption = False,
    follow: FollowOption = False,
    feeds: FeedsOption = None,
    max_age: MaxAgeOption = None,
    max_bytes_per_feed: MaxBytesOption = None,
    remove_share: RemoveShareOption = None,
    video_max_age: VideoMaxAgeOption = None,
    video_max_bytes: VideoMaxBytesOption = None,
    video_moving_max_age: VideoMovingMaxAgeOption = None,
    video_sound: VideoSoundOption = False,
    metrics_port: MetricsPortOption = None,
    metrics_host: MetricsHostOption = None,
    timezone: TimezoneOption = None,
    name_time: NameTimeOption = None,
    fetch: FetchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add videos and pictures to a lake, or follow feeds.

    The lake is created if it does not exist. Sources that it already holds are skipped: after an
    interruption, the same command continues where it stopped.
    """
    if engine == "local":  # Ray makes data frames
        import_arrow_without_pandas()
    if thumbnails and not reembed:
        raise typer.BadParameter("needs --reembed", param_hint="--thumbnails")
    regions = _region_settings(lake) if reembed else None
    made = chosen_plan(plan, model=model, proposer=proposer, settings=settings, regions=regions)
    names = sources or []
    if follow or feeds:
        if replace or reembed or not (names or feeds):
            raise typer.BadParameter(
                "takes streams, folders and growing files, or --feeds, and neither --replace nor --reembed",
                param_hint="--follow",
            )
        if video_sound and not (video_max_age or video_max_bytes):
            raise typer.BadParameter("needs --video-max-age or --video-max-bytes", param_hint="--video-sound")
        if metrics_host is not None and metrics_port is None:
            raise typer.BadParameter("needs --metrics-port", param_hint="--metrics-host")
        from deploy.cli.following import follow as run_follower
        from pipeline.ingest.continued_plan import continued_plan

        run_follower(
            names,
            feeds,
            timezone,
            name_time,
            lake,
            continued_plan(made, lake),
            engine=engine,
            upkeep=chosen_upkeep(
                max_age=max_age,
                max_bytes_per_feed=max_bytes_per_feed,
                video_max_age=video_max_age,
                video_max_bytes=video_max_bytes,
                video_moving_max_age=video_moving_max_age,
                remove_share=remove_share,
            ),
            video_sound=video_sound,
            metrics_port=metrics_port,
            metrics_host=metrics_host or "127.0.0.1",
            as_json=as_json,
        )
        return
    _refuse_without_follow(
        limited=bool(max_age or max_bytes_per_feed),
        of_video={
            "--video-max-age": bool(video_max_age),
            "--video-max-bytes": bool(video_max_bytes),
            "--video-moving-max-age": bool(video_moving_max_age),
            "--video-sound": video_sound,
        },
        of_metrics={"--metrics-port": metrics_port is not None, "--metrics-host": metrics_host is not None},
    )
    if reembed:
        if timezone or name_time:
            raise typer.BadParameter("is for an ingest of files; --reembed keeps their times", param_hint="--timezone")
        if replace or proposer:
            raise typer.BadParameter("uses the regions of the lake: omit --replace and --proposer")
        _reembed(names, lake, made, engine=engine, thumbnails=thumbnails, fetch=fetch or (), as_json=as_json)
        return
    _require_sources_with_an_end(names)
    naming = NameRule(timezone or "UTC", name_time, given=bool(timezone or name_time))
    _backfill(names, lake, made, engine=engine, replace=replace, naming=naming, fetch=fetch or (), as_json=as_json)


def _refuse_without_follow(*, limited: bool, of_video: Mapping[str, bool], of_metrics: Mapping[str, bool]) -> None:
    """Refuses options of feeds. limited: whether age or size are; the others by name, and whether each was given."""
    if limited:
        raise typer.BadParameter("needs --follow; without it, run: regionlake upkeep", param_hint="--max-age")
    for hint in (name for name, given in of_video.items() if given):
        raise typer.BadParameter("needs --follow: video is kept of streams alone", param_hint=hint)
    for hint in (name for name, given in of_metrics.items() if given):
        raise typer.BadParameter("needs --follow or --feeds", param_hint=hint)


def _require_sources_with_an_end(names: list[str]) -> None:
    if not names:
        raise typer.BadParameter("name at least one file, folder, glob or URL", param_hint="SOURCES")
    if streams := [name for name in names if _is_stream(name)]:
        shown = public_uri(streams[0])
        raise typer.BadParameter(f"{shown} is a stream, which has no end: add --follow", param_hint="SOURCES")


def _backfill(
    names: list[str],
    lake: str,
    plan: "Plan",
    *,
    engine: Engine,
    replace: bool,
    naming: NameRule,
    fetch: Sequence[str],
    as_json: bool,
) -> None:
    from deploy.cli.interrupt import interruptible
    from deploy.cli.progress import shown_progress
    from pipeline.ingest.run import ingest as run

    with results_only(), shown_progress() as show, interruptible() as check:

        def on_progress(progress: "Progress") -> None:
            check()
            show(progress)

        report = run(
            names, lake, plan, engine=engine, replace=replace, fetch=fetch, naming=naming, on_progress=on_progress
        )
    if naming.given and report.skipped:
        held = counted(report.skipped, "source keeps its time", "sources keep their times")
        typer.echo(f"{held}, because the lake held it before: forget it and ingest it again to change it", err=True)
    if as_json:
        print_json(ingest_json(report))
    else:
        _print_report(report)
    if not report.ok:
        raise typer.Exit(EXIT_FAILED)


def _is_stream(name: str) -> bool:
    from pipeline.live.feeds.feed_list import is_stream

    return is_stream(name)


def _region_settings(lake: str) -> "RegionVectorsConfig | None":
    from pipeline.lake.lake import Lake
    from pipeline.lake.plans_in_use import region_settings_in_use

    return region_settings_in_use(Lake.open(lake))


def _reembed(
    names: list[str],
    lake: str,
    plan: "Plan",
    *,
    engine: Engine,
    thumbnails: bool,
    fetch: Sequence[str],
    as_json: bool,
) -> None:
    from deploy.cli.interrupt import interruptible
    from deploy.cli.progress import shown_count
    from pipeline.reembed.run import reembed

    with results_only(), shown_count("keyframes") as show, interruptible() as check:

        def on_progress(done: int, total: int) -> None:
            check()
            show(done, total)

        report = reembed(
            lake,
            plan,
            names=names,
            fetch=fetch,
            engine=engine,
            pictures="thumbnails" if thumbnails else "sources",
            on_progress=on_progress,
        )
    if as_json:
        print_json(
            {
                "model": plan.model,
                "column": report.column,
                "keyframes": report.keyframes,
                "regions": report.regions,
                "skipped": report.skipped,
                "failed": len(report.failed),
                "elapsed_s": round(report.elapsed_s, 3),
                "errors": [{"source": f.uri, "state": "failed", "error": f.error} for f in report.failed],
            }
        )
    else:
        out = console()
        out.print(
            f"{counted(report.keyframes, 'keyframe')} and {counted(report.regions, 'region')} have vectors of "
            f"{plan.model} in {report.column}; {counted(report.skipped, 'keyframe')} already had them",
            soft_wrap=True,
        )
        vectors = report.keyframes + report.regions
        out.print(f"{report.elapsed_s:.1f} s, {vectors / max(report.elapsed_s, 1e-9):.1f} vectors/s")
        for failure in report.failed:
            out.print(f"failed: {reason(failure.uri, failure.error)}", soft_wrap=True)
    if not report.ok:
        raise typer.Exit(EXIT_FAILED)


def ingest_json(report: "IngestReport") -> Json:
    """The object that `regionlake ingest --json` prints: counts, seconds per stage, and what went wrong by name."""
    return {
        "sources": report.sources,
        "segments": report.segments,
        "frames_decoded": report.frames_decoded,
        "keyframes": report.keyframes,
        "near_duplicates": report.near_duplicates,
        "regions": report.regions,
        "skipped": report.skipped,
        "quarantined": len(report.quarantined),
        "failed": len(report.failed),
        "seconds": {stage: round(seconds, 3) for stage, seconds in report.seconds.items()},
        "elapsed_s": round(report.elapsed_s, 3),
        "errors": [
            {"source": failure.uri, "state": state, "error": failure.error}
            for state, failures in (("quarantined", report.quarantined), ("failed", report.failed))
            for failure in failures
        ],
        "notes": [{"source": note.uri, "note": note.error} for note in report.notes],
    }


def _print_report(report: "IngestReport") -> None:
    out = console()
    rate = report.frames_decoded / report.elapsed_s if report.elapsed_s else 0.0
    out.print(
        f"{counted(report.sources, 'source')}: {counted(report.segments, 'segment')} done, "
        f"{counted(report.skipped, 'source')} skipped, {len(report.quarantined)} quarantined, "
        f"{counted(len(report.failed), 'segment')} failed"
    )
    out.print(
        f"{counted(report.frames_decoded, 'frame')} decoded → {counted(report.keyframes, 'keyframe')} "
        f"({counted(report.near_duplicates, 'near-duplicate')} dropped), {counted(report.regions, 'region')}"
    )
    busy = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.seconds.items())
    out.print(f"{report.elapsed_s:.1f} s, {rate:.0f} frames/s{f' (busy: {busy})' if busy else ''}")
    for state, failures in (("quarantined", report.quarantined), ("failed", report.failed)):
        for failure in failures:
            out.print(f"{state}: {reason(failure.uri, failure.error)}", soft_wrap=True)
    for note in report.notes[:_NOTES]:
        out.print(f"note: {reason(note.uri, note.error)}", soft_wrap=True)
    if len(report.notes) > _NOTES:
        out.print(f"{counted(len(report.notes) - _NOTES, 'further note')}; --json names all")
