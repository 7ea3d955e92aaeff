"""Ingest, from Python."""

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
    on_progress: "Callable[[Progress], None] | None" = None,
) -> "IngestReport":
    """Adds videos and pictures to a lake, which is made where there is none, and reports what it did.

    sources: files, folders (searched whole), globs, and http(s):// or s3:// URLs; one or several.
    plan: settings, or the TOML file that holds those that differ from the default.
    replace: remove and read again what another plan made of the same source.
    on_progress: receives the counts so far, several times a second; what it raises ends the ingest, which goes on from
        its last commit when it is called again.

    What the lake holds already is skipped. A source that cannot be read is named in `report.quarantined` with its
    reason, and the others go on. Raises PlanError, ModelError or LakeError before any file is read.

    >>> report = ingest("bikes.mp4", lake="lake")
    >>> report.skipped, report.segments  # it was there already
    (1, 0)
    """
    from pipeline.ingest.run import ingest as run
    from pipeline.plan.plan import Plan
    from pipeline.plan.plan_file import load_plan

    names = [sources] if isinstance(sources, str | PathLike) else sources
    made = plan if isinstance(plan, Plan) else load_plan(None if plan is None else Path(fspath(plan)))
    return run(
        [fspath(name) for name in names],
        fspath(lake),
        made,
        engine=engine,
        replace=replace,
        on_progress=on_progress or (lambda _: None),
    )
