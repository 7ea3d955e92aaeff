"""`regionlake lab train`: commands that train the weights of RegionLake's own models."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from deploy.cli.commands.lab.options import (
    CocoFoldersOption,
    ThreadsOption,
    WeightsOption,
    coco_folders_of,
    default_cache_dir,
)
from deploy.cli.options import LakeOption, ModelOption
from deploy.cli.output import console
from deploy.cli.progress import shown_count

# repeated from operators.codes.model, whose import would slow down `--help`
CodeMethod = Literal["random", "itq", "learnt"]

app = typer.Typer(name="train", help="Train the parts of models that are RegionLake's own.", no_args_is_help=True)


@app.command()
def everyday(
    data: CocoFoldersOption,
    out: WeightsOption,
    split: Annotated[str | None, typer.Option(help="Name of the split, if a folder has several.")] = None,
    threads: ThreadsOption = 2,
) -> None:
    """Train the head of the embedded model."""
    from pipeline.lab.training.everyday.train import TrainConfig, train_everyday

    folders = coco_folders_of(data)
    config = TrainConfig(data=folders, cache_dir=default_cache_dir(), out=out, split=split, threads=threads)
    with shown_count("pictures") as on_progress:
        report = train_everyday(config, on_progress=on_progress)
    console().print(
        f"{report.out}: revision {report.revision}, trained in {report.seconds:.0f} s from {report.pictures} pictures "
        f"with {report.objects:,} objects ({report.views:,} crops) of {', '.join(map(str, folders))}"
    )


@app.command()
def detail(
    out: WeightsOption,
    lake: Annotated[
        str | None,
        typer.Option(metavar="DIR|s3://…", help="Lake to train from; its keyframes are read again from their sources."),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER", help="Folder of pictures to train from; repeatable.", exists=True, file_okay=False
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME…|FILE", help="Names that people will search for.", show_default="the 80 classes of COCO"
        ),
    ] = None,
    model: ModelOption = None,
    pictures: Annotated[int, typer.Option(min=2, help="Maximum number of pictures.")] = 2000,
    k: Annotated[int, typer.Option(min=1, help="The smallest windows of Complete Cover are 1/k of a side.")] = 4,
    epochs: Annotated[int, typer.Option(min=1, help="Number of passes over the pictures.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random choices.")] = 0,
) -> None:
    """Train the fusion of a frame's windows into one vector.

    If it is interrupted, the same command continues the training.
    """
    from operators.detailclip.cover import CoverConfig
    from operators.encoders.catalogue import DEFAULT_MODEL
    from operators.proposals.models.coco_classes import COCO_CLASSES
    from pipeline.lab.training.detailclip.fit import DetailFitConfig
    from pipeline.lab.training.detailclip.train import TrainDetailConfig, train_detail

    config = TrainDetailConfig(
        out=out,
        classes=COCO_CLASSES if classes is None else _names(classes),
        cache_dir=default_cache_dir(),
        model=model or DEFAULT_MODEL,
        lake=lake,
        folders=tuple(data or ()),
        pictures=pictures,
        cover=CoverConfig(k),
        fit=DetailFitConfig(epochs=epochs, warm_up_epochs=min(DetailFitConfig().warm_up_epochs, epochs), seed=seed),
    )
    with shown_count("pictures and epochs") as on_progress:
        total = pictures + epochs

        def on_picture(done: int, of: int) -> None:
            nonlocal total
            total = of + epochs
            on_progress(done, total)

        report = train_detail(
            config,
            on_picture=on_picture,
            on_epoch=lambda epoch: on_progress(total - epochs + epoch.number, total),
        )
    held_out = "" if report.held_out_loss is None else f", {report.held_out_loss:.3f} on pictures kept out"
    console().print(
        f"{report.out}: revision {report.revision}, trained in {report.seconds:.0f} s from {report.pictures} pictures "
        f"({report.windows:,} windows) and {report.classes} names; loss {report.loss:.3f}{held_out}; curve in "
        f"{report.out.with_suffix('.csv')}",
        soft_wrap=True,
    )


def _names(classes: str) -> tuple[str, ...]:
    """Names from a file, one per line, or separated by commas, without duplicates."""
    path = Path(classes)
    lines = path.read_text().splitlines() if path.is_file() else classes.split(",")
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))


@app.command()
def codes(
    lake: LakeOption,
    out: WeightsOption,
    method: Annotated[
        CodeMethod,
        typer.Option("--method", "--way", help="How the bits are chosen: learnt, or by one of two baselines."),
    ] = "learnt",
    regions: Annotated[int, typer.Option(min=1, help="Approximate number of regions to train from.")] = 20_000,
    epochs: Annotated[int, typer.Option(min=1, help="Number of passes over the regions.")] = 15,
    seed: Annotated[int, typer.Option(help="Seed of the sample, the initial weights and the order.")] = 0,
) -> None:
    """Learn 256-bit codes of a lake's regions.

    Search by codes (the method `codes`) needs them in the lake.
    """
    from pipeline.lab.training.codes.fit import CodeTraining
    from pipeline.lab.training.codes.train import CodesFromLake, train_lake_codes

    config = CodesFromLake(out, method=method, regions=regions, training=CodeTraining(epochs=epochs, seed=seed))
    with shown_count("frames") as on_frames:
        report = train_lake_codes(lake, config, on_frames=on_frames)
    learnt = (
        f" in {len(report.epochs)} epochs; their losses are in {report.out.with_suffix('.json')}"
        if report.epochs
        else ""
    )
    console().print(
        f"{report.out}: code model {report.fingerprint}, {method}, in {report.seconds:.0f} s from {report.regions:,} "
        f"regions of {report.frames:,} frames of {lake}{learnt}\n"
        f"use it with: regionlake ingest SOURCE... --lake LAKE --set codes.model={report.out}"
    )
