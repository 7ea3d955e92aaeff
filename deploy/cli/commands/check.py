"""`regionlake check`: whether a lake is sound, and whether it equals another."""

from typing import Annotated

import typer

from deploy.cli.options import JsonOption, LakeOption
from deploy.cli.output import EXIT_FAILED, console, print_json
from deploy.wording import counted
from schemas.visible_text import visible


def check(
    lake: LakeOption,
    against: Annotated[
        str | None, typer.Option(metavar="DIR|s3://…", help="Also compare with this lake, row for row.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Audit a lake: no row is lost, and none is there twice.

    Exit code 1 when a problem or a difference is found; each is one line that says how to repair it.
    """
    from pipeline.lake.audit.check import check as audit
    from pipeline.lake.audit.compare import compare
    from pipeline.lake.lake import Lake
    from pipeline.live.status.state_folder import StateFolder
    from pipeline.ring.feed_ring import rings_of_state
    from pipeline.ring.report import ring_problems

    opened = Lake.open(lake)
    other = Lake.open(against) if against else None
    report = audit(opened)
    problems = (*report.problems, *ring_problems(rings_of_state(StateFolder.of(lake).path)))
    differences = compare(opened, other) if other else ()
    ok = not problems and not differences
    if as_json:
        print_json(
            {"ok": ok, "rows": report.rows, "problems": problems, "differences": differences}
            | {"segments_without_checksum": report.unsummed}
            | {"labels": report.labels.stored, "labels_of_regions_that_are_gone": report.labels.gone}
        )
    else:
        out = console()
        for problem in problems:
            out.print(visible(f"problem: {problem}"), soft_wrap=True)
        for difference in differences:
            out.print(visible(f"difference: {difference}"), soft_wrap=True)
        rows = ", ".join(f"{count:,} {table}" for table, count in report.rows.items())
        equal = "" if not against else f"; equal to {against}" if not differences else f"; differs from {against}"
        out.print(
            f"{lake}: {'sound' if not problems else counted(len(problems), 'problem')} ({rows}){equal}",
            soft_wrap=True,
        )
        if report.unsummed:
            out.print(f"{counted(report.unsummed, 'segment')} of older releases without a checksum")
        if report.labels.stored:
            gone = f", {report.labels.gone:,} of them of regions that are gone" if report.labels.gone else ""
            out.print(f"{counted(report.labels.stored, 'label')} of people{gone}")
    if not ok:
        raise typer.Exit(EXIT_FAILED)
