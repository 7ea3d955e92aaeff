"""Reads COCO folders: `instances_*.json` and `captions_*.json`, in the folder or its `annotations/`, and pictures.

Source: https://cocodataset.org/#format-data
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.lab.datasets.coco_json import CocoJson, Entry, chosen_split, labelled_picture
from pipeline.lab.datasets.dataset import ClassName, Dataset
from pipeline.lab.datasets.picture_files import named_picture

LOOKED_FOR = "COCO: instances_SPLIT.json or captions_SPLIT.json, here or in annotations/"


def is_coco(folder: Path) -> bool:
    return bool(_splits(folder))


def has_instances(folder: Path) -> bool:
    """Whether a COCO folder has objects and not only captions."""
    return any("instances" in files for files in _splits(folder).values())


def read_instances(folder: Path) -> Iterator[tuple[CocoJson, tuple[Path, ...]]]:
    """Yields the objects of every split, in order of names, and the folders in which its pictures are searched for."""
    for split, files in _splits(folder).items():
        if "instances" in files:
            yield CocoJson.load(files["instances"]), _picture_folders(folder, split)


def read_coco(folder: Path, *, split: str | None = None, masks: bool = False) -> Dataset:
    """Pictures with boxes and captions by file name; classes in the order of their ids.

    split: the part of the file name after `instances_`; needed if there are several. Pictures are searched for in
        `images/`, `images/SPLIT/`, `SPLIT/` and the folder itself.
    masks: whether to read outlines too.
    Raises SourceError, with the file and entry, for anything broken or missing.
    """
    found = _splits(folder)
    split = chosen_split(folder, found, split)
    instances, captions = found[split].get("instances"), found[split].get("captions")
    document = CocoJson.load(instances) if instances else CocoJson.load(found[split]["captions"], categories=False)
    sentences = {} if captions is None else _sentences(captions, document)
    classes = document.classes()
    names = {entry.integer("id"): entry.text("name") for entry in document.categories}
    annotations = document.annotations_by_image() if instances else {}
    folders = _picture_folders(folder, split)
    frames = []
    for image in document.images:
        path = named_picture(image.text("file_name"), folders, place=image.place)
        number = image.integer("id")
        picture = labelled_picture(image, path, annotations.get(number, []), classes, masks=masks)
        frames.append(replace(picture, captions=tuple(sentences.get(number, ()))))
    return Dataset(
        folder.name,
        "coco",
        tuple(ClassName(names[category]) for category in classes),
        tuple(sorted(frames, key=lambda frame: frame.path)),
    )


def _splits(folder: Path) -> dict[str, dict[str, Path]]:
    """Name of the split → kind of annotation → file."""
    found: dict[str, dict[str, Path]] = {}
    for kind in ("instances", "captions"):
        for path in sorted([*folder.glob(f"{kind}_*.json"), *folder.glob(f"annotations/{kind}_*.json")]):
            found.setdefault(path.stem.removeprefix(f"{kind}_"), {}).setdefault(kind, path)
    return found


def _picture_folders(folder: Path, split: str) -> tuple[Path, ...]:
    return folder / "images", folder / "images" / split, folder / split, folder


def _sentences(path: Path, document: CocoJson) -> dict[int, list[str]]:
    """Image id → its captions. Only images of `document` may have some: both files of a split list the same."""
    known = {image.integer("id") for image in document.images}
    found: dict[int, list[str]] = {}
    for entry in CocoJson.load(path, categories=False).annotations:
        _require_known(entry, known)
        found.setdefault(entry.integer("image_id"), []).append(entry.text("caption"))
    return found


def _require_known(entry: Entry, known: set[int]) -> None:
    if entry.integer("image_id") not in known:
        raise entry.error(f"image_id {entry.values['image_id']} is none of the {len(known)} images")
