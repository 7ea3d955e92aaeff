"""Options that several commands of the lab share, and the folders that they mean."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deploy.cli.options import chosen_plan

if TYPE_CHECKING:
    from pipeline.plan.plan import Plan

LayoutName = Literal["coco", "lvis", "voc", "yolo", "mot"]
PlanOf = Callable[[tuple[str, ...], tuple[str, ...]], "Plan"]

CocoFoldersOption = Annotated[
    list[Path],
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="A COCO or YOLO folder with COCO's 80 classes, or a folder of such folders; repeatable.",
        exists=True,
        file_okay=False,
    ),
]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Number of threads of the backbone.")]
VideosArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FOLDER...", help="Folders with a video and its gt.txt (MOT Challenge).", exists=True, file_okay=False
    ),
]
DataArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FOLDER...",
        help="Folders with a video and its gt.txt (MOT Challenge), or with pictures (COCO, LVIS, VOC, YOLO).",
        exists=True,
        file_okay=False,
    ),
]
DatasetArgument = Annotated[
    Path,
    typer.Argument(help="A folder of COCO, LVIS, PASCAL VOC, YOLO or MOT Challenge.", exists=True, file_okay=False),
]
EveryOption = Annotated[int, typer.Option(min=1, help="Index every n-th frame of a video.")]
LayoutOption = Annotated[LayoutName | None, typer.Option(help="Layout of the folder, if several fit.")]
SplitOption = Annotated[str | None, typer.Option(help="Name of the split, if the folder has several.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the bootstrap.")]
KeptLakeOption = Annotated[
    Path | None,
    typer.Option(
        "--lake", metavar="DIR", help="Keep the ingested lakes in this folder, so that measuring again takes seconds."
    ),
]
SiblingOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.safetensors",
        help="A head of `lab train everyday --without N`, where the shipped one knows the pictures.",
        exists=True,
        dir_okay=False,
    ),
]
WeightsOption = Annotated[
    Path, typer.Option("--out", metavar="FILE.safetensors", help="File of weights to write.", dir_okay=False)
]


def plans_of(plan: Path | None, model: str | None, settings: Sequence[str] | None) -> PlanOf:
    """Makes the plan of a method from what the measurement needs, the user's options, and the method's own settings."""

    def plan_of(needed: tuple[str, ...], own: tuple[str, ...]) -> "Plan":
        return chosen_plan(plan, model=model, proposer=None, settings=[*needed, *(settings or []), *own])

    return plan_of


def default_cache_dir() -> Path:
    """`~/.cache/regionlake`. Its files can be deleted; they are made again when they are needed."""
    return Path.home() / ".cache" / "regionlake"


def coco_folders_of(named: Sequence[Path]) -> tuple[Path, ...]:
    """The data folders that the values of --data name."""
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
