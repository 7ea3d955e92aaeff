"""`regionlake lab eval representatives`."""

from dataclasses import asdict
from typing import Annotated

import typer

from deploy.cli.commands.lab.evaluation.table import dash, figures
from deploy.cli.commands.lab.options import CocoFoldersOption, ThreadsOption, coco_folders_of, default_cache_dir
from deploy.cli.options import JsonOption
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_steps


def representatives(
    data: CocoFoldersOption,
    folds: Annotated[
        int, typer.Option(min=2, help="Number of folds, each with a head trained without its pictures.")
    ] = 5,
    threads: ThreadsOption = 2,
    limit: Annotated[int | None, typer.Option(min=2, help="Maximum number of pictures.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure search among patches and representatives.

    Pictures are searched by class names, with heads that were trained without these pictures.
    """
    from pipeline.lab.evaluation.representatives import RepresentativesEvaluation, evaluate_representatives

    config = RepresentativesEvaluation(
        coco_folders_of(data), default_cache_dir(), folds=folds, threads=threads, limit=limit
    )
    with shown_steps() as on_progress:
        rows = evaluate_representatives(config, on_progress=on_progress)
    if as_json:
        print_json({"representatives": [asdict(row) for row in rows]})
        return
    printed = figures("representation", "vectors", "bytes", "mAP@50", "small to medium", "Δ")
    for row in rows:
        size = (f"{row.vectors:.0f}", f"{row.bytes:,.0f}")
        printed.add_row(row.method, *size, str(row.all), str(row.small), dash(row.gain))
    console().print(printed)
