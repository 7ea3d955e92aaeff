"""Opens what labellers hand back, in whichever format it is."""

import json
from csv import Error as CsvError
from pathlib import Path
from typing import Any, Literal, get_args
from xml.etree.ElementTree import ParseError

from pipeline.labels.read_json import read_coco, read_fiftyone, read_label_studio
from pipeline.labels.read_text import read_csv, read_cvat, read_yolo
from pipeline.labels.returned import Returned
from schemas.errors import InvalidValueError

LabelFormat = Literal["coco", "yolo", "cvat", "label-studio", "fiftyone", "csv"]
LABEL_FORMATS: tuple[LabelFormat, ...] = get_args(LabelFormat)
_IN_FOLDERS = ("labels.json", "tasks.json", "annotations.xml", "annotations.json", "annotations/instances_default.json")
_LARGEST = 2**30  # bytes of a file
_WRONG = (
    *(KeyError, TypeError, IndexError, AttributeError, ValueError, ParseError, CsvError),
    *(ZeroDivisionError, OverflowError, RecursionError),  # numbers that no picture has, brackets in brackets
)


def read_labels(path: Path) -> Returned:
    """Reads a file of COCO, CVAT, Label Studio, FiftyOne or CSV, or a folder that has one of these or is YOLO's.

    Raises InvalidValueError where it is none of them, or says something that cannot be.
    """
    try:
        found = _read(path)
        for box in (*found.boxes, *found.shown):
            "".join((box.label, box.region or "", box.frame or "", box.by or "")).encode()  # half a sign of UTF-16
        return found
    except OSError as error:
        raise InvalidValueError(f"{path} cannot be read: {error.strerror or error}") from None
    except _WRONG as error:
        why = str(error) if isinstance(error, InvalidValueError | ParseError) else f"{type(error).__name__}: {error}"
        raise InvalidValueError(f"the labels of {path} cannot be read: {why}") from None


def _read(path: Path) -> Returned:
    if path.is_dir():
        if (path / "data.yaml").is_file():
            return read_yolo(path)
        found = [path / name for name in _IN_FOLDERS if (path / name).is_file()]
        if not found:
            raise InvalidValueError(f"the folder has none of data.yaml, {', '.join(_IN_FOLDERS)}: name the file")
        path = found[0]
    if path.stat().st_size > _LARGEST:
        raise InvalidValueError("it has more than 1 GiB: divide it")
    text = path.read_text(encoding="utf-8-sig")
    match path.suffix.lower():
        case ".csv":
            return read_csv(text)
        case ".xml":
            return read_cvat(text)
        case ".json":
            return _read_json(json.loads(text))
        case ".yaml" | ".yml":
            return read_yolo(path.parent)
    raise InvalidValueError(f"it ends in none of .csv, .xml, .json and .yaml, by which {', '.join(LABEL_FORMATS)} end")


def _read_json(content: Any) -> Returned:
    if isinstance(content, list):
        return read_label_studio(content)
    if isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys():
        return read_coco(content)
    if isinstance(content, dict) and isinstance(content.get("labels"), dict):
        return read_fiftyone(content)
    raise InvalidValueError("this JSON is neither of COCO, nor of Label Studio (its export JSON), nor of FiftyOne")
