"""`regionlake lab eval search` compares methods of search on a data set, with confidence intervals."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deploy.cli.command_line import command_line
from deploy.cli.commands.lab.options import (
    DatasetArgument,
    EveryOption,
    KeptLakeOption,
    LayoutOption,
    SplitOption,
    lake_folder,
    plans_of,
)
from deploy.cli.options import JsonOption, ModelOption, PlanOption, SetOption
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_progress, shown_steps

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.lab.evaluation.metrics import Estimate
    from pipeline.lab.evaluation.retrieval.tables import RetrievalTable, TaskTable

_NO_FIGURE = ("lake", "engine", "report", "as_json")  # options that change no figure


def search(
    context: typer.Context,
    dataset: DatasetArgument,
    methods: Annotated[
        str,
        typer.Option(
            metavar="METHOD[,METHOD…]",
            help="Methods of search by name. A+B*0.5 fuses two. NAME:KEY=VALUE;… gives a method its own settings of "
            "the plan, or of ranking.KEY. grid searches regions that are cells of a grid.",
        ),
    ] = "global,regions,grid",
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="TASK[,TASK…]",
            help="Kinds of queries: classes, captions, boxes, zones, rois.",
            show_default="boxes,rois for a video, else classes,captions",
        ),
    ] = None,
    layout: LayoutOption = None,
    split: SplitOption = None,
    every: EveryOption = 5,
    queries: Annotated[
        int, typer.Option(min=1, help="Maximum number of queries per task; classes are all used.")
    ] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the choice of queries and of the bootstrap.")] = 0,
    plan: PlanOption = None,
    model: ModelOption = None,
    settings: SetOption = None,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="Engine that ingests.")] = "local",
    lake: KeptLakeOption = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a report (.html) or curves of recall (.png, .svg, .pdf).", dir_okay=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure methods of search on a data set.

    It is ingested and searched for its classes, captions, boxes, zones or regions, and the results are judged.
    """
    from deploy.reports.retrieval_report import SUFFIXES, write_retrieval_report
    from pipeline.lab.datasets.read import read_dataset
    from pipeline.lab.evaluation.retrieval.compared_methods import parse_methods
    from pipeline.lab.evaluation.retrieval.measure import Draw, measure, parse_tasks, tasks_of
    from pipeline.lab.evaluation.retrieval.prepare import prepare

    if report is not None and report.suffix.lower() not in SUFFIXES:
        raise typer.BadParameter(f"{report} must end in one of {' '.join(SUFFIXES)}", param_hint="--report")
    compared = parse_methods(methods)
    chosen = parse_tasks(tasks) if tasks else None
    read = read_dataset(dataset, layout=layout, split=split)
    with lake_folder(lake) as lakes:
        with shown_progress() as on_ingest:
            prepared = prepare(
                read,
                compared,
                every=every,
                plan_of=plans_of(plan, model, settings),
                lakes=lakes,
                engine=engine,
                on_progress=on_ingest,
            )
        with shown_steps() as on_question:
            table = measure(prepared, Draw(queries, seed), tasks=chosen or tasks_of(read), on_progress=on_question)
    line = command_line(context, without=_NO_FIGURE)
    if as_json:
        print_json({"command": line, **asdict(table)})
    else:
        _print(table, line)
    if report is not None:
        write_retrieval_report(table, report, command=line)
        typer.echo(f"report: {report}", err=True)


def _print(table: "RetrievalTable", line: str) -> None:
    out = console()
    out.print(line, soft_wrap=True)
    copies = f", {table.copies} copies omitted" if table.copies else ""
    out.print(f"{table.dataset} ({table.layout}): {table.frames} frames{copies}; {table.model}; 95 % intervals")
    for task in table.tasks:
        out.print()
        out.print(_rendered(task))
        for method, why in task.unanswered.items():
            out.print(f"{method} does not answer {task.task}: {why}", soft_wrap=True)
    out.print()
    out.print(_costs(table))


def _rendered(task: "TaskTable") -> "Table":
    from rich.table import Table

    names = list(dict.fromkeys(name for row in task.rows for name in row.measures))
    first = names[0] if names else ""
    printed = Table(task.task, "method", "n", *names, f"Δ {first}", box=None, pad_edge=False)
    printed.columns[1].overflow = "fold"  # never truncated: people copy methods into the next command
    subset = ""
    for row in task.rows:
        values = [_value(row.measures.get(name), whole=name == first) for name in names]
        printed.add_row(
            row.subset if row.subset != subset else "",
            row.method,
            str(task.questions[row.subset]),
            *values,
            _value(row.gain, whole=True),
        )
        subset = row.subset
    return printed


def _costs(table: "RetrievalTable") -> "Table":
    from rich.table import Table

    times = [f"ms, {task.task}" for task in table.tasks]
    printed = Table("method", "bytes a frame", *times, "plan", box=None, pad_edge=False)
    for method, plan in table.plans.items():
        took = [f"{task.ms[method]:.0f}" if method in task.ms else "–" for task in table.tasks]
        printed.add_row(method, f"{table.bytes_a_frame[method]:,.0f}", *took, plan)
    return printed


def _value(estimate: "Estimate | None", *, whole: bool) -> str:
    """`.512 [.447, .580]`, or, where space is short, `.512 ±.067` with half the width of the interval."""
    if estimate is None:
        return "–"
    if whole or estimate.low is None or estimate.high is None:
        return str(estimate)
    from pipeline.lab.evaluation.metrics import short

    half = (estimate.high - estimate.low) / 2
    return f"{short(estimate.value)} ±{short(half)}"
