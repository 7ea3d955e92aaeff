"""`regionlake lab eval`: the figures that the README claims, each made again by one command from local folders."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands.lab.evaluate_search import search
from deploy.cli.options import JsonOption, PlanOption, ProposerOption, SetOption, chosen_plan
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_progress, shown_steps

if TYPE_CHECKING:
    from pipeline.lab.evaluation.subregion import SubregionTable

VideosArgument = Annotated[
    list[Path],
    typer.Argument(help="Folders with a video and its gt.txt (MOT Challenge).", exists=True, file_okay=False),
]
CocoFoldersOption = Annotated[
    list[Path],
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="A COCO folder, or a folder of them; repeatable.",
        exists=True,
        file_okay=False,
    ),
]

app = typer.Typer(name="eval", help="Measure models, proposals and search on local folders.", no_args_is_help=True)
app.command()(search)


@app.command()
def everyday(
    data: CocoFoldersOption,
    videos: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the videos pets09-s2l1 and tud-stadtmitte.",
            show_default="the first --data",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the backbone and of the training.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Measure the everyday model on pictures kept out of training."""
    from operators.encoders.catalogue import default_cache_dir
    from pipeline.lab.datasets.coco_pictures import coco_folders
    from pipeline.lab.evaluation.everyday import EverydayEvaluation, evaluate_everyday

    folders = tuple(folder for named in data for folder in coco_folders(named))
    config = EverydayEvaluation(folders, videos or data[0], default_cache_dir(), threads=threads)
    with shown_steps() as on_progress:
        table = evaluate_everyday(config, on_progress=on_progress)
    if as_json:
        print_json(asdict(table))
    else:
        console().print(f"everyday@{table.revision}, {table.pictures} pictures\n{table}", soft_wrap=True)


@app.command()
def representatives(
    data: CocoFoldersOption,
    folds: Annotated[int, typer.Option(min=2, help="Heads that are trained, each without its part.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the backbone and of the training.")] = 2,
    limit: Annotated[int | None, typer.Option(min=2, help="At most so many pictures.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure search by class names among patches and representatives, on pictures kept out of training."""
    from rich.table import Table

    from operators.encoders.catalogue import default_cache_dir
    from pipeline.lab.datasets.coco_pictures import coco_folders
    from pipeline.lab.evaluation.representatives import RepresentativesEvaluation, evaluate_representatives

    folders = tuple(folder for named in data for folder in coco_folders(named))
    config = RepresentativesEvaluation(folders, default_cache_dir(), folds=folds, threads=threads, limit=limit)
    with shown_steps() as on_progress:
        rows = evaluate_representatives(config, on_progress=on_progress)
    if as_json:
        print_json({"representatives": [asdict(row) for row in rows]})
        return
    printed = Table("what stands for a picture", "vectors", "bytes", "mAP@50", "small to medium", "Δ", box=None)
    for row in rows:
        gain = "–" if row.gain is None else str(row.gain)
        printed.add_row(row.way, f"{row.vectors:.0f}", f"{row.bytes:,.0f}", str(row.all), str(row.small), gain)
    console().print(printed)


@app.command()
def subregion(
    folder: Annotated[
        Path, typer.Argument(help="A video and gt.txt, in MOT Challenge format.", exists=True, file_okay=False)
    ],
    every: Annotated[int, typer.Option(min=1, help="Index every n-th frame.")] = 5,
    text: Annotated[str, typer.Option(help="What the true boxes show.")] = "person",
    queries: Annotated[int, typer.Option(min=1, help="At most so many true boxes are asked for.")] = 200,
    lake: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the lakes here, to measure again in seconds.")
    ] = None,
    best: Annotated[int, typer.Option(min=1, help="How many rankings of each kind to print.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure search by words and a box: every geometry, normalisation and weight, beside searches without a box."""
    from operators.encoders.catalogue import DEFAULT_MODEL, load_encoder
    from pipeline.lab.evaluation.subregion import SubregionEvaluation, evaluate_subregion

    evaluation = SubregionEvaluation(text=text, every=every, queries=queries)
    encoder = load_encoder(DEFAULT_MODEL)
    with TemporaryDirectory() as temporary, shown_progress() as on_progress:
        lakes = lake or Path(temporary)
        table = evaluate_subregion(folder, evaluation, encoder=encoder, lakes=lakes, on_progress=on_progress)
    encoder.close()
    if as_json:
        print_json(asdict(table))
    else:
        _print_subregion(table, best=best)


def _print_subregion(table: "SubregionTable", *, best: int) -> None:
    from rich.table import Table

    from pipeline.lab.evaluation.subregion import DEFAULT, RECALL_AT

    out = console()
    out.print(f"{table.video}: {table.frames} frames indexed, {table.queries} queries")
    printed = Table("candidates", "geometry", "norm", "weight", *(f"R@{k}" for k in RECALL_AT), "MRR", box=None)
    for candidates in dict.fromkeys(row.candidates for row in table.rows):
        rows = [row for row in table.rows if row.candidates == candidates]
        fused = [row for row in rows if row.ranking is not None]
        fused.sort(key=lambda row: row.recall[RECALL_AT.index(10)], reverse=True)
        default = [row for row in fused[best:] if row.ranking == DEFAULT]
        for row in [row for row in rows if row.ranking is None] + fused[:best] + default:
            r = row.ranking
            how = ("–", "–", "–") if r is None else (r.geometry, r.normalisation, f"{r.semantic_weight:g}")
            printed.add_row(candidates, *how, *(f"{v:.3f}" for v in (*row.recall, row.reciprocal_rank)))
    out.print(printed)
    out.print("R@10 of the default ranking with errors in the query's box: ", end="")
    out.print(", ".join(f"{error} {recall:.3f}" for error, recall in table.noise.items()))


@app.command()
def proposals(
    datasets: VideosArgument,
    plan: PlanOption = None,
    proposer: ProposerOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how many true boxes of kept frames the plan's proposals find."""
    made = chosen_plan(plan, model=None, proposer=proposer, settings=settings)
    from pipeline.lab.evaluation.proposals import proposal_recall, recall_table

    recalls = [proposal_recall(folder, made) for folder in datasets]
    if as_json:
        print_json({"datasets": [asdict(recall) for recall in recalls]})
    else:
        console().print(recall_table(recalls), soft_wrap=True, highlight=False)


@app.command()
def masks(
    folder: Annotated[
        Path, typer.Argument(help="A COCO folder: instances_*.json and images/.", exists=True, file_okay=False)
    ],
    as_json: JsonOption = False,
) -> None:
    """Measure masks: segments of whole pictures, and GrabCut in true boxes, beside simple ones."""
    from pipeline.lab.evaluation.masks import mask_recalls, mask_table

    with shown_steps() as on_progress:
        recalls = mask_recalls(folder, on_progress=on_progress)
    if as_json:
        print_json({"folder": folder.name, "masks": [asdict(recall) for recall in recalls]})
    else:
        console().print(mask_table(recalls), soft_wrap=True, highlight=False)


@app.command()
def codes(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Folders of labelled pictures: COCO, VOC or YOLO.", exists=True, file_okay=False),
    ],
    as_json: JsonOption = False,
) -> None:
    """Measure 256-bit codes of regions: random projections, ITQ and learnt ones, beside float vectors."""
    from operators.encoders.catalogue import DEFAULT_MODEL, load_encoder
    from pipeline.lab.evaluation.codes import codes_table, evaluate_codes

    encoder = load_encoder(DEFAULT_MODEL)
    with shown_steps() as on_progress:
        table = evaluate_codes(folders, encoder, on_progress=on_progress)
    encoder.close()
    if as_json:
        print_json(asdict(table))
        return
    console().print(
        f"{table.pictures} pictures; bits from {table.trained:,} regions, asked of {table.tested:,} others with "
        f"{table.objects:,} objects\n{codes_table(table)}",
        soft_wrap=True,
    )


@app.command()
def tracks(
    datasets: VideosArgument,
    plan: PlanOption = None,
    proposer: ProposerOption = None,
    settings: SetOption = None,
    lake: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the lake here, to measure again in seconds.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how long the regions of a person keep one track from keyframe to keyframe."""
    made = chosen_plan(plan, model=None, proposer=proposer, settings=settings)
    from rich.table import Table

    from pipeline.lab.evaluation.tracks import evaluate_tracks

    with TemporaryDirectory() as temporary, shown_progress() as on_progress:
        folder = lake or Path(temporary)
        scores = [evaluate_tracks(each, made, lake=folder, on_progress=on_progress) for each in datasets]
    if as_json:
        print_json({"videos": [{by: asdict(score) for by, score in found.items()} for found in scores]})
        return
    out = console()
    for found in scores:
        first = next(iter(found.values()))
        out.print(f"{first.video}: {first.keyframes} keyframes, {first.true_boxes} true boxes of {first.people} people")
        table = Table("tracked by", "recall", "identity recall", "switches", "fragments", "tracks", box=None)
        for by, s in found.items():
            shares = (f"{s.recall:.3f}", f"{s.identity_recall:.3f}")
            table.add_row(by, *shares, *map(str, (s.switches, s.fragments, s.tracks)))
        out.print(table)
