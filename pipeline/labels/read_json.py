"""Reads labels in JSON: COCO, FiftyOne's own, and Label Studio's export."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.labels.returned import LabelledBox, Returned, box_of, frame_of, text_of, time_of
from schemas.errors import InvalidValueError


def read_coco(content: Mapping[str, Any]) -> Returned:
    """COCO's object detection. Ids of regions are annotations' `region`, or an attribute of that name."""
    names = {each["id"]: str(each["name"]) for each in content["categories"]}
    images = {each["id"]: each for each in content["images"]}
    frames = {id: text_of(each, "frame") or frame_of(each["file_name"]) for id, each in images.items()}
    boxes = []
    for each in content["annotations"]:
        where = f"annotation {each['id']}"
        image = images.get(each["image_id"])
        if image is None or each["category_id"] not in names:
            raise InvalidValueError(f"{where} is of an image or a category that the file does not have")
        boxes.append(
            LabelledBox(
                where,
                names[each["category_id"]],
                text_of(each, "region") or text_of(each.get("attributes") or {}, "region"),
                frames[each["image_id"]],
                box_of(each["bbox"], width=image["width"], height=image["height"]),
            )
        )
    return Returned("coco", tuple(boxes), frozenset((frame, None) for frame in frames.values() if frame))


def read_fiftyone(content: Mapping[str, Any]) -> Returned:
    """FiftyOneImageDetectionDataset. Ids of regions are an attribute `region`."""
    names = content.get("classes")
    boxes, frames = [], set()
    for picture, found in content["labels"].items():
        frame = frame_of(picture)
        frames.add((frame, None))
        for number, each in enumerate(found or ()):
            label = each["label"] if names is None else names[each["label"]]
            attributes = each.get("attributes") or {}
            region = text_of(attributes, "region") or text_of(each, "region")
            box = box_of(each["bounding_box"])
            boxes.append(LabelledBox(f"{picture}, box {number + 1}", str(label), region, frame, box))
    return Returned("fiftyone", tuple(boxes), frozenset((frame, by) for frame, by in frames if frame))


def read_label_studio(tasks: Sequence[Mapping[str, Any]]) -> Returned:
    """Label Studio's export (JSON): of each task what people annotated, and what they were shown as predictions.

    A task that nobody has done says nothing. The ids of regions are those of results; where Label Studio has given new
    ones, boxes are matched by their place.
    """
    boxes: list[LabelledBox] = []
    shown: list[LabelledBox] = []
    frames: set[tuple[str, str | None]] = set()
    skipped: list[str] = []
    for task in tasks:
        data = task.get("data") or {}
        frame = text_of(data, "frame") or frame_of(data.get("image", ""))
        name = f"task {task.get('id', frame)}"
        done = [each for each in task.get("annotations") or () if not each.get("was_cancelled")]
        if not done:
            skipped.append(f"{name}: nobody has annotated it")
        for each in done:
            by, at = _author(each.get("completed_by")), time_of(each.get("updated_at") or each.get("created_at"))
            boxes += _results(each.get("result") or (), name, frame, by, at, skipped)
            if frame is not None:
                frames.add((frame, by))
            for prediction in task.get("predictions") or ():
                if isinstance(prediction, Mapping):
                    shown += _results(prediction.get("result") or (), name, frame, by, at, [])
    return Returned("label-studio", tuple(boxes), frozenset(frames), tuple(shown), tuple(skipped))


def _results(
    results: Sequence[Mapping[str, Any]],
    task: str,
    frame: str | None,
    by: str | None,
    at: Any,
    skipped: list[str],
) -> Iterator[LabelledBox]:
    for each in results:
        if each.get("type") != "rectanglelabels":
            skipped.append(f"{task}: a result of the type {each.get('type')!r} is no box")
            continue
        value = each["value"]
        if abs(float(value.get("rotation") or 0)) > 0.5:
            skipped.append(f"{task}: a box that is turned by {value['rotation']} degrees")
            continue
        place = (value["x"], value["y"], value["width"], value["height"])
        box = box_of(place, width=100.0, height=100.0)
        region = text_of(each, "id")
        for label in value["rectanglelabels"]:
            yield LabelledBox(f"{task}, result {region}", str(label), region, frame, box, by=by, at=at)


def _author(value: object) -> str | None:
    """Who annotated: an address of mail, or a number."""
    if isinstance(value, Mapping):
        return text_of(value, "email", "username") or (f"user {value['id']}" if "id" in value else None)
    return None if value is None else f"user {value}"
