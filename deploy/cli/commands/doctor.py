"""`regionlake doctor`: whether this machine can run RegionLake, and how to repair what it lacks."""

from dataclasses import asdict
from typing import Annotated

import typer

from deploy.cli.options import JsonOption
from deploy.cli.output import EXIT_FAILED, console, print_json


def doctor(
    lake: Annotated[str | None, typer.Option(metavar="DIR|s3://…", help="Also open this lake.")] = None,
    model: Annotated[str, typer.Option(help="The model to load.")] = "everyday",
    ray: Annotated[bool, typer.Option("--ray", help="Also start Ray and run a task.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the installation and this machine.

    Exit code 1 when something must be repaired.
    """
    from deploy.monitoring.health import examine

    findings = list(examine(lake=lake, model=model, with_ray=ray))
    ok = all(finding.state != "fail" for finding in findings)
    if as_json:
        print_json({"ok": ok, "checks": [asdict(finding) for finding in findings]})
    else:
        from rich.table import Table

        table = Table("state", "what", "found", "fix", box=None, pad_edge=False)
        colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
        for finding in findings:
            table.add_row(finding.state, finding.subject, finding.found, finding.fix, style=colours[finding.state])
        console().print(table)
    if not ok:
        raise typer.Exit(EXIT_FAILED)
