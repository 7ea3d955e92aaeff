"""`regionlake lab eval feedback`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.command_line import command_line
from deploy.cli.commands.lab.evaluation.table import dash, figures
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

if TYPE_CHECKING:
    from pipeline.lab.evaluation.retrieval.feedback import FeedbackTask


def feedback(
    context: typer.Context,
    dataset: DatasetArgument,
    likes: Annotated[int, typer.Option(min=1, help="Number of first right hits that are liked.")] = 3,
    dislikes: Annotated[int, typer.Option(min=0, help="Number of first wrong hits that are not.")] = 3,
    looks_at: Annotated[int, typer.Option(min=1, help="Number of first hits that the user looks at.")] = 50,
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
    """Measure how much likes and dislikes help a search.

    Each class is searched for by its name; in a video, each person by "a person". A simulated user judges the first
    hits, and the others are ranked again.
    """
    from pipeline.lab.datasets.read import read_dataset
    from pipeline.lab.evaluation.retrieval.compared_methods import parse_methods
    from pipeline.lab.evaluation.retrieval.feedback import SimulatedUser, evaluate_feedback
    from pipeline.lab.evaluation.retrieval.prepare import prepare

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
        task: FeedbackTask = "classes" if read.video is None else "individuals"
        with shown_steps() as on_step:
            user = SimulatedUser(likes, dislikes, looks_at)
            table = evaluate_feedback(prepared, user, task=task, seed=seed, on_progress=on_step)
    line = command_line(context, without=("lake", "as_json"))
    if as_json:
        print_json({"command": line, **asdict(table)})
        return
    out = console()
    out.print(line, soft_wrap=True)
    out.print(
        f"{table.dataset}, {table.task}: {table.frames} frames, {table.questions} questions, {table.likes:.1f} likes "
        f"and {table.dislikes:.1f} dislikes each, whose frames count neither before nor after; 95 % intervals",
        soft_wrap=True,
    )
    printed = figures("move", "R@10", "AP@50", "\u0394 AP@50")
    for row in table.rows:
        printed.add_row(row.move, str(row.recall), str(row.precision), dash(row.gain))
    out.print(printed)
