"""What a lake takes up, and what upkeep did with it and holds back."""

from pathlib import Path

from deploy.held_wording import held_line
from deploy.server.showing.catalogue import Sources
from pipeline.lake.audit.lake_status import LakeStatus
from pipeline.lake.upkeep.upkeep_folder import UpkeepFolder
from pipeline.lake.upkeep.upkeep_status import PassReport, UpkeepStatus
from pipeline.live.status.state_folder import StateFolder
from pipeline.ring.feed_ring import rings_of_state
from pipeline.ring.report import kept_video


def lake_storage(summary: LakeStatus, sources: Sources, *, name: str) -> dict[str, object]:
    """The service's JSON. name: of the lake, in commands.

    What is about the lake as a whole is not for somebody who sees a part of it, who is shown the video of their feeds.
    """
    folder = StateFolder.of(summary.uri)
    whole = sources.grants.everything
    upkeep = UpkeepFolder(folder.path).last_status() if whole else None
    tables = [
        {"name": table, "rows": size.rows, "bytes": size.data_bytes, "fragments": size.fragments}
        for table, size in summary.tables.items()
    ]
    return {
        "tables": tables if whole else [],
        "disk_bytes": summary.disk_bytes if whole else None,
        "near_duplicates": summary.near_duplicates if whole else None,
        "video": _video(folder.path, sources),
        "upkeep": None if upkeep is None else _upkeep(upkeep, sources, name=name),
        "refused_batches": folder.refusals() if whole else 0,
    }


def _video(state: Path, sources: Sources) -> list[dict[str, object]]:
    return [
        {
            "feed": sources.hide(each.feed),
            "files": each.files,
            "bytes": each.bytes,
            "first": each.first.isoformat(),
            "last": each.last.isoformat(),
        }
        for each in kept_video(rings_of_state(state))
        if sources.grants.allow(each.feed)
    ]


def _upkeep(status: UpkeepStatus, sources: Sources, *, name: str) -> dict[str, object]:
    last = status.last
    held = () if last is None else last.held
    ahead_s = None if last is None else last.clock_ahead_s
    return {
        "at": status.at.isoformat(),
        "since": status.started.isoformat(),
        "doing": status.doing,
        "passes": status.passes,
        "failed_passes": status.failed_passes,
        "removed": status.removed,
        "removed_bytes": status.removed_bytes,
        "last": None if last is None else _pass(last, sources),
        "held": [sources.hide(held_line(each, ahead_s=ahead_s, lake=name)) for each in held],
        "last_error": None if status.last_error is None else sources.hide(status.last_error),
    }


def _pass(report: PassReport, sources: Sources) -> dict[str, object]:
    return {
        "began": report.began.isoformat(),
        "took_s": report.seconds,
        "fragments_before": sum(each.fragments_before for each in report.tables),
        "fragments_after": sum(each.fragments_after for each in report.tables),
        "freed_bytes": sum(each.freed_bytes for each in report.tables),
        "removed": report.removed,
        "trimmed": report.trimmed,
        "removed_bytes": report.removed_bytes,
        "video_files": report.video_files,
        "video_bytes": report.video_bytes,
        "put_off": report.put_off,
        "video_waits": report.video_waits,
        "errors": [sources.hide(each) for each in report.errors],
    }
