"""`regionlake lab eval counts`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands.lab.evaluation.table import figures
from deploy.cli.commands.lab.options import KeptLakeOption, VideosArgument, lake_folder
from deploy.cli.options import JsonOption, PlanOption, ProposerOption, SetOption, chosen_plan
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_progress

if TYPE_CHECKING:
    from pipeline.lab.evaluation.counts import CountsTable


def counts(
    videos: VideosArgument,
    step: Annotated[
        list[float] | None,
        typer.Option(min=0.1, metavar="SECONDS", help="Length of a step; repeatable.", show_default="60, 10"),
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(metavar='"X,Y X,Y"', help="A line to be crossed; repeatable.", show_default="three each way"),
    ] = None,
    plan: PlanOption = None,
    proposer: ProposerOption = None,
    settings: SetOption = None,
    lake: KeptLakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how many people and crossings SQL counts."""
    made = chosen_plan(plan, model=None, proposer=proposer, settings=settings)
    from pipeline.lab.evaluation.counts import LINES, CountsEvaluation, evaluate_counts

    evaluation = CountsEvaluation(tuple(step or (60.0, 10.0)), tuple(line or LINES))
    with lake_folder(lake) as folder, shown_progress() as on_progress:
        tables = [evaluate_counts(video, made, evaluation, lake=folder, on_progress=on_progress) for video in videos]
    if as_json:
        print_json({"videos": [asdict(table) for table in tables]})
        return
    for table in tables:
        show(table)


def show(table: "CountsTable") -> None:
    """Prints mean absolute errors, a row for each kind of count, and the true means above them."""
    out = console()
    out.print(f"{table.video}: {table.keyframes} keyframes, {table.identities} people; mean absolute errors")
    names = [f"people in {step_s:g} s" for step_s in table.steps_s]
    printed = figures("counted", "things", *names, "crossings of a line")
    truth = [f"{value:.2f}" for value in (*table.people, table.crossings)]
    printed.add_row("(true mean)", str(table.identities), *truth)
    for row in table.rows:
        printed.add_row(row.counted, str(row.things), *(f"{value:.2f}" for value in (*row.people, row.crossings)))
    out.print(printed)
