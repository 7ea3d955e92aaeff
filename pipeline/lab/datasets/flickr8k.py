"""Reads pictures with captions: `images/` and `captions_SPLIT.tsv`, whose lines are `name TAB caption` (Flickr8k)."""

from pathlib import Path

import numpy as np

from pipeline.lab.datasets.dataset import Dataset, LabelledFrame, Objects
from pipeline.lab.datasets.picture_files import named_picture, shown_size
from schemas.boxes import Boxes
from schemas.errors import SourceError


def read_flickr8k(folder: Path, *, split: str) -> Dataset:
    """The pictures of a split with their captions, without objects, in the order of the file.

    Raises SourceError, with the file and line, for anything broken or missing.
    """
    path = folder / f"captions_{split}.tsv"
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        name, tab, caption = line.partition("\t")
        if not (name and tab and caption.strip()):
            raise SourceError(f"{path}:{number}: a line is the name of a picture, a tab and a caption, got {line!r}")
        captions.setdefault(name, []).append(caption.strip())
    if not captions:
        raise SourceError(f"{path} holds no caption")
    frames = []
    for name, texts in captions.items():
        picture = named_picture(name, [folder / "images"], place=str(path))
        width_px, height_px = shown_size(picture)
        nothing = Objects.of(Boxes.empty(), labels=np.zeros(0, np.intp), width_px=width_px, height_px=height_px)
        frames.append(LabelledFrame(picture, None, width_px, height_px, nothing, tuple(texts)))
    return Dataset(f"{folder.name}/{split}", "captions", (), tuple(frames))
