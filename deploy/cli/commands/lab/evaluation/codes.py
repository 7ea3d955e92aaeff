"""`regionlake lab eval codes`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands.lab.evaluation.table import dash, figures
from deploy.cli.options import JsonOption
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_steps

if TYPE_CHECKING:
    from pipeline.lab.evaluation.codes import CodesTable


def codes(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...", help="Labelled pictures: COCO, PASCAL VOC or YOLO.", exists=True, file_okay=False
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Measure 256-bit codes of regions.

    Random projections, ITQ and learnt codes are compared with float vectors.
    """
    from operators.encoders.catalogue import DEFAULT_MODEL, load_encoder
    from pipeline.lab.evaluation.codes import evaluate_codes

    encoder = load_encoder(DEFAULT_MODEL)
    with shown_steps() as on_progress:
        table = evaluate_codes(folders, encoder, on_progress=on_progress)
    encoder.close()
    if as_json:
        print_json(asdict(table))
    else:
        show(table)


def show(table: "CodesTable") -> None:
    from pipeline.lab.evaluation.codes import RERANKED

    printed = figures("codes", "neighbours", "classes", f"re-ranked {RERANKED}", "of float")
    for row in table.rows:
        estimates = map(dash, (row.neighbours, row.classes, row.reranked))
        printed.add_row(row.name, *estimates, f"{row.share:.1%}")
    out = console()
    out.print(
        f"{table.pictures} pictures; codes trained on {table.trained:,} regions and tested on {table.tested:,} others "
        f"with {table.objects:,} objects",
        soft_wrap=True,
    )
    out.print(printed)
    out.print(f"learnt − ITQ, neighbours: {table.gain}")
