"""Opens exports as FiftyOne's data sets (`Dataset.from_dir`), and compares what it has with what was written.

FiftyOne keeps data sets in MongoDB. Here they are kept in memory, by mongomock: all else is FiftyOne's own.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import fiftyone as fo
import fiftyone.core.odm.database as database
import mongoengine
import mongomock
from mongomock.store import ServerStore

STORE = ServerStore()
TOLERANCE = 1e-4  # of fractions of a picture: our COCO has hundredths of pixels
Box = tuple[str, tuple[float, ...]]


class InMemory(mongomock.MongoClient):  # type: ignore[misc]
    """All clients see one store."""

    _closed = False

    def __init__(self, *hosts: str, **options: Any) -> None:
        known = {name: value for name, value in options.items() if name in ("host", "port", "tz_aware")}
        super().__init__(*hosts, _store=STORE, **known)


def without_mongodb() -> None:
    """Makes FiftyOne keep its data sets in memory."""
    connect = mongoengine.connect
    database.pymongo.MongoClient = InMemory
    mongoengine.connect = lambda *hosts, **options: connect(*hosts, mongo_client_class=InMemory, **options)
    fo.config.database_uri = "mongodb://memory"
    fo.config.database_validation = False
    fo.config.show_progress_bars = False


def opened(folder: Path, kind: Any) -> fo.Dataset:
    return fo.Dataset.from_dir(dataset_dir=str(folder), dataset_type=kind, label_field="found")


def boxes_of(dataset: fo.Dataset) -> dict[str, list[Box]]:
    """Labels and boxes by the name of the picture."""
    field = next(name for name in dataset.get_field_schema() if name.startswith("found"))
    return {
        Path(sample.filepath).stem: [(each.label, tuple(each.bounding_box)) for each in sample[field].detections]
        for sample in dataset
        if Path(sample.filepath).is_file()
    }


def differ(one: dict[str, list[Box]], other: dict[str, list[Box]]) -> str | None:
    """What differs first; None for what is the same."""
    if one.keys() != other.keys():
        return f"pictures {sorted(one.keys() ^ other.keys())[:3]}"
    for name, boxes in one.items():
        a, b = sorted(boxes), sorted(other[name])
        same = len(a) == len(b) and all(
            x[0] == y[0] and max(abs(p - q) for p, q in zip(x[1], y[1], strict=True)) < TOLERANCE
            for x, y in zip(a, b, strict=True)
        )
        if not same:
            return f"the boxes of {name}: {a} and {b}"
    return None


def written_boxes(stated: dict[str, Any]) -> dict[str, list[Box]]:
    """As `boxes_of`, from the file of FiftyOneImageDetectionDataset."""
    names = stated["classes"]
    return {
        picture: [(names[each["label"]], tuple(each["bounding_box"])) for each in found]
        for picture, found in stated["labels"].items()
    }


def regions_of(stated: dict[str, Any]) -> set[str]:
    return {each["attributes"]["region"] for found in stated["labels"].values() for each in found}


def main(own: Path, coco: Path) -> str:
    without_mongodb()
    stated = json.loads((own / "labels.json").read_text())
    expected = written_boxes(stated)
    dataset = opened(own, fo.types.FiftyOneImageDetectionDataset)
    as_coco = opened(coco, fo.types.COCODetectionDataset)
    for name, found in (("fiftyone", boxes_of(dataset)), ("coco", boxes_of(as_coco))):
        difference = differ(expected, found)
        if difference is not None:
            sys.exit(f"FiftyOne {fo.__version__} read the export {name} otherwise than it was written: {difference}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "exported"
        dataset.export(str(folder), dataset_type=fo.types.FiftyOneImageDetectionDataset, label_field="found")
        returned = json.loads((folder / "labels.json").read_text())
    if regions_of(returned) != regions_of(stated):
        sys.exit(f"FiftyOne {fo.__version__} lost the ids of regions")
    count = sum(map(len, expected.values()))
    return (
        f"FiftyOne {fo.__version__}: fiftyone and coco are data sets of {len(dataset)} pictures with {count} regions, "
        "as they were written, and its own export has the ids of all regions"
    )


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2])))
