"""Options that several commands of the lab share, and what follows from them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

CocoFoldersOption = Annotated[
    list[Path],
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="A COCO or YOLO folder with COCO's 80 classes, or a folder of such; repeatable.",
        exists=True,
        file_okay=False,
    ),
]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Threads of the backbone.")]
VideosArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FOLDER...", help="Each a video and its gt.txt (MOT Challenge).", exists=True, file_okay=False
    ),
]
KeptLakeOption = Annotated[
    Path | None,
    typer.Option("--lake", metavar="DIR", help="Keep here what is ingested: measuring again then takes seconds."),
]
WeightsOption = Annotated[
    Path, typer.Option("--out", metavar="FILE.safetensors", help="Where the weights go.", dir_okay=False)
]


def coco_folders_of(named: Sequence[Path]) -> tuple[Path, ...]:
    """The folders that --data means."""
    from pipeline.lab.datasets.coco_pictures import coco_folders

    return tuple(folder for each in named for folder in coco_folders(each))


@contextmanager
def lake_folder(kept: Path | None) -> Iterator[Path]:
    """The folder that --lake names, or one that is removed when the block ends."""
    if kept is not None:
        yield kept
        return
    with TemporaryDirectory() as temporary:
        yield Path(temporary)
