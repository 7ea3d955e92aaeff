"""`regionlake lab eval reduction`."""

from dataclasses import asdict
from typing import Annotated

import typer

from deploy.cli.commands.lab.evaluation.table import figures, share
from deploy.cli.commands.lab.options import CocoFoldersOption, ThreadsOption, coco_folders_of
from deploy.cli.options import JsonOption, ModelOption
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_count


def reduction(
    data: CocoFoldersOption,
    model: ModelOption = None,
    dimensions: Annotated[list[int] | None, typer.Option(min=1, help="A length to measure; repeatable.")] = None,
    pictures: Annotated[
        int, typer.Option(min=1, help="Number of pictures to measure on; as many others are fitted to.")
    ] = 300,
    threads: ThreadsOption = 2,
    as_json: JsonOption = False,
) -> None:
    """Measure what short vectors lose and save."""
    from operators.encoders.catalogue import DEFAULT_MODEL
    from pipeline.lab.evaluation.reduction import ReductionEvaluation, evaluate_reduction

    config = ReductionEvaluation(
        coco_folders_of(data),
        model or DEFAULT_MODEL,
        dimensions=tuple(dimensions or (256, 128, 64)),
        pictures=pictures,
        threads=threads,
    )
    with shown_count("pictures") as on_progress:
        table = evaluate_reduction(config, on_progress=on_progress)
    if as_json:
        print_json(asdict(table))
        return
    printed = figures("dimensions", "fit", "kept", "mAP of class names", "same nearest", "bytes", "CPU ms for 100,000")
    for row in table.rows:
        printed.add_row(
            str(row.dimensions),
            row.fit,
            share(row.kept),
            share(row.classes),
            share(row.nearest),
            str(row.bytes_each),
            f"{row.ms:.1f}",
        )
    out = console()
    out.print(
        f"{table.model}: {table.regions:,} regions of {table.pictures} pictures; fitted to {table.fitted} others",
        soft_wrap=True,
    )
    out.print(printed)
