"""`regionlake check`: whether a lake is sound, and whether it equals another."""

from typing import Annotated

import typer

from deploy.cli.options import JsonOption, LakeOption
from deploy.cli.output import EXIT_FAILED, console, print_json
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

    opened = Lake.open(lake)
    other = Lake.open(against) if against else None
    report = audit(opened)
    differences = compare(opened, other) if other else ()
    ok = report.ok and not differences
    if as_json:
        print_json(
            {"ok": ok, "rows": report.rows, "problems": report.problems, "differences": differences}
            | {"segments_without_checksum": report.unsummed}
        )
    else:
        out = console()
        for problem in report.problems:
            out.print(visible(f"problem: {problem}"), soft_wrap=True)
        for difference in differences:
            out.print(visible(f"difference: {difference}"), soft_wrap=True)
        rows = ", ".join(f"{count:,} {table}" for table, count in report.rows.items())
        equal = "" if not against else f"; equal to {against}" if not differences else f"; differs from {against}"
        out.print(
            f"{lake}: {'sound' if report.ok else f'{len(report.problems)} problems'} ({rows}){equal}", soft_wrap=True
        )
        if report.unsummed:
            out.print(f"{report.unsummed:,} segments of older releases have no checksum")
    if not ok:
        raise typer.Exit(EXIT_FAILED)
