"""From a folder to a data set, whatever its layout."""

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
    """What is marked in the pictures or the video of a folder.

    layout: needed only where the folder has the marks of several. split: `val2017`, `val`, …, where it has several.
    masks: read outlines too, which takes longer than all the rest.
    Raises SourceError where the folder has no layout that is known, saying what was looked for, and for broken files,
    naming file and entry.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder; a data set is one with pictures or a video and its annotations")
    found = [name for name, (is_here, _, _) in _LAYOUTS.items() if is_here(folder)]
    if layout is not None:
        found = [name for name in found if name == layout]
    if len(found) > 1:
        raise SourceError(f"{folder} is laid out as {' and '.join(found)}; say which is meant")
    if not found:
        looked_for = [_LAYOUTS[layout][2]] if layout else [text for _, _, text in _LAYOUTS.values()]
        raise SourceError(f"{folder} is no data set that can be read; looked for\n  " + "\n  ".join(looked_for))
    _, read, _ = _LAYOUTS[found[0]]
    return read(folder, split=split, masks=masks)
