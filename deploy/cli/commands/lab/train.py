"""`regionlake lab train`: commands that train the weights of RegionLake's own models."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from deploy.cli.commands.lab.options import (
    CocoFoldersOption,
    SiblingOption,
    ThreadsOption,
    WeightsOption,
    coco_folders_of,
    default_cache_dir,
)
from deploy.cli.options import LakeOption, ModelOption
from deploy.cli.output import console
from deploy.cli.progress import shown_count, shown_steps
from deploy.cli.search_options import DimensionsOption
from deploy.wording import counted

# repeated from operators.codes.model, whose import would slow down `--help`
CodeMethod = Literal["random", "itq", "learnt"]

app = typer.Typer(name="train", help="Train the parts of models that are RegionLake's own.", no_args_is_help=True)


@app.command()
def everyday(
    data: CocoFoldersOption,
    out: WeightsOption,
    captions: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder with images and captions_train.tsv, as of Flickr8k; repeatable. Captions teach sentences.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Name of the split, if a folder has several.")] = None,
    without: Annotated[
        int,
        typer.Option(min=0, help="Omit the N pictures that `lab train confidence --pictures N` draws."),
    ] = 0,
    threads: ThreadsOption = 2,
) -> None:
    """Train the head of the embedded model.

    If it is interrupted, the same command continues with the pictures that it has not seen.
    """
    from pipeline.lab.training.everyday.train import TrainConfig, train_everyday

    folders = coco_folders_of(data)
    config = TrainConfig(
        data=folders,
        cache_dir=default_cache_dir(),
        out=out,
        split=split,
        captions=tuple(captions or ()),
        threads=threads,
        without=without,
    )
    with shown_steps() as say:
        report = train_everyday(
            config,
            on_progress=lambda done, total: say(f"picture {done:,} of {total:,}"),
            on_step=lambda done, total: say(f"step {done:,} of {total:,}"),
        )
    console().print(
        f"{report.out}: revision {report.revision}, trained in {report.seconds:.0f} s from {report.pictures} pictures "
        f"with {report.objects:,} objects ({report.views:,} views) of {', '.join(map(str, folders))}"
    )


@app.command()
def objects(
    data: CocoFoldersOption,
    out: Annotated[Path, typer.Option(metavar="FILE.onnx", help="Graph to write.", dir_okay=False)],
    split: Annotated[str | None, typer.Option(help="Name of the split, if a folder has several.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Number of passes over the pictures.")] = 5,
    held_out: Annotated[
        int, typer.Option(min=0, help="One of so many pictures is kept out and measured; 0 keeps none out.")
    ] = 20,
    threads: ThreadsOption = 2,
) -> None:
    """Train the head that finds objects in feature maps.

    If it is interrupted, the same command continues with the pictures that it has not seen.
    """
    from pipeline.lab.training.objects.fit import ObjectFitConfig
    from pipeline.lab.training.objects.train import TrainObjectsConfig, train_objects

    folders = coco_folders_of(data)
    config = TrainObjectsConfig(
        data=folders,
        cache_dir=default_cache_dir(),
        out=out,
        split=split,
        held_out=held_out,
        fit=ObjectFitConfig(epochs=epochs),
        threads=threads,
    )
    with shown_steps() as say:
        report = train_objects(
            config,
            on_progress=lambda done, total: say(f"pass {done:,} of {total:,}"),
            on_step=lambda done, total: say(f"step {done:,} of {total:,}"),
        )
    found = ", ".join(f"{share:.3f} of their objects by {count} boxes" for count, share in report.recall.items())
    console().print(
        f"{report.out}: revision {report.revision}, trained in {report.seconds:.0f} s from {report.pictures} pictures "
        f"with {report.objects:,} objects ({report.views:,} views) of {', '.join(map(str, folders))}"
        + (f"; in pictures kept out it finds {found}" if found else ""),
        soft_wrap=True,
    )


@app.command()
def words(
    lake: LakeOption,
    name: Annotated[str, typer.Option(metavar="WORD", help="The name of the word, as queries say it.")],
    examples: Annotated[
        Literal["labels"], typer.Option("--from", help="What it is trained from: `regionlake labels`.")
    ] = "labels",
    label: Annotated[str | None, typer.Option(metavar="NAME", help="What people call it.", show_default="WORD")] = None,
    others: Annotated[
        int, typer.Option(min=1, help="Number of regions that nobody looked at, which are taken for other things.")
    ] = 5000,
    model: ModelOption = None,
    dimensions: DimensionsOption = None,
) -> None:
    """Train a word from labels and verdicts.

    Regions that people labelled so show it; those that they called wrong, or something else, do not. Then `regionlake
    search "word:WORD"` asks for it. The same labels and regions give the same word; it needs no lock.
    """
    assert examples == "labels"
    from pipeline.analysis.lake_rows import LakeRows
    from pipeline.lab.training.words.train import WordTraining, train_word
    from pipeline.labels.word_table import Words
    from pipeline.lake.lake import Lake
    from pipeline.lake.lake_encoder import load_lake_encoder

    opened = Lake.open(lake)
    training = WordTraining(name, label=label, others=others)
    encoder = load_lake_encoder(opened, model=model, dimensions=dimensions)
    try:
        word = train_word(LakeRows(opened), encoder, training)
    finally:
        encoder.close()
    Words(opened).add(word)
    console().print(
        f"word:{word.name} from {counted(word.right, 'region')} that show it, {word.wrong:,} that people say do not, "
        f'and {word.others:,} others; ask for it with: regionlake search "word:{word.name}" --lake {lake}',
        soft_wrap=True,
    )


@app.command()
def backbone(
    data: CocoFoldersOption,
    out: Annotated[Path, typer.Option(metavar="FILE.onnx", help="Graph to write.", dir_okay=False)],
) -> None:
    """Make the integer form of the embedded model's backbone.

    A few of the pictures decide the scales of its activations. Every head depends on it: train that again afterwards.
    """
    from pipeline.lab.datasets.coco_pictures import read_coco_pictures
    from pipeline.lab.training.everyday.quantise import QuantiseConfig, quantise_backbone

    pictures = [frame for folder in coco_folders_of(data) for frame in read_coco_pictures(folder).frames]
    used = quantise_backbone(pictures, config=QuantiseConfig(), out=out)
    console().print(f"{out}: {out.stat().st_size:,} bytes, scales from {used} of {len(pictures):,} pictures")


@app.command()
def confidence(
    data: CocoFoldersOption,
    out: WeightsOption,
    model: ModelOption = None,
    pictures: Annotated[int, typer.Option(min=1, help="Maximum number of pictures.")] = 1500,
    sibling: SiblingOption = None,
    split: Annotated[str | None, typer.Option(help="Name of the split, if a folder has several.")] = None,
    threads: ThreadsOption = 2,
) -> None:
    """Calibrate a model, so that its hits have a confidence.

    The file belongs beside the weights of the model, as confidence.safetensors. The same pictures give the same file.
    """
    from operators.encoders.catalogue import DEFAULT_MODEL
    from pipeline.lab.training.confidence.train import ConfidenceTraining, train_confidence

    config = ConfidenceTraining(
        coco_folders_of(data),
        out,
        model or DEFAULT_MODEL,
        default_cache_dir(),
        pictures=pictures,
        sibling=sibling,
        split=split,
        threads=threads,
    )
    with shown_count("pictures") as on_progress:
        report = train_confidence(config, on_progress=on_progress)
    console().print(
        f"{report.out}: for {report.model}, fitted in {report.seconds:.0f} s to {report.regions:,} regions of "
        f"{report.pictures:,} pictures; {report.nouns:,} nouns at a scale of {report.scale:g}",
        soft_wrap=True,
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


@app.command()
def reduction(
    data: Annotated[
        list[Path],
        typer.Option(
            metavar="FOLDER",
            help="Folder of pictures like those of the lake; repeatable.",
            exists=True,
            file_okay=False,
        ),
    ],
    out: WeightsOption,
    model: ModelOption = None,
    dimensions: Annotated[int, typer.Option(min=1, help="The most dimensions that an ingest can keep.")] = 256,
    pictures: Annotated[int, typer.Option(min=1, help="Maximum number of pictures.")] = 2000,
    threads: ThreadsOption = 2,
) -> None:
    """Fit short vectors of a model to pictures.

    The pictures need no labels. The same pictures give the same file.
    """
    from operators.encoders.catalogue import DEFAULT_MODEL
    from pipeline.lab.training.reduction import ReductionTraining, train_reduction

    config = ReductionTraining(model or DEFAULT_MODEL, tuple(data), dimensions, out, pictures=pictures, threads=threads)
    with shown_count("pictures") as on_progress:
        report = train_reduction(config, on_progress=on_progress)
    console().print(
        f"{report.out}: {report.name}, {report.full_dimensions} to {dimensions} dimensions, fitted in "
        f"{report.seconds:.0f} s to {report.vectors:,} vectors of {report.pictures:,} pictures; it keeps "
        f"{report.kept:.1%} of their squared length\n"
        f"use it with: regionlake ingest SOURCE... --lake LAKE --model {config.model} "
        f"--set regions.dimensions={dimensions} --set regions.reduction={report.out}",
        soft_wrap=True,
    )
