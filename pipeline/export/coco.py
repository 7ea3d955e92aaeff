"""COCO: `labels.json` (https://cocodataset.org/#format-data, object detection) beside the folder `data`.

FiftyOne opens the folder as a COCODetectionDataset, pycocotools opens the file.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from operators.masks.rle import resized_mask
from pipeline.export.dataset import Annotation, ExportedFrame, ExportedPicture, Pictures, label_names, pixel_box

PICTURES = "data"


def write_coco(folder: Path, frames: Sequence[ExportedFrame], pictures: Pictures) -> list[Path]:
    """Categories are numbered from 1, in the order of their names; a region with a mask has it as run lengths, another
    one its box as a polygon. Keys beyond COCO's (`region`, `source`, `at_s` …) lead back to the lake; `score` is the
    confidence."""
    number = {name: at for at, name in enumerate(label_names(frames), start=1)}
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for at, frame in enumerate(frames, start=1):
        picture = pictures[frame.id]
        images.append(
            {
                "id": at,
                "file_name": picture.path.removeprefix(f"{PICTURES}/"),
                "width": picture.width_px,
                "height": picture.height_px,
                "frame": frame.id,
                "source": frame.source,
                "at_s": frame.at_s,
                **({} if frame.time is None else {"date_captured": f"{frame.time:%Y-%m-%d %H:%M:%S}"}),
            }
        )
        for each in frame.annotations:
            entry: dict[str, object] = {"id": len(annotations) + 1, "image_id": at, "category_id": number[each.label]}
            annotations.append(entry | _shape(each, picture) | _more(each))
    categories = [{"id": at, "name": name, "supercategory": ""} for name, at in number.items()]
    info = {"description": "regions of a RegionLake"}
    made = {"info": info, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
    path = folder / "labels.json"
    path.write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    return [path]


def _shape(each: Annotation, picture: ExportedPicture) -> dict[str, object]:
    x, y, width, height = pixel_box(each.box, picture)
    shape: dict[str, object] = {"bbox": [x, y, width, height], "iscrowd": 0}
    if each.mask is None:
        polygon = [x, y, x + width, y, x + width, y + height, x, y + height]
        return shape | {"area": width * height, "segmentation": [polygon]}
    mask = resized_mask(each.mask, picture.height_px, picture.width_px)
    counts = {"size": [mask.height_px, mask.width_px], "counts": mask.counts.decode("ascii")}
    return shape | {"area": mask.area_px, "segmentation": counts}


def _more(each: Annotation) -> dict[str, object]:
    # `score` is what COCO calls a confidence, and what FiftyOne takes for it; it refuses one more of that name
    found = {"region": each.region, "track": each.track, "score": each.confidence, "proposal_score": each.score}
    found["verdict"] = each.verdict
    return {name: value for name, value in found.items() if value is not None}
