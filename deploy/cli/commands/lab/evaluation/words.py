"""`regionlake lab eval words`."""

from dataclasses import asdict
from typing import Annotated

import typer

from deploy.cli.command_line import command_line
from deploy.cli.commands.lab.evaluation.table import figures
from deploy.cli.commands.lab.options import (
    DatasetArgument,
    EveryOption,
    KeptLakeOption,
    LayoutOption,
    SeedOption,
    SplitOption,
    lake_folder,
    plans_of,
)
from deploy.cli.options import JsonOption, ModelOption, PlanOption, SetOption
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_progress, shown_steps


def words(
    context: typer.Context,
    dataset: DatasetArgument,
    labels: Annotated[
        str, typer.Option(metavar="N,N,…", help="Numbers of regions that are labelled of each class; 0 for all.")
    ] = "3,10,0",
    every: EveryOption = 5,
    layout: LayoutOption = None,
    split: SplitOption = None,
    seed: SeedOption = 0,
    plan: PlanOption = None,
    model: ModelOption = None,
    settings: SetOption = None,
    lake: KeptLakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how much words trained from labels help.

    Regions of every second picture are labelled by the truth, and the other pictures are searched for their classes; in
    a video, of its first half, and the other half is searched for each person.
    """
    from pipeline.lab.datasets.read import read_dataset
    from pipeline.lab.evaluation.retrieval.compared_methods import parse_methods
    from pipeline.lab.evaluation.retrieval.prepare import prepare
    from pipeline.lab.evaluation.words import evaluate_words

    try:
        budgets = [int(each) for each in labels.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{labels!r} are no numbers with commas between", param_hint="--labels") from None
    if min(budgets) < 0:
        raise typer.BadParameter(f"a number of labels is at least 0, got {min(budgets)}", param_hint="--labels")
    read = read_dataset(dataset, layout=layout, split=split)
    with lake_folder(lake) as lakes:
        with shown_progress() as on_ingest:
            prepared = prepare(
                read,
                parse_methods("regions"),
                every=every,
                plan_of=plans_of(plan, model, settings),
                lakes=lakes,
                on_progress=on_ingest,
            )
        with shown_steps() as on_step:
            table = evaluate_words(prepared, budgets=budgets, seed=seed, on_progress=on_step)
    line = command_line(context, without=("lake", "as_json"))
    if as_json:
        print_json({"command": line, **asdict(table)})
        return
    out = console()
    out.print(line, soft_wrap=True)
    out.print(
        f"{table.dataset}: mean average precision over {table.frames} frames that nobody labelled; 95 % intervals"
    )
    printed = figures("labels of each class", "classes", "name", "trained word", "\u0394")
    for row in table.rows:
        printed.add_row(row.labels, str(row.classes), str(row.words), str(row.trained), str(row.gain))
    out.print(printed)
