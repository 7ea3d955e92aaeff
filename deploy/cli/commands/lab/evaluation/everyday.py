"""`regionlake lab eval everyday`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands.lab.evaluation.table import figures, share
from deploy.cli.commands.lab.options import CocoFoldersOption, ThreadsOption, coco_folders_of, default_cache_dir
from deploy.cli.options import JsonOption
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_steps

if TYPE_CHECKING:
    from pipeline.lab.evaluation.everyday import EverydayTable


def everyday(
    data: CocoFoldersOption,
    videos: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the videos pets09-s2l1 and tud-stadtmitte.",
            show_default="the first --data folder",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    threads: ThreadsOption = 2,
    as_json: JsonOption = False,
) -> None:
    """Measure the embedded model.

    Each picture is scored by a head that was trained without it.
    """
    from pipeline.lab.evaluation.everyday import EverydayEvaluation, evaluate_everyday

    config = EverydayEvaluation(coco_folders_of(data), videos or data[0], default_cache_dir(), threads=threads)
    with shown_steps() as on_progress:
        table = evaluate_everyday(config, on_progress=on_progress)
    if as_json:
        print_json(asdict(table))
    else:
        show(table)


def show(table: "EverydayTable") -> None:
    printed = figures("measure", "ours", "trial", "chance", "n")
    for row in table.rows:
        printed.add_row(row.measure, share(row.value), share(row.trial), share(row.chance), f"{row.count:,}")
    out = console()
    out.print(f"everyday@{table.revision}, {table.pictures} pictures")
    out.print(printed)
