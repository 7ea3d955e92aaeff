"""`regionlake eval`: the figures that the README claims, each made again by one command from local folders."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.options import JsonOption
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_steps

app = typer.Typer(name="eval", help="Measure models, proposals and search on local folders.", no_args_is_help=True)


@app.callback()
def _eval() -> None:
    """A callback keeps every subcommand a word of its own: a single one would be folded into `eval`."""


@app.command()
def everyday(
    data: Annotated[
        Path,
        typer.Option(help="Folder of COCO folders, and of the two videos where there.", exists=True, file_okay=False),
    ],
    threads: Annotated[int, typer.Option(min=1, help="Threads of the backbone and of the training.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Measure the everyday model on pictures kept out of training."""
    from operators.encoders.catalogue import default_cache_dir
    from pipeline.evaluation.everyday import EverydayEvaluation, evaluate_everyday

    config = EverydayEvaluation(data=data, cache_dir=default_cache_dir(), threads=threads)
    with shown_steps() as on_progress:
        table = evaluate_everyday(config, on_progress=on_progress)
    if as_json:
        print_json(asdict(table))
    else:
        console().print(f"everyday@{table.revision}, {table.pictures} pictures\n{table}", soft_wrap=True)
