"""`regionlake train`: makes the weights that this project trains itself."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.output import console
from deploy.cli.progress import shown_count

app = typer.Typer(name="train", help="Train the parts of models that are RegionLake's own.", no_args_is_help=True)


@app.callback()
def _train() -> None:
    """A callback keeps `everyday` a word of its own: a single subcommand would be folded into `train`."""


@app.command()
def everyday(
    data: Annotated[
        list[Path],
        typer.Option(help="A COCO folder, or a folder of them; repeatable.", exists=True, file_okay=False),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.safetensors", help="Where the weights go.", dir_okay=False)],
    threads: Annotated[int, typer.Option(min=1, help="Threads of the backbone and of the training.")] = 2,
) -> None:
    """Train the head of the everyday model from labelled pictures."""
    from operators.encoders.catalogue import default_cache_dir
    from operators.training.coco import coco_folders
    from operators.training.everyday import TrainConfig, train_everyday

    folders = tuple(folder for named in data for folder in (coco_folders(named) or [named]))
    config = TrainConfig(data=folders, cache_dir=default_cache_dir(), out=out, threads=threads)
    with shown_count("pictures") as on_progress:
        report = train_everyday(config, on_progress=on_progress)
    console().print(
        f"{report.out}: revision {report.revision}, trained in {report.seconds:.0f} s from {report.pictures} pictures "
        f"with {report.objects:,} objects ({report.views:,} crops) of {', '.join(map(str, folders))}"
    )
