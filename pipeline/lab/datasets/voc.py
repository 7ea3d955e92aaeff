"""Reads PASCAL VOC folders: `Annotations/*.xml` and `JPEGImages/`.

Source: Everingham and Winn, "The PASCAL Visual Object Classes Challenge 2012, Development Kit", §3 and §7.
"""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from operators.masks.rle import encode_masks
from pipeline.lab.datasets.dataset import ClassName, Dataset, Flag, LabelledFrame, Objects
from pipeline.lab.datasets.picture_files import named_picture, shown_size
from schemas.boxes import Boxes
from schemas.errors import SourceError
from schemas.masks import Mask

LOOKED_FOR = "PASCAL VOC: Annotations/*.xml and JPEGImages/"
_IN_WORDS = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}


def is_voc(folder: Path) -> bool:
    return (folder / "JPEGImages").is_dir() and any((folder / "Annotations").glob("*.xml"))


def read_voc(folder: Path, *, split: str | None = None, masks: bool = False) -> Dataset:
    """Pictures with boxes, in order of file names; classes in order of names, as VOC has no list of them.

    split: a list in `ImageSets/Main`, e.g. `val`; None reads all of `Annotations/`.
    masks: whether to read `SegmentationObject/` too, if a picture has such a file.
    Boxes of VOC count pixels from 1 and include their last pixel: xmin 1, xmax 10 are the first ten.
    Raises SourceError, with the file and entry, for anything broken or missing.
    """
    marked = [_read(path, folder, masks=masks) for path in _annotations(folder, split)]
    names = sorted({name for _, objects in marked for name in objects})
    number = {name: index for index, name in enumerate(names)}
    frames = []
    for frame, found in marked:
        labels = np.array([number[name] for name in found], np.intp)
        frames.append(replace(frame, objects=replace(frame.objects, labels=labels)))
    return Dataset(
        folder.name,
        "voc",
        tuple(ClassName(_IN_WORDS.get(name, name)) for name in names),
        tuple(sorted(frames, key=lambda frame: frame.path)),
    )


def _annotations(folder: Path, split: str | None) -> list[Path]:
    if split is None:
        return sorted((folder / "Annotations").glob("*.xml"))
    listed = folder / "ImageSets" / "Main" / f"{split}.txt"
    if not listed.is_file():
        raise SourceError(f"{folder} has no split {split!r}: {listed} is missing")
    # lists of one class have a second column: 1, 0 or -1
    stems = [line.split()[0] for line in listed.read_text().splitlines() if line.strip()]
    return [folder / "Annotations" / f"{stem}.xml" for stem in stems]


def _read(path: Path, folder: Path, *, masks: bool) -> tuple[LabelledFrame, list[str]]:
    """The picture, with label 0 for every object, and the class name of each object."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from None
    picture = named_picture(_text(root, "filename", str(path)), [folder / "JPEGImages"], place=str(path))
    said = round(_number(root, "size/width", str(path))), round(_number(root, "size/height", str(path)))
    width_px, height_px = shown_size(picture, said=said, place=str(path))
    names, corners, flags = [], [], []
    for index, entry in enumerate(root.iterfind("object")):
        place = f"{path}: object[{index}]"
        names.append(_text(entry, "name", place))
        x0, y0, x1, y1 = (_number(entry, f"bndbox/{side}", place) for side in ("xmin", "ymin", "xmax", "ymax"))
        if not (x0 <= x1 and y0 <= y1) or x1 < 1 or y1 < 1 or x0 > width_px or y0 > height_px:
            box = f"xmin {x0:g}, ymin {y0:g}, xmax {x1:g}, ymax {y1:g}"
            raise SourceError(f"{place}: bndbox {box} is none of a picture of {width_px}x{height_px} px")
        corners.append((x0 - 1, y0 - 1, x1, y1))
        flags.append(Flag.DIFFICULT if (entry.findtext("difficult") or "0").strip() == "1" else Flag.NONE)
    objects = Objects.of(
        Boxes.from_pixels(corners, width_px=width_px, height_px=height_px),
        labels=[0] * len(names),
        width_px=width_px,
        height_px=height_px,
        flags=flags,
        masks=_masks(folder / "SegmentationObject" / f"{path.stem}.png", len(names), said) if masks else None,
    )
    return LabelledFrame(picture, None, width_px, height_px, objects), names


def _masks(path: Path, count: int, size: tuple[int, int]) -> list[Mask] | None:
    """Masks from a picture of indices: n is the n-th object, from 1; 0 is background and 255 the void border."""
    if not path.is_file():
        return None
    with Image.open(path) as file:
        if file.size != size or file.mode not in ("P", "L"):
            raise SourceError(f"{path} must be indices of {size[0]}x{size[1]} px, got {file.mode} of {file.size}")
        numbers = np.array(file)
    known = numbers[(numbers != 0) & (numbers != 255)]
    if known.size and known.max() > count:
        raise SourceError(f"{path} marks object {known.max()}, its annotation names {count}")
    return encode_masks(numbers[None] == np.arange(1, count + 1)[:, None, None])


def _text(entry: ElementTree.Element, tag: str, place: str) -> str:
    text = (entry.findtext(tag) or "").strip()
    if not text:
        raise SourceError(f"{place}: <{tag}> is missing")
    return text


def _number(entry: ElementTree.Element, tag: str, place: str) -> float:
    text = _text(entry, tag, place)
    try:
        value = float(text)
    except ValueError:
        raise SourceError(f"{place}: <{tag}> must be a number, got {text!r}") from None
    if not np.isfinite(value):
        raise SourceError(f"{place}: <{tag}> must be finite, got {text!r}")
    return value
