"""Validates an export by Label Studio's own library, and converts it by that: the boxes must be those of our COCO."""

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from label_studio_sdk.converter import Converter
from label_studio_sdk.label_interface import LabelInterface

TOLERANCE_PX = 0.02  # our COCO has hundredths of pixels
Box = tuple[str, str, tuple[float, ...]]


def boxes_of(coco: dict[str, Any]) -> list[Box]:
    """Picture, label and box of each annotation, in order."""
    picture = {each["id"]: PurePosixPath(each["file_name"]).stem for each in coco["images"]}
    name = {each["id"]: each["name"] for each in coco["categories"]}
    return sorted(
        (picture[each["image_id"]], name[each["category_id"]], tuple(each["bbox"])) for each in coco["annotations"]
    )


def validate(interface: LabelInterface, tasks: list[dict[str, Any]]) -> None:
    """Ends the process with a sentence at the first task that is not valid."""
    interface.validate()
    for task in tasks:
        image = task["data"]["image"]
        # without its predictions: the library's own check of these calls itself with too few arguments
        if not interface.validate_task({"data": task["data"]}):
            sys.exit(f"{image}: the task lacks what the configuration shows")
        for prediction in task["predictions"]:
            errors = interface.validate_prediction(prediction, return_errors=True)
            if errors:
                sys.exit(f"{image}: the prediction is not valid: {errors[0]}")


def converted(config: str, tasks: list[dict[str, Any]], *, project: Path) -> dict[str, Any]:
    """What the library's converter makes of the tasks once somebody has accepted every prediction."""
    accepted = [
        {"id": number, "data": task["data"], "annotations": [{"id": number, "result": prediction["result"]}]}
        for number, task in enumerate(tasks)
        for prediction in task["predictions"]
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tasks.json").write_text(json.dumps(accepted))
        converter = Converter(config, str(project), download_resources=False)
        pictures = str(folder / "coco" / "images")
        converter.convert_to_coco(
            str(folder / "tasks.json"), str(folder / "coco"), output_image_dir=pictures, is_dir=False
        )
        found: dict[str, Any] = json.loads((folder / "coco" / "result.json").read_text())
        return found


def main(own: Path, coco: Path) -> str:
    config = (own / "label_config.xml").read_text()
    tasks = json.loads((own / "tasks.json").read_text())
    sdk = version("label-studio-sdk")
    validate(LabelInterface(config), tasks)
    expected = boxes_of(json.loads((coco / "labels.json").read_text()))
    found = boxes_of(converted(config, tasks, project=own))
    same = len(found) == len(expected) and all(
        a[:2] == b[:2] and max(abs(x - y) for x, y in zip(a[2], b[2], strict=True)) < TOLERANCE_PX
        for a, b in zip(found, expected, strict=True)
    )
    if not same:
        sys.exit(f"label-studio-sdk {sdk} makes {len(found)} regions otherwise than our COCO has its {len(expected)}")
    return (
        f"label-studio-sdk {sdk}: {len(tasks)} tasks with {len(found)} regions are valid, and converted to COCO they "
        "have the labels and boxes of our own"
    )


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2])))
