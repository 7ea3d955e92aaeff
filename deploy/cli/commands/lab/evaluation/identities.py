"""`regionlake lab eval identities`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands.lab.evaluation.table import dash, figures
from deploy.cli.commands.lab.options import VideosArgument
from deploy.cli.options import JsonOption, ModelOption, PlanOption, SetOption, chosen_plan
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_steps

if TYPE_CHECKING:
    from pipeline.lab.evaluation.identities import IdentitiesTable
    from pipeline.plan.plan import Plan

BASELINE = "regions.mode=both"
COMPARED = ("regions.mode=pool", "regions.mode=crop")


def identities(
    videos: VideosArgument,
    every: Annotated[int, typer.Option(min=1, help="Use every n-th frame.")] = 10,
    apart: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Least time between a box and those that may answer it.")
    ] = 2.0,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY.PATH=VALUE;…",
            help="Settings of another row, which are applied to the plan. Repeatable.",
            show_default=", ".join(COMPARED),
        ),
    ] = None,
    plan: PlanOption = None,
    model: ModelOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how well a person is found again.

    Each true box of a person is a question, and the true boxes of other moments are ranked by their region vectors. The
    rows are the default plan with crops and map, the plan that is given, and what --compare makes of it.
    """
    plans = compared_plans(plan, model=model, settings=settings or [], compare=COMPARED if compare is None else compare)
    from pipeline.lab.evaluation.identities import IdentitiesEvaluation, evaluate_identities

    evaluation = IdentitiesEvaluation(every=every, apart_s=apart)
    with shown_steps() as on_progress:
        tables = [evaluate_identities(video, plans, evaluation, on_progress=on_progress) for video in videos]
    if as_json:
        print_json({"videos": [asdict(table) for table in tables]})
        return
    for table in tables:
        show(table)


def compared_plans(
    file: Path | None, *, model: str | None, settings: list[str], compare: "list[str] | tuple[str, ...]"
) -> "dict[str, Plan]":
    """Name of a row → its plan. Plans that make the same region vectors as an earlier one are omitted."""
    given = [str(file)] * (file is not None) + [f"model={model}"] * (model is not None) + settings
    rows = {BASELINE: chosen_plan(None, model=None, proposer=None, settings=[BASELINE])}
    own = {"; ".join(given) or "default plan": settings}
    own |= {"; ".join([*given, each]): [*settings, *each.split(";")] for each in compare}
    for name, overrides in own.items():
        made = chosen_plan(file, model=model, proposer=None, settings=overrides)
        if not any((made.model, made.regions) == (other.model, other.regions) for other in rows.values()):
            rows[name] = made
    return rows


def show(table: "IdentitiesTable") -> None:
    """Prints a row for each kind of region vectors."""
    out = console()
    out.print(
        f"{table.video}: {table.boxes} true boxes of {table.people} people in {table.frames} frames; "
        f"{table.questions} questions; CPU time of a keyframe with {table.regions} regions",
        soft_wrap=True,
    )
    printed = figures("region vectors", "P@1", "mAP", "Δ mAP", "CPU ms")
    printed.columns[0].overflow = "fold"
    for row in table.rows:
        printed.add_row(row.vectors, str(row.first), str(row.precision), dash(row.gain), f"{row.cpu_ms:.0f}")
    out.print(printed)
