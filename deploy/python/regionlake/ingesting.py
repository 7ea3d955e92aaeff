"""`regionlake.ingest`, the function."""

from collections.abc import Callable, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pipeline.ingest.progress import IngestReport, Progress
    from pipeline.plan.plan import Plan

PathOrUrl = str | PathLike[str]


def ingest(
    sources: PathOrUrl | Sequence[PathOrUrl],
    *,
    lake: PathOrUrl,
    plan: "Plan | PathOrUrl | None" = None,
    engine: Literal["local", "ray"] = "local",
    replace: bool = False,
    timezone: str | None = None,
    name_time: str | None = None,
    on_progress: "Callable[[Progress], None] | None" = None,
) -> "IngestReport":
    """Adds videos and pictures to a lake, which is created if it does not exist, and returns a report.

    sources: files, folders (with everything below them), globs, and http(s):// or s3:// URLs; one or several.
    plan: the settings, or the TOML file with those that differ from the default.
    replace: replaces sources that were ingested with another plan.
    timezone, name_time: the time zone and the pattern of times in names of files, for files of recorders, as of
        `regionlake ingest`. What was decided or is not known about such a time is in `report.notes`.
    on_progress: called with the counts so far, several times a second. An exception that it raises ends the ingest;
        the next call continues from the last commit.

    Sources that the lake already holds are skipped. A source that cannot be read is listed in `report.quarantined` with
    the reason, and the others are ingested. Raises PlanError, ModelError or LakeError before any file is read.

    >>> report = ingest("bikes.mp4", lake="lake")
    >>> report.skipped, report.segments  # the lake already holds it
    (1, 0)
    """
    from pipeline.ingest.run import ingest as run
    from pipeline.plan.plan import Plan
    from pipeline.plan.plan_file import load_plan
    from schemas.recorder_names import NameRule

    names = [sources] if isinstance(sources, str | PathLike) else sources
    made = plan if isinstance(plan, Plan) else load_plan(None if plan is None else Path(fspath(plan)))
    return run(
        [fspath(name) for name in names],
        fspath(lake),
        made,
        engine=engine,
        replace=replace,
        naming=NameRule(timezone or "UTC", name_time, given=bool(timezone or name_time)),
        on_progress=on_progress or (lambda _: None),
    )
