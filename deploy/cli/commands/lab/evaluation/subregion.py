"""`regionlake lab eval subregion`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands.lab.evaluation.table import figures, share
from deploy.cli.commands.lab.options import KeptLakeOption, lake_folder
from deploy.cli.options import JsonOption
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_progress

if TYPE_CHECKING:
    from pipeline.lab.evaluation.subregion import SubregionTable


def subregion(
    folder: Annotated[
        Path, typer.Argument(help="A video and its gt.txt (MOT Challenge).", exists=True, file_okay=False)
    ],
    every: Annotated[int, typer.Option(min=1, help="Index every n-th frame.")] = 5,
    text: Annotated[str, typer.Option(help="Name of what the true boxes show.")] = "person",
    queries: Annotated[int, typer.Option(min=1, help="Maximum number of true boxes used as queries.")] = 200,
    lake: KeptLakeOption = None,
    best: Annotated[int, typer.Option(min=1, help="Number of rankings of each kind to print.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure search by words and a box on a video.

    Every geometry, normalisation and weight is compared with searches without a box.
    """
    from operators.encoders.catalogue import DEFAULT_MODEL, load_encoder
    from pipeline.lab.evaluation.subregion import SubregionEvaluation, evaluate_subregion

    evaluation = SubregionEvaluation(text=text, every=every, queries=queries)
    encoder = load_encoder(DEFAULT_MODEL)
    with lake_folder(lake) as lakes, shown_progress() as on_progress:
        table = evaluate_subregion(folder, evaluation, encoder=encoder, lakes=lakes, on_progress=on_progress)
    encoder.close()
    if as_json:
        print_json(asdict(table))
    else:
        show(table, best=best)


def show(table: "SubregionTable", *, best: int) -> None:
    """Prints the best rankings of each kind of candidates by R@10, and the default ranking. best: their number."""
    from pipeline.lab.evaluation.subregion import DEFAULT, RECALL_AT

    printed = figures("candidates", "geometry", "norm", "weight", *(f"R@{k}" for k in RECALL_AT), "MRR")
    for candidates in dict.fromkeys(row.candidates for row in table.rows):
        rows = [row for row in table.rows if row.candidates == candidates]
        fused = [row for row in rows if row.ranking is not None]
        fused.sort(key=lambda row: row.recall[RECALL_AT.index(10)], reverse=True)
        default = [row for row in fused[best:] if row.ranking == DEFAULT]
        for row in [row for row in rows if row.ranking is None] + fused[:best] + default:
            r = row.ranking
            how = ("–", "–", "–") if r is None else (r.geometry, r.normalisation, f"{r.semantic_weight:g}")
            printed.add_row(candidates, *how, *map(share, (*row.recall, row.reciprocal_rank)))
    out = console()
    out.print(f"{table.video}: {table.frames} frames indexed, {table.queries} queries")
    out.print(printed)
    noise = ", ".join(f"{error} {recall:.3f}" for error, recall in table.noise.items())
    out.print(f"R@10 of the default ranking with errors in the query's box: {noise}", soft_wrap=True)
