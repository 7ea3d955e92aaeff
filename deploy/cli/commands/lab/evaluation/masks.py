"""`regionlake lab eval masks`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands.lab.evaluation.table import figures, share
from deploy.cli.options import JsonOption
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_steps

if TYPE_CHECKING:
    from pipeline.lab.evaluation.masks import MaskRecall


def masks(
    folder: Annotated[
        Path, typer.Argument(help="A COCO folder: instances_*.json and images/.", exists=True, file_okay=False)
    ],
    as_json: JsonOption = False,
) -> None:
    """Measure masks that are made without weights.

    Segments of whole pictures, and GrabCut in true boxes, are compared with simpler masks.
    """
    from pipeline.lab.evaluation.masks import mask_recalls

    with shown_steps() as on_progress:
        recalls = mask_recalls(folder, on_progress=on_progress)
    if as_json:
        print_json({"folder": folder.name, "masks": [asdict(recall) for recall in recalls]})
    else:
        show(recalls)


def show(recalls: "Sequence[MaskRecall]") -> None:
    from pipeline.lab.evaluation.masks import LEAST_IOU, SIZES

    printed = figures("masks", "mean IoU", *SIZES, f"recall at {LEAST_IOU}", "a picture", "ms")
    for recall in recalls:
        shares = (recall.mean_iou, *(recall.by_size.get(size) for size in SIZES), recall.recall)
        printed.add_row(recall.name, *map(share, shares), f"{recall.mean_masks:.1f}", f"{recall.ms:.0f}")
    console().print(printed)
