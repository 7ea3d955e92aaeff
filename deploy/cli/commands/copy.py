"""`regionlake copy`: a backup of a lake, its restoration, or its new place."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.options import JsonOption, LakeOption
from deploy.cli.output import console, print_json
from deploy.wording import counted
from schemas.visible_text import visible


def copy(
    to: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the copy.", show_default=False)],
    lake: LakeOption,
    video: Annotated[bool, typer.Option("--video", help="Also copy the video of feeds.", show_default=False)] = False,
    check: Annotated[bool, typer.Option(help="Audit the copy before it takes the place of an earlier one.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Copy a lake while it is written, or bring a copy up to date.

    The copy is the lake at one moment, with watches, pins, labels and counts. A copy that was interrupted is continued
    by the same command, and an earlier copy stays until the new one is complete. It is a lake like any other: search
    it, or copy it back.
    """
    from pipeline.copying.copy_lake import copy_lake, report_json

    report = copy_lake(lake, str(to), video=video, audit=check)
    if as_json:
        print_json(report_json(report))
        return
    rows = ", ".join(f"{count:,} {table}" for table, count in report.rows.items())
    state = "sound" if report.checked else "not audited"
    moment, size, new = report.moment[:19], report.bytes / 1e6, report.copied_bytes / 1e6
    line = f"{to}: {lake} as it was at {moment} UTC, {state} ({rows})"
    console().print(
        visible(f"{line}; {counted(report.files, 'file')} of {size:,.1f} MB, {new:,.1f} MB of them new"), soft_wrap=True
    )
