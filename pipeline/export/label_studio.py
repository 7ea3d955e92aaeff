"""Label Studio: `tasks.json` with predictions, and `label_config.xml` (https://labelstud.io/guide/predictions)."""

import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from pipeline.export.dataset import ExportedFrame, Pictures, label_names
from pipeline.export.xml_text import xml_text

PICTURES = "images"
LOCAL_FILES = "/data/local-files/?d="  # of Label Studio, where LOCAL_FILES_DOCUMENT_ROOT is the export's folder


def write_label_studio(folder: Path, frames: Sequence[ExportedFrame], pictures: Pictures) -> list[Path]:
    """Boxes are predictions, which a person accepts or corrects. Values are per cent of the picture."""
    tasks = []
    for frame in frames:
        picture = pictures[frame.id]
        size = {"original_width": picture.width_px, "original_height": picture.height_px, "image_rotation": 0}
        result = []
        for each in frame.annotations:
            x0, y0, x1, y1 = each.box
            place = {"x": 100 * x0, "y": 100 * y0, "width": 100 * (x1 - x0), "height": 100 * (y1 - y0), "rotation": 0}
            entry = {
                "id": each.region,
                "type": "rectanglelabels",
                "from_name": "label",
                "to_name": "image",
                "value": place | {"rectanglelabels": [xml_text(each.label)]},
                **size,
            }
            result.append(entry if each.confidence is None else entry | {"score": each.confidence})
        data = {
            "image": LOCAL_FILES + picture.path,
            "frame": frame.id,
            "source": xml_text(frame.source),
            "at_s": frame.at_s,
        }
        sure = [each.confidence for each in frame.annotations if each.confidence is not None]
        score = {"score": sum(sure) / len(sure)} if sure else {}
        tasks.append({"data": data, "predictions": [{"model_version": "regionlake", "result": result} | score]})
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
    return [path, _write_config(folder, label_names(frames))]


def _write_config(folder: Path, names: Sequence[str]) -> Path:
    view = Xml.Element("View")
    Xml.SubElement(view, "Image", {"name": "image", "value": "$image"})
    labels = Xml.SubElement(view, "RectangleLabels", {"name": "label", "toName": "image"})
    for name in names:
        Xml.SubElement(labels, "Label", {"value": xml_text(name)})
    Xml.indent(view)
    path = folder / "label_config.xml"
    Xml.ElementTree(view).write(path, encoding="utf-8")
    return path
