"""`regionlake labels`: what people say of regions comes back into the lake."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.options import JsonOption, LakeOption
from deploy.cli.output import EXIT_FAILED, Json, console, print_json
from deploy.cli.without_pandas import import_arrow_without_pandas
from deploy.wording import clock_time, counted
from schemas.sources import feed_name
from schemas.visible_text import visible

if TYPE_CHECKING:
    from pipeline.labels.label_table import HumanLabel
    from pipeline.labels.matching import Matched

app = typer.Typer(name="labels", help="Take back what labellers say of regions.", no_args_is_help=True)
_SHOWN = 20  # boxes without a region that are named
LabelOption = Annotated[str | None, typer.Option(metavar="NAME", help="Only this label.", show_default=False)]
ByOption = Annotated[str | None, typer.Option(metavar="NAME", help="Only labels by this person.", show_default=False)]


@app.command("import")
def import_labels(
    file: Annotated[
        Path,
        typer.Argument(
            help="COCO, CVAT, Label Studio, FiftyOne or CSV; or a folder of one of these or of YOLO.",
            show_default=False,
            exists=True,
        ),
    ],
    lake: LakeOption,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who said it, where the file does not say.", show_default="your user's name"),
    ] = None,
    exported: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="The export that the labellers began with: what they deleted is wrong.",
            show_default=False,
            exists=True,
        ),
    ] = None,
    least_iou: Annotated[
        float,
        typer.Option(min=0.05, max=1.0, help="Least IoU of a box with the region that it is matched to."),
    ] = 0.5,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be stored, and store nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Store what labellers say of exported regions.

    A box is matched by the id of its region, or by its place in its picture where a tool has dropped the ids. It needs
    no lock: labels can be imported while the lake is being written.

    Exit code 1 if a box matches no region; each is named.
    """
    import_arrow_without_pandas()
    from pipeline.analysis.lake_rows import LakeRows
    from pipeline.labels.label_table import Labels
    from pipeline.labels.matching import match
    from pipeline.labels.read import read_labels
    from pipeline.lake.lake import Lake
    from pipeline.runtime.time_source import REAL_TIME

    opened = Lake.open(lake)
    returned = read_labels(file)
    shown = read_labels(exported).boxes if exported is not None else ()
    who = by or _user()
    found = match(LakeRows(opened), returned, shown=shown, least_iou=least_iou, by=who, now=REAL_TIME.utc())
    if not dry_run:
        Labels(opened).add(found.labels)
    if as_json:
        print_json(_import_json(found, returned.format, returned.skipped, stored=not dry_run))
    else:
        _print_import(found, returned.format, returned.skipped, stored=not dry_run)
    if found.unmatched:
        raise typer.Exit(EXIT_FAILED)


@app.command("list")
def list_labels(lake: LakeOption, label: LabelOption = None, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Show what people say, oldest first."""
    from pipeline.labels.label_table import Labels
    from pipeline.lake.lake import Lake

    chosen = [each for each in Labels(Lake.open(lake)).read() if _is_meant(each, label=label, by=by)]
    if as_json:
        print_json([_label_json(each) for each in chosen])
    elif not chosen:
        typer.echo("nobody has labelled anything" if label is None and by is None else "there is no such label")
    else:
        from rich.table import Table

        table = Table("id", "label", "verdict", "source", "at", "iou", "by", "when", box=None, pad_edge=False)
        for each in chosen:
            when = f"{each.labelled_at:%Y-%m-%d %H:%M}Z"
            place = (visible(each.source), clock_time(each.pts_s), f"{each.iou:.2f}")
            table.add_row(each.id, visible(each.label), each.verdict, *place, visible(each.labelled_by), when)
        console().print(table)


@app.command("remove")
def remove_labels(
    lake: LakeOption,
    names: Annotated[
        list[str] | None, typer.Argument(help="Ids of labels, sources, or names of feeds.", show_default=False)
    ] = None,
    label: LabelOption = None,
    by: ByOption = None,
    gone: Annotated[
        bool, typer.Option("--gone", help="Only those of regions that the lake does not have any more.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove labels. Exit code 1 if a name has none."""
    from pipeline.labels.label_checks import LABELLED, labels_of_nothing
    from pipeline.labels.label_table import Labels
    from pipeline.lake.lake import Lake

    if not names and label is None and by is None and not gone:
        raise typer.BadParameter("say which: ids, sources, --label, --by or --gone", param_hint="NAMES")
    opened = Lake.open(lake)
    labels = Labels(opened)
    ids = set(names or ()) & labels.stored_ids()
    rest = set(names or ()) - ids
    unknown: list[str] = []
    if rest or not names:  # a damaged label can be removed by its id alone
        held = [each for each in labels.read() if _is_meant(each, label=label, by=by)]
        if gone:
            held = labels_of_nothing(held, [opened.read(name, columns=["id"])["id"] for name in LABELLED])
        named = {name: [each.id for each in held if name in _names(each)] for name in rest}
        unknown = [name for name, found in named.items() if not found]
        ids |= {id for found in named.values() for id in found} if names else {each.id for each in held}
    removed = labels.remove(ids)
    if as_json:
        print_json({"removed": removed, "unknown": unknown})
    else:
        typer.echo(f"{counted(removed, 'label')} removed")
        for name in unknown:
            typer.echo(visible(f"no label: {name}"))
    if unknown:
        raise typer.Exit(EXIT_FAILED)


@app.command("words")
def list_words(
    lake: LakeOption,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="Remove this word; repeatable.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show or remove words that were trained from labels.

    Queries ask for them by word:NAME. Exit code 1 if there is no word to remove.
    """
    from pipeline.labels.word_table import Words
    from pipeline.lake.lake import Lake

    words = Words(Lake.open(lake))
    unknown = [name for name in remove or () if not words.remove(name)]
    held = words.read()
    if as_json:
        kept = ("name", "right", "wrong", "others")
        print_json(
            [
                {key: getattr(each, key) for key in kept}
                | {"model": str(each.space), "trained_at": each.trained_at.isoformat()}
                for each in held
            ]
        )
    elif not held:
        typer.echo("no word is trained; train one with: regionlake lab train words --from labels --name WORD --lake …")
    else:
        from rich.table import Table

        table = Table("word", "right", "wrong", "others", "model", "trained", box=None, pad_edge=False)
        for each in held:
            counts = (f"{each.right:,}", f"{each.wrong:,}", f"{each.others:,}")
            table.add_row(visible(each.name), *counts, str(each.space), f"{each.trained_at:%Y-%m-%d %H:%M}Z")
        console().print(table)
    for name in unknown:
        typer.echo(visible(f"no word: {name}"), err=True)
    if unknown:
        raise typer.Exit(EXIT_FAILED)


def _is_meant(each: "HumanLabel", *, label: str | None, by: str | None) -> bool:
    return (label is None or each.label == label) and (by is None or each.labelled_by == by)


def _names(each: "HumanLabel") -> tuple[str, ...]:
    return each.source_id, each.source, feed_name(each.source)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a number without a name, as in containers
        return "unknown"


def _label_json(each: "HumanLabel") -> Json:
    return {
        "id": each.id,
        "region": each.region,
        "frame": each.frame,
        "source": each.source,
        "at_s": each.pts_s,
        "label": each.label,
        "verdict": each.verdict,
        "box": list(each.box),
        "iou": each.iou,
        "labelled_by": each.labelled_by,
        "labelled_at": each.labelled_at.isoformat(),
        "imported_at": each.imported_at.isoformat(),
        "format": each.format,
    }


def _import_json(found: "Matched", format: str, skipped: tuple[str, ...], *, stored: bool) -> Json:
    return {
        "format": format,
        "stored": len(found.labels) if stored else 0,
        "labels": [_label_json(each) for each in found.labels],
        "by_id": found.by_id,
        "by_place": found.by_place,
        "moved": found.moved,
        "deleted": found.deleted,
        "unmatched": list(found.unmatched),
        "skipped": list(skipped),
    }


def _print_import(found: "Matched", format: str, skipped: tuple[str, ...], *, stored: bool) -> None:
    from pipeline.labels.label_table import UNMOVED_IOU

    right = sum(each.verdict == "right" for each in found.labels)
    verb = "stored" if stored else "would be stored"
    typer.echo(
        f"{counted(len(found.labels), 'label')} {verb} ({format}): {right:,} right, {len(found.labels) - right:,} wrong"
    )
    moved = [each.iou for each in found.labels if each.iou < UNMOVED_IOU]
    ious = (
        f"; boxes that were moved or drawn cover their regions by an IoU of {min(moved):.2f} or more" if moved else ""
    )
    typer.echo(
        f"{counted(found.by_id, 'box', 'boxes')} found by the region's id ({found.moved:,} of them moved), "
        f"{found.by_place:,} by their place, {found.deleted:,} deleted or renamed{ious}"
    )
    for what, sentences in (("skipped", skipped), ("no region", found.unmatched)):
        for each in sentences[:_SHOWN]:
            typer.echo(visible(f"{what}: {each}"), err=True)
        if len(sentences) > _SHOWN:
            typer.echo(f"{what}: … and {len(sentences) - _SHOWN:,} more", err=True)
