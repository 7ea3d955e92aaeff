"""`regionlake export coco`, `yolo`, `cvat`, `label-studio` and `fiftyone`: a folder of pictures with their regions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deploy.cli.commands.export.regions import HELP, DiverseOption, LabelOption, chosen_frames
from deploy.cli.options import FetchOption, LakeOption
from deploy.cli.query_options import QueryFields, takes_query
from deploy.cli.search_options import ModelOption
from deploy.cli.without_pandas import import_arrow_without_pandas
from schemas.errors import RegionLakeError

if TYPE_CHECKING:
    from pipeline.export.dataset import ExportedFrame, Pictures

Write = Callable[[Path, "Sequence[ExportedFrame]", "Pictures"], list[Path]]
PictureKind = Literal["original", "thumbnail", "none"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A format of data sets. pictures: the name of their folder. write: imports what it needs."""

    name: str
    about: str
    pictures: str
    write: Write

    @property
    def help(self) -> str:
        return f"{self.about}\n\n{HELP}"


def _coco(folder: Path, frames: "Sequence[ExportedFrame]", pictures: "Pictures") -> list[Path]:
    from pipeline.export.coco import write_coco

    return write_coco(folder, frames, pictures)


def _yolo(folder: Path, frames: "Sequence[ExportedFrame]", pictures: "Pictures") -> list[Path]:
    from pipeline.export.yolo import write_yolo

    return write_yolo(folder, frames, pictures)


def _cvat(folder: Path, frames: "Sequence[ExportedFrame]", pictures: "Pictures") -> list[Path]:
    from pipeline.export.cvat import write_cvat

    return write_cvat(folder, frames, pictures)


def _label_studio(folder: Path, frames: "Sequence[ExportedFrame]", pictures: "Pictures") -> list[Path]:
    from pipeline.export.label_studio import write_label_studio

    return write_label_studio(folder, frames, pictures)


def _fiftyone(folder: Path, frames: "Sequence[ExportedFrame]", pictures: "Pictures") -> list[Path]:
    from pipeline.export.fiftyone import write_fiftyone

    return write_fiftyone(folder, frames, pictures)


DATASETS = (
    Dataset("coco", "COCO's labels.json, with masks, and its pictures.", "data", _coco),
    Dataset("yolo", "YOLO's text files, data.yaml and pictures.", "images", _yolo),
    Dataset("cvat", "CVAT's annotations.xml (for images 1.1) and pictures.", "images", _cvat),
    Dataset("label-studio", "Label Studio's tasks with predictions, and pictures.", "images", _label_studio),
    Dataset("fiftyone", "FiftyOne's labels.json and pictures.", "data", _fiftyone),
)


def dataset_command(dataset: Dataset) -> Callable[..., None]:
    """The command that writes a data set."""

    @takes_query()
    def export(
        query_fields: QueryFields,
        lake: LakeOption,
        out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write, new or empty.", file_okay=False)],
        label: LabelOption = None,
        diverse: DiverseOption = None,
        pictures: Annotated[
            PictureKind,
            typer.Option(help="Frames as their source shows them (thumbnails where it is gone), thumbnails, or none."),
        ] = "original",
        model: ModelOption = None,
        fetch: FetchOption = None,
    ) -> None:
        if out.is_dir() and any(out.iterdir()):
            raise typer.BadParameter(f"{out} is not empty: give a new folder", param_hint="--out")
        import_arrow_without_pandas()
        from pipeline.analysis.lake_rows import LakeRows
        from pipeline.export.pictures import without_pictures, write_pictures
        from pipeline.lake.lake import Lake

        rows = LakeRows(Lake.open(lake))
        frames = chosen_frames(query_fields, rows, model=model, label=label, diverse=diverse)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RegionLakeError(f"the folder {out} cannot be made: {error}") from error
        if pictures == "none":
            written = without_pictures(frames, subfolder=dataset.pictures)
        else:
            written = write_pictures(
                rows,
                frames,
                out,
                subfolder=dataset.pictures,
                choice=pictures,
                fetch=fetch or (),
                on_missing=lambda reason: typer.echo(f"thumbnails instead of originals: {reason}", err=True),
            )
        try:
            made = dataset.write(out, frames, written)
        except OSError as error:
            raise RegionLakeError(f"{out} cannot be written: {error}") from error
        typer.echo(made[0])

    return export
