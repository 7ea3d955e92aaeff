"""Reads LVIS folders: `lvis_*.json`, in the folder or its `annotations/`, over the pictures of COCO.

Annotators did not look for all 1,203 classes in every picture: a class is known to be shown (it has a box), known to be
absent (`neg_category_ids`), or unknown. A picture is not judged for its unknown classes.
Source: Gupta, Dollár and Girshick, "LVIS", 2019, §3; https://www.lvisdataset.org/dataset
"""

from dataclasses import replace
from pathlib import Path

from pipeline.lab.datasets.coco_json import CocoJson, Entry, chosen_split, labelled_picture
from pipeline.lab.datasets.dataset import ClassName, Dataset, Frequency
from pipeline.lab.datasets.picture_files import named_picture

LOOKED_FOR = "LVIS: lvis_*.json, here or in annotations/"
_FREQUENCIES: dict[object, Frequency] = {"r": "rare", "c": "common", "f": "frequent"}


def is_lvis(folder: Path) -> bool:
    return bool(_splits(folder))


def read_lvis(folder: Path, *, split: str | None = None, masks: bool = False) -> Dataset:
    """Like `read_coco`, with the frequencies of classes and with the classes that are known to be absent.

    split: the name of the JSON file without `lvis_` and `.json`, e.g. `v1_val`; needed if there are several.
    Pictures are searched for in `images/` and in the folder, also below the last folder of `coco_url` (`val2017/…`).
    Raises SourceError, with the file and entry, for anything broken or missing.
    """
    found = _splits(folder)
    split = chosen_split(folder, found, split)
    document = CocoJson.load(found[split])
    classes, annotations = document.classes(), document.annotations_by_image()
    names = {entry.integer("id"): _class_name(entry) for entry in document.categories}
    frames = []
    for image in document.images:
        absent = image.integers("neg_category_ids")
        if unknown := set(absent) - set(classes):
            raise image.error(f"neg_category_ids {sorted(unknown)} are none of the {len(classes)} categories")
        marked = annotations[image.integer("id")]
        picture = labelled_picture(image, _picture(image, folder), marked, classes, masks=masks)
        frames.append(replace(picture, absent=frozenset(classes[category] for category in absent)))
    frames.sort(key=lambda frame: frame.path)
    return Dataset(folder.name, "lvis", tuple(names[category] for category in classes), tuple(frames))


def _splits(folder: Path) -> dict[str, Path]:
    paths = sorted([*folder.glob("annotations/lvis_*.json"), *folder.glob("lvis_*.json")])
    return {path.stem.removeprefix("lvis_"): path for path in paths}


def _class_name(entry: Entry) -> ClassName:
    """`aerosol_can` → "aerosol can"; `bat_(animal)` → "bat (animal)"."""
    letter = entry.values.get("frequency")
    if letter is not None and letter not in _FREQUENCIES:
        raise entry.error(f"frequency must be r, c or f, got {letter!r}")
    return ClassName(entry.text("name").replace("_", " "), None if letter is None else _FREQUENCIES[letter])


def _picture(image: Entry, folder: Path) -> Path:
    """Version 1 names pictures only by their address: `http://images.cocodataset.org/val2017/000000397133.jpg`."""
    name = image.text("file_name" if "file_name" in image.values else "coco_url")
    name = name.partition("://")[2].partition("/")[2] or name
    folders = (folder, folder / "images")
    if any((parent / name).is_file() for parent in folders):
        return named_picture(name, folders, place=image.place)
    return named_picture(Path(name).name, folders, place=image.place)
