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
    captions: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder with images and captions_dev.tsv, as of Flickr8k, whose captions are the queries.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    training: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Folders that the model was trained on, in the order of the training; repeatable. With them a head is "
            "trained without every fourth class, and measured on these.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    map_px: Annotated[int, typer.Option(min=64, max=2048, help="As the setting regions.map_px.")] = 448,
    threads: ThreadsOption = 2,
    as_json: JsonOption = False,
) -> None:
    """Measure the embedded model beside its first revision.

    DATA must not be what the model was trained on.
    """
    from pipeline.lab.evaluation.everyday import EverydayEvaluation, evaluate_everyday

    config = EverydayEvaluation(
        coco_folders_of(data),
        videos or data[0],
        default_cache_dir(),
        captions=captions,
        training=tuple(folder for folder in training or () if not _captioned(folder)),
        training_captions=tuple(folder for folder in training or () if _captioned(folder)),
        map_px=map_px,
        threads=threads,
    )
    with shown_steps() as on_progress:
        table = evaluate_everyday(config, on_progress=on_progress)
    if as_json:
        print_json(asdict(table))
    else:
        show(table)


def show(table: "EverydayTable") -> None:
    printed = figures("measure", "everyday", "everyday-1", "chance", "n")
    for row in table.rows:
        printed.add_row(row.measure, share(row.value), share(row.first), share(row.chance), f"{row.count:,}")
    out = console()
    out.print(f"everyday@{table.revision}, {table.pictures} pictures")
    out.print(printed)


def _captioned(folder: Path) -> bool:
    return (folder / "captions_train.tsv").is_file()
