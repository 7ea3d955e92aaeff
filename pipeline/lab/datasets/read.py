"""Reads a data set from a folder in any known layout."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pipeline.lab.datasets import coco, lvis, mot, voc, yolo
from pipeline.lab.datasets.dataset import Dataset, Layout
from schemas.errors import SourceError


class _Reader(Protocol):
    def __call__(self, folder: Path, *, split: str | None, masks: bool) -> Dataset: ...


_LAYOUTS: dict[Layout, tuple[Callable[[Path], bool], _Reader, str]] = {
    "coco": (coco.is_coco, coco.read_coco, coco.LOOKED_FOR),
    "lvis": (lvis.is_lvis, lvis.read_lvis, lvis.LOOKED_FOR),
    "voc": (voc.is_voc, voc.read_voc, voc.LOOKED_FOR),
    "yolo": (yolo.is_yolo, yolo.read_yolo, yolo.LOOKED_FOR),
    "mot": (mot.is_mot, mot.read_mot, mot.LOOKED_FOR),
}


def read_dataset(
    folder: Path, *, layout: Layout | None = None, split: str | None = None, masks: bool = False
) -> Dataset:
    """The pictures or the video of a folder, with their annotated objects.

    layout: needed only if several fit the folder. split: `val2017`, `val`, …, needed if the folder has several.
    masks: whether to read outlines too, which takes longer than everything else.
    Raises SourceError if the folder has no known layout, with what was looked for, and for broken files, with the file
    and entry.
    """
    if not folder.is_dir():
        raise SourceError(
            f"{folder} is not a folder; a data set is a folder with pictures or a video and its annotations"
        )
    found = [name for name, (is_here, _, _) in _LAYOUTS.items() if is_here(folder)]
    if layout is not None:
        found = [name for name in found if name == layout]
    if len(found) > 1:
        raise SourceError(f"{folder} is laid out as {' and '.join(found)}; name one layout")
    if not found:
        looked_for = [_LAYOUTS[layout][2]] if layout else [text for _, _, text in _LAYOUTS.values()]
        raise SourceError(f"{folder} is not a data set in a known layout; looked for\n  " + "\n  ".join(looked_for))
    _, read, _ = _LAYOUTS[found[0]]
    return read(folder, split=split, masks=masks)
