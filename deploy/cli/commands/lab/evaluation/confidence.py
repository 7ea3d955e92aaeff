"""`regionlake lab eval confidence`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands.lab.evaluation.table import figures, share
from deploy.cli.commands.lab.options import (
    KeptLakeOption,
    SiblingOption,
    ThreadsOption,
    coco_folders_of,
    default_cache_dir,
    lake_folder,
)
from deploy.cli.options import JsonOption, ModelOption, PlanOption, SetOption, chosen_plan
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_progress, shown_steps

if TYPE_CHECKING:
    from pipeline.lab.evaluation.confidence import ConfidenceTable


def confidence(
    data: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="A COCO or YOLO folder with COCO's 80 classes, to which nothing was fitted.",
            exists=True,
            file_okay=False,
        ),
    ],
    train: Annotated[
        list[Path],
        typer.Option(
            metavar="FOLDER",
            help="Folder of other pictures, on which cut-offs are chosen; repeatable.",
            exists=True,
            file_okay=False,
        ),
    ],
    pictures: Annotated[int, typer.Option(min=1, help="Maximum number of pictures of --train.")] = 1500,
    sibling: SiblingOption = None,
    queries: Annotated[int, typer.Option(min=1, help="Number of queries by objects, and by whole pictures.")] = 100,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of hits that are judged for each query.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the choice of queries.")] = 0,
    plan: PlanOption = None,
    model: ModelOption = None,
    settings: SetOption = None,
    lake: KeptLakeOption = None,
    threads: ThreadsOption = 2,
    as_json: JsonOption = False,
) -> None:
    """Measure whether confidences of hits are true.

    The pictures are ingested and searched for every class, shown or absent, and for some of their objects.
    """
    from pipeline.lab.evaluation.confidence import ConfidenceEvaluation, evaluate_confidence

    with lake_folder(lake) as lakes:
        config = ConfidenceEvaluation(
            data,
            coco_folders_of(train),
            chosen_plan(plan, model=model, proposer=None, settings=settings),
            lakes,
            default_cache_dir(),
            pictures=pictures,
            sibling=sibling,
            k=k,
            queries=queries,
            seed=seed,
            threads=threads,
        )
        with shown_steps() as on_progress, shown_progress() as on_ingest:
            table = evaluate_confidence(config, on_ingest=on_ingest, on_progress=on_progress)
    if as_json:
        print_json(asdict(table))
    else:
        show(table)


def show(table: "ConfidenceTable") -> None:
    out = console()
    out.print(f"{table.model}, {table.pictures} pictures; cut-offs chosen on {table.training} others")
    cuts = figures("macro F1 on true boxes", "one cut-off", "own cut-offs", "ratio", "classes", "boxes")
    for cut in table.cut_offs:
        cuts.add_row(
            cut.score, share(cut.one), share(cut.own), share(cut.one / cut.own), str(cut.classes), str(cut.boxes)
        )
    out.print(cuts)
    out.print()
    rows = figures("first hits of", "queries", "hits", "right", "calibration error", "Brier skill")
    for row in table.reliability:
        rows.add_row(row.queries, str(row.number), f"{row.hits:,}", share(row.base), share(row.error), share(row.skill))
    out.print(rows)
    out.print()
    names = [row.queries for row in table.reliability]
    bins = figures("tenth of the hits", *(f"{name}: {column}" for name in names for column in ("says", "right")))
    for number, of_rows in enumerate(zip(*(row.bins for row in table.reliability), strict=False), start=1):
        bins.add_row(str(number), *(share(value) for each in of_rows for value in (each.confidence, each.right)))
    out.print(bins)
