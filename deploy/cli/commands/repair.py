"""`regionlake repair`: makes a damaged lake sound again, and says what was lost."""

from dataclasses import asdict
from typing import Annotated

import typer

from deploy.cli.options import JsonOption, LakeOption
from deploy.cli.output import EXIT_FAILED, console, print_json
from deploy.wording import counted
from schemas.visible_text import visible


def repair(
    lake: LakeOption,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Name what is damaged, and change nothing.", show_default=False)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Repair a damaged lake, and name what was lost.

    Damaged manifests are rolled back, and files that cannot be read are moved to the lake's folder `.damaged`. The next
    ingest reads again what they held of files; what they held of feeds cannot come back, and is named. Exit code 1 when
    problems remain.
    """
    from pipeline.lake.repair.repair import repair as run

    report = run(lake, dry_run=dry_run)
    if as_json:
        print_json({"ok": report.ok, "dry_run": dry_run, **asdict(report)})
    else:
        out = console()
        for line in report.done:
            out.print(visible(f"{'would repair' if dry_run else 'repaired'}: {line}"), soft_wrap=True)
        for source in report.again:
            out.print(visible(f"run `regionlake ingest` again on: {source}"), soft_wrap=True)
        for what in report.gone:
            out.print(visible(f"cannot come back: {what}"), soft_wrap=True)
        for problem in report.problems:
            out.print(visible(f"problem: {problem}"), soft_wrap=True)
        if not (report.done or report.again or report.gone or report.problems):
            out.print(f"{lake}: nothing is damaged")
        elif dry_run:
            out.print(f"{lake}: nothing was changed")
        else:
            out.print(f"{lake}: {'sound' if report.ok else counted(len(report.problems), 'problem')}")
    if not report.ok or (dry_run and report.done):
        raise typer.Exit(EXIT_FAILED)
